"""The catalogue: what is found, in which order, and what each role may know of an image."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.catalogue import (
    PAGE_SIZE,
    Sort,
    Wanted,
    catalogue_counts,
    catalogue_page,
    grade_range,
    unscored_count,
)
from labeling.models import Annotation, Assignment, Item
from scoring.core.types import Grade, grade_of
from scoring.dataset import FrozenRow, dataset_store
from scoring.models import Image, ModelVersion, Product, Score, Serving
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, score_make

pytestmark = pytest.mark.django_db
COUNT = 2 * PAGE_SIZE + 5


def found(cast: Cast, **asked: Any) -> list[Image]:
    page = catalogue_page(project=cast.project, wanted=Wanted(**asked))
    assert catalogue_counts(project=cast.project, wanted=Wanted(**asked)).total == len(page.tiles)
    return [tile.image for tile in page.tiles]


def shown(image: Image, score: Score) -> Image:
    assert score.image == image
    return image


def accused(image: Image, **probabilities: float) -> Image:
    score = score_make(image)
    findings = [{"defect": name, "probability": p, "cause": ""} for name, p in probabilities.items()]
    Score.objects.filter(pk=score.pk).update(findings=findings)
    return image


def vote(item: Item, user: User, rating: int, *, note: str = "", slot: int = 1) -> Annotation:
    assignment = item.assignments.get(slot=slot)
    Assignment.objects.filter(pk=assignment.pk).update(user=user, state="submitted")
    return Annotation.objects.create(
        item=item,
        assignment=assignment,
        rater=user,
        rating=rating,
        note=note,
        key=uuid.uuid4(),
        body_digest="0" * 64,
    )


# --- what is found -----------------------------------------------------------------------------------
def test_text_is_looked_for_in_title_product_id_and_file_name(cast: Cast) -> None:
    red = image_make(product=Product.objects.create(external_id="SKU-77", title="Red kettle"))
    blue = image_make(product=Product.objects.create(external_id="SKU-78", title="Blue kettle"))
    for image in (red, blue):
        score_make(image)
    Image.objects.filter(pk=blue.pk).update(name="IMG_0042.jpg")
    assert found(cast, text="RED KET") == [red]
    assert found(cast, text="sku-7") == [blue, red]
    assert found(cast, text="img_0042") == [blue]
    assert found(cast, text="100%") == []


def test_category_and_seller_are_exact(cast: Cast) -> None:
    lamp = image_make(
        product=Product.objects.create(external_id="1", category="Lamps", seller="Ann's", title="Lamp")
    )
    other = image_make(category="Lamps & light")
    for image in (lamp, other):
        score_make(image)
    assert found(cast, category="Lamps") == [lamp]
    assert found(cast, seller="Ann's") == [lamp]


@pytest.mark.parametrize("overall", [0.0, 19.999, 20.0, 39.9, 40.0, 60.0, 79.99, 80.0, 100.0])
def test_a_picture_is_found_under_its_own_grade_only(cast: Cast, overall: float) -> None:
    image = image_make()
    score_make(image, overall=overall)
    hits = [grade for grade in Grade if Score.objects.filter(grade_range(grade)).exists()]
    assert hits == [grade_of(overall)]


def test_a_range_holds_its_ends(cast: Cast) -> None:
    images = [image_make() for _ in range(3)]
    for image, overall in zip(images, (30.0, 50.0, 70.0), strict=True):
        score_make(image, overall=overall)
    assert found(cast, low=50.0, sort=Sort.WORST) == images[1:]
    assert found(cast, high=50.0, sort=Sort.WORST) == images[:2]
    assert found(cast, low=50.0, high=50.0) == [images[1]]


def test_a_defect_counts_from_one_half(cast: Cast) -> None:
    blurred = accused(image_make(), defocus_blur=0.5, noise=0.9)
    accused(image_make(), defocus_blur=0.49)
    assert found(cast, defect="defocus_blur") == [blurred]


def test_states_are_those_of_the_own_project(cast: Cast) -> None:
    other = type(cast.project).objects.create(name="Other")
    flagged, elsewhere, nowhere = image_make(), image_make(), image_make()
    for image in (flagged, elsewhere, nowhere):
        score_make(image)
    Item.objects.filter(pk=item_make(cast.project, image=flagged).pk).update(state="flagged")
    Item.objects.filter(pk=item_make(other, image=elsewhere).pk).update(state="flagged")
    assert found(cast, state="flagged") == [flagged]
    assert found(cast, state="none") == [nowhere, elsewhere]
    tiles = catalogue_page(project=cast.project, wanted=Wanted()).tiles
    assert [tile.state for tile in tiles] == [None, None, "flagged"]


def test_hidden_pictures_and_scores_of_other_models_are_left_out(cast: Cast) -> None:
    seen, hidden = image_make(), image_make()
    displayed = score_make(seen, overall=60)
    score_make(hidden)
    Image.objects.filter(pk=hidden.pk).update(is_hidden=True)
    candidate = ModelVersion.objects.create(name="next", kind="fast", feature_version="x", weights_digest="y")
    score_make(seen, overall=10, model=candidate)
    only = image_make()
    score_make(only, model=candidate)
    (tile,) = catalogue_page(project=cast.project, wanted=Wanted()).tiles
    assert tile.score == displayed
    assert unscored_count() == 1


def test_the_worst_defect_is_the_most_probable_accused_one(cast: Cast) -> None:
    accused(image_make(), noise=0.7, collage=0.9, border=0.3)
    accused(image_make(), noise=0.2)
    tiles = catalogue_page(project=cast.project, wanted=Wanted()).tiles
    assert [tile.worst and tile.worst["defect"] for tile in tiles] == [None, "collage"]


# --- order, pages, counts ------------------------------------------------------------------------------
@pytest.fixture
def many(cast: Cast) -> list[Image]:
    """Some pages of pictures; every score comes three times, so that ties are met."""
    images = [image_make() for _ in range(COUNT)]
    for number, image in enumerate(images):
        score_make(image, overall=float(number // 3), std=float(1 + number % 7))
    return images


@pytest.mark.parametrize("sort", Sort.values)
def test_turning_pages_shows_everything_once_forth_and_back(cast: Cast, many: list[Image], sort: str) -> None:
    wanted = Wanted(sort=sort)
    page = catalogue_page(project=cast.project, wanted=wanted)
    assert page.previous is None
    forth = [page]
    while page.following:
        page = catalogue_page(project=cast.project, wanted=wanted, after=page.following)
        forth.append(page)
    seen = [tile.image.pk for page in forth for tile in page.tiles]
    assert sorted(seen) == sorted(image.pk for image in many)
    assert [len(page.tiles) for page in forth] == [PAGE_SIZE, PAGE_SIZE, 5]
    back = [page]
    while page.previous:
        page = catalogue_page(project=cast.project, wanted=wanted, before=page.previous)
        back.append(page)
    assert [[t.image.pk for t in p.tiles] for p in reversed(back)] == [
        [t.image.pk for t in p.tiles] for p in forth
    ]
    assert back[-1].previous is None


@pytest.mark.parametrize(
    ("sort", "column", "goes_down"),
    [
        ("newest", "image_id", True),
        ("best", "overall_score", True),
        ("worst", "overall_score", False),
        ("unsure", "overall_std", True),
    ],
)
def test_each_order_is_what_it_says(
    cast: Cast, many: list[Image], sort: str, column: str, goes_down: bool
) -> None:
    tiles = catalogue_page(project=cast.project, wanted=Wanted(sort=sort)).tiles
    values = [getattr(tile.score, column) for tile in tiles]
    assert values == sorted(values, reverse=goes_down)


def test_the_histogram_counts_every_picture_in_its_twentieth(cast: Cast) -> None:
    for overall in (0.0, 4.999, 5.0, 50.0, 99.0, 100.0):
        score_make(image_make(), overall=overall)
    counts = catalogue_counts(project=cast.project, wanted=Wanted())
    assert counts.total == 6
    assert {at: n for at, n in enumerate(counts.histogram) if n} == {0: 2, 1: 1, 10: 1, 19: 2}


# --- the page ------------------------------------------------------------------------------------------
def look(client: Client, query: str = "", **headers: str) -> HttpResponse:
    answer: HttpResponse = client.get(reverse("catalogue") + query, headers=headers)
    return answer


def test_a_plain_request_gets_a_page_and_htmx_the_region_that_changes(cast: Cast, client: Client) -> None:
    score_make(image_make())
    client.force_login(cast.ann)
    page = look(client, "?sort=best")
    region = look(client, "?sort=best", **{"HX-Request": "true"})
    assert b"<html" in page.content
    assert region.content.lstrip().startswith(b'<section class="catalogue-results" id="results"')
    assert b"<html" not in region.content
    assert "HX-Request" in region["Vary"]
    back = look(client, "", **{"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert b"<html" in back.content


@pytest.mark.parametrize(
    "query",
    ["?grade=superb", "?low=much", "?high=101", "?sort=random", "?after=1", "?after=1~2;drop", "?state=x"],
)
def test_what_nobody_can_ask_for_is_refused_by_name(cast: Cast, client: Client, query: str) -> None:
    score_make(image_make())
    client.force_login(cast.ann)
    answer = look(client, query)
    assert answer.status_code == 422
    assert b'class="notice notice-error"' in answer.content
    assert b'class="tile"' not in answer.content


def test_unknown_parameters_and_other_columns_change_nothing(cast: Cast, client: Client) -> None:
    score_make(image_make())
    client.force_login(cast.ann)
    assert look(client, "?image__uploader__password=a").content.count(b'class="tile"') == 1


def test_markup_in_a_title_stays_text(cast: Cast, client: Client) -> None:
    product = Product.objects.create(external_id="x", title="<script>alert(1)</script>")
    image = image_make(product=product)
    score_make(image)
    client.force_login(cast.ann)
    for address in (reverse("catalogue"), reverse("image", args=[image.pk])):
        body = client.get(address).content
        assert b"<script>alert" not in body
        assert b"&lt;script&gt;alert" in body


def test_set_filters_are_named_and_can_be_taken_away_one_by_one(cast: Cast, client: Client) -> None:
    score_make(image_make())
    client.force_login(cast.ann)
    body = look(client, "?text=mug&grade=good&sort=best").content.decode()
    assert 'href="?text=mug&amp;sort=best"' in body
    assert 'href="?grade=good&amp;sort=best"' in body
    assert 'href="?sort=best"' in body


def test_each_kind_of_nothing_says_what_to_do(cast: Cast, client: Client) -> None:
    client.force_login(cast.ann)
    assert b"No pictures yet" in look(client).content
    image = image_make()
    assert b"The first scores are on their way" in look(client).content
    score_make(image)
    assert b"No picture fits" in look(client, "?text=zeppelin").content


def test_strangers_see_no_catalogue_and_no_image(cast: Cast, client: Client) -> None:
    image = image_make()
    score_make(image)
    addresses = [reverse("catalogue"), reverse("image", args=[image.pk])]
    for address in addresses:
        assert client.get(address).status_code == 302
    client.force_login(cast.mallory)
    for address in addresses:
        assert client.get(address).status_code == 404


def test_a_full_page_of_the_catalogue_costs_few_queries(
    cast: Cast, client: Client, many: list[Image], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for image in many[-PAGE_SIZE:]:
        item_make(cast.project, image=image)
    client.force_login(cast.ann)
    look(client)
    with django_assert_max_num_queries(10):
        answer = look(client)
    assert answer.content.count(b'class="tile"') == PAGE_SIZE


# --- one image -------------------------------------------------------------------------------------------
@pytest.fixture
def voted(cast: Cast) -> Item:
    """An item Ann voted on and Ben has not yet."""
    image = image_make()
    score_make(image)
    item = item_make(cast.project, image=image)
    vote(item, cast.ann, 2, note="The label is torn.")
    return item


def open_image(client: Client, person: User, image_id: int) -> str:
    client.force_login(person)
    answer = client.get(reverse("image", args=[image_id]))
    assert answer.status_code == 200
    body: str = answer.content.decode()
    return body


def test_nobody_sees_a_vote_before_giving_their_own(cast: Cast, client: Client, voted: Item) -> None:
    body = open_image(client, cast.ben, voted.image_id)
    assert "The label is torn." not in body
    assert "You see what others said once you have voted" in body
    vote(voted, cast.ben, 4, slot=2)
    body = open_image(client, cast.ben, voted.image_id)
    assert "The label is torn." in body
    assert "ann" not in body.split('id="people-title"')[1].split("</section>")[0]


def test_votes_show_to_all_once_nobody_can_vote_any_more(cast: Cast, client: Client, voted: Item) -> None:
    voted.assignments.filter(state="free").update(state="closed")
    assert "The label is torn." in open_image(client, cast.ben, voted.image_id)


def test_reviewers_see_votes_and_names_at_once(cast: Cast, client: Client, voted: Item) -> None:
    people = open_image(client, cast.rui, voted.image_id).split('id="people-title"')[1].split("</section>")[0]
    assert "The label is torn." in people
    assert "<strong>ann</strong>" in people


@pytest.mark.parametrize(("dimensions", "is_said"), [({}, True), ({"colour": 20.0}, False)])
def test_parts_of_a_score_that_no_label_taught_are_told_as_such(
    cast: Cast, client: Client, dimensions: dict[str, float], is_said: bool
) -> None:
    image = image_make()
    base_model_ensure()
    row = FrozenRow(image.pk, "g", "mugs", 40.0, 5.0, 0.04, 1, dimensions=dimensions)
    dataset = dataset_store(name="v1", rows=[row], split_seed=0, note="", created_by=None)
    model = ModelVersion.objects.create(
        name="fast-1", kind="fast", feature_version="x", weights_digest="y", dataset=dataset
    )
    score_make(image, model=model)
    Serving.objects.update(displayed=model)
    body = open_image(client, cast.ada, image.pk)
    assert ("Nobody has voted on these five yet" in body) is is_said


def test_the_life_of_an_image_is_all_there(cast: Cast, client: Client) -> None:
    product = Product.objects.create(external_id="K1", title="Kettle", category="Kitchen", seller="Tea Ltd")
    image, better = image_make(product=product), image_make(product=product)
    score_make(image, overall=50)
    score_make(better, overall=80)
    old = ModelVersion.objects.create(name="older", kind="fast", feature_version="x", weights_digest="y")
    score_make(image, overall=33, model=old)
    row = features_make(image, seed=1)
    type(row).objects.filter(pk=row.pk).update(measures={"noise_sigma": 12.0})
    features_make(image_make(product=Product.objects.create(external_id="T", title="Teapot")), seed=1)
    features_make(image_make(product=Product.objects.create(external_id="S", title="Sandal")), seed=2)
    body = open_image(client, cast.ada, image.pk)
    assert "Tea Ltd" in body
    assert "Between 34 and 66 in nine of ten cases" in body
    assert "Votes to expect of many people: 1 bad 6 %, 2 poor 24 %, 3 fair 40 %" in body
    assert "<dt>Noise</dt><dd>12\N{NO-BREAK SPACE}of 255</dd>" in body
    assert "older" in body
    assert "Teapot" in body
    assert "Sandal" not in body
    assert "Best of the product" not in body
    assert "Best of the product" in open_image(client, cast.ada, better.pk)


def test_places_of_defects_are_drawn_once_for_each_box(cast: Cast, client: Client) -> None:
    image = image_make()
    score = score_make(image)
    box = [0.1, 0.2, 0.5, 0.9]
    findings = [
        {"defect": "off_centre", "probability": 0.9, "cause": "", "box": box},
        {"defect": "cropped", "probability": 0.8, "cause": "", "box": box},
        {"defect": "product_too_small", "probability": 0.1, "cause": "", "box": [0, 0, 1, 1]},
    ]
    Score.objects.filter(pk=score.pk).update(findings=findings)
    body = open_image(client, cast.ann, image.pk)
    assert body.count('class="picture-mark"') == 1
    assert 'x="100" y="200" width="400" height="700"' in body
    assert "Off centre, Product cut off" in body


def test_an_image_is_there_without_score_item_or_features(cast: Cast, client: Client) -> None:
    assert "not scored yet" in open_image(client, cast.ann, image_make().pk)


def test_a_hidden_image_is_there_for_admins_only(cast: Cast, client: Client) -> None:
    image = image_make()
    Image.objects.filter(pk=image.pk).update(is_hidden=True)
    client.force_login(cast.rui)
    assert client.get(reverse("image", args=[image.pk])).status_code == 404
    assert "Hidden" in open_image(client, cast.ada, image.pk)


def test_an_image_with_a_long_life_costs_few_queries(
    cast: Cast, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    product = Product.objects.create(external_id="K1", title="Kettle")
    image = image_make(product=product)
    score_make(image)
    features_make(image)
    item = item_make(cast.project, image=image)
    for slot, person in ((1, cast.ann), (2, cast.ben)):
        vote(item, person, 3, slot=slot)
    for _ in range(6):
        other = image_make(product=product)
        score_make(other)
        features_make(other)
    client.force_login(cast.ada)
    client.get(reverse("image", args=[image.pk]))
    with django_assert_max_num_queries(29):
        client.get(reverse("image", args=[image.pk]))
