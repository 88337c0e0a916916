"""The learning page measures what labels bought, prices the next ones, and says why they are asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labeling.fill import SPLIT_SEED
from labeling.learning import (
    Pool,
    cost_of,
    judged_and_taught,
    label_counts,
    learning_ask,
    learning_busy,
    learning_measure,
    learning_measured,
)
from labeling.models import Annotation, Item
from labeling.reasons import herded_words, reasons_keep
from scoring.core.herding import Standing
from scoring.core.splits import TRAIN, teaching_split
from scoring.core.types import vote_from_score
from scoring.errors import BadInputError, NotAllowedError
from scoring.models import DatasetVersion, Image, ModelVersion, Product, Serving, StoredFeatures
from scoring.registry import base_model_ensure, head_of
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, label_make, score_make
from tests.scoring.test_train import labelled_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]


def labels(cast: Cast, count: int) -> None:
    rows = labelled_rows(count)
    images = Image.objects.in_bulk([row.image_id for row in rows])
    for row in rows:
        mos = vote_from_score(row.target_score)
        label_make(cast.project, mos=mos, std_error=0.2, image=images[row.image_id])


def teaching_product() -> Product:
    """A product whose labels teach, so that its pictures are chosen and not drawn."""
    sides = ((f"T{number}", teaching_split(f"/T{number}", seed=SPLIT_SEED)) for number in range(99))
    name = next(name for name, side in sides if side == TRAIN)
    return Product.objects.create(external_id=name, title="Mug")


def vote(cast: Cast, item: Item, milliseconds: int, key: int) -> None:
    Annotation.objects.create(
        item=item,
        assignment=item.assignments.all()[0],
        rater=cast.ann,
        rating=4,
        duration_ms=milliseconds,
        key=f"00000000-0000-4000-8000-{key:012d}",
        body_digest="0" * 64,
    )


@pytest.mark.parametrize(
    ("most", "counts"), [(28, [10, 20, 28]), (70, [10, 20, 40, 70]), (45, [10, 20, 45]), (9, [9])]
)
def test_counts_double_up_to_all_there_are(most: int, counts: list[int]) -> None:
    assert label_counts(most) == counts


def test_a_curve_is_measured_on_the_labels_at_hand_and_kept(cast: Cast) -> None:
    labels(cast, 60)
    learning_ask(project=cast.project, by=cast.ada)
    assert learning_busy(project=cast.project)
    measured = learning_measure(project=cast.project)
    assert measured is not None
    assert not learning_busy(project=cast.project)
    assert learning_measured(project=cast.project) == measured
    assert measured.labels == 60
    assert len(measured.came) == len(measured.random) == 6
    assert all(len(run) == len(measured.counts) for run in (*measured.came, *measured.random))
    assert all(-1 <= value <= 1 for run in measured.came for value in run)
    assert [run[-1] for run in measured.came] == pytest.approx([run[-1] for run in measured.random], abs=1e-3)


def test_with_a_yardstick_runs_learn_from_all_else_and_are_tried_on_it_alone() -> None:
    held = np.arange(100) % 3 == 0
    pool = Pool(
        vectors=np.zeros((100, 2), dtype=np.float32),
        targets=np.zeros(100),
        weights=np.ones(100),
        groups=np.array([str(n) for n in range(100)]),
        held=held,
        votes=np.ones(100),
    )
    judged, taught = judged_and_taught(pool, np.random.default_rng(0))
    assert set(judged) <= set(np.flatnonzero(held))
    assert taught.tolist() == np.flatnonzero(~held).tolist()
    few = replace(pool, held=np.arange(100) < 5)
    judged, taught = judged_and_taught(few, np.random.default_rng(0))
    assert len(judged) == 30
    assert not set(judged) & set(taught)


def test_the_next_vote_goes_to_new_pictures_while_there_are_any(cast: Cast) -> None:
    labels(cast, 60)
    for seed in range(20):
        image = image_make()
        features_make(image, seed=500 + seed)
        item_make(cast.project, image=image)
    measured = learning_measure(project=cast.project)
    assert measured is not None
    assert measured.again is not None
    assert 0 < measured.again < 1


def deep_champion(*, keeps: int) -> ModelVersion:
    """A deep retrain serves, whose features know every label; the base's are kept of ``keeps`` images."""
    base = base_model_ensure()
    rows = list(StoredFeatures.objects.filter(version=base.feature_version).order_by("image_id"))
    for row in rows:
        StoredFeatures.objects.create(
            image_id=row.image_id,
            version="deep-7",
            vector=row.vector,
            embedding=row.embedding,
            measures={},
            findings=[],
        )
    StoredFeatures.objects.filter(pk__in=[row.pk for row in rows[keeps:]]).delete()
    ModelVersion.objects.filter(pk=base.pk).update(state="retired")
    frozen = DatasetVersion.objects.create(name="v1", digest="d" * 64, row_count=0)
    deep = ModelVersion.objects.create(
        name="deep-7",
        kind="deep",
        parent=base,
        dataset=frozen,
        feature_version="deep-7",
        weights_digest=base.weights_digest,
        state="champion",
    )
    Serving.objects.update(champion=deep, displayed=deep)
    return deep


@pytest.mark.parametrize(("keeps", "model", "is_taught"), [(60, "base-", False), (30, "deep-7", True)])
def test_a_curve_begins_before_any_label_or_says_that_it_cannot(
    client: Client, cast: Cast, keeps: int, model: str, is_taught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels(cast, 60)
    head = head_of(base_model_ensure())
    monkeypatch.setattr("labeling.learning.head_of", lambda model: head)
    deep_champion(keeps=keeps)
    measured = learning_measure(project=cast.project)
    assert measured is not None
    assert measured.model.startswith(model)
    assert measured.is_taught is is_taught
    client.force_login(cast.ada)
    page = client.get(reverse("learning")).content.decode()
    assert ('id="taught-curve"' in page) is is_taught
    assert ("before any label." in page) is not is_taught


def test_too_few_labels_or_no_features_measure_nothing(cast: Cast) -> None:
    base_model_ensure()
    for number in range(39):
        label_make(cast.project, mos=1 + number % 5)
    with pytest.raises(BadInputError, match="40"):
        learning_ask(project=cast.project, by=cast.ada)
    label_make(cast.project)
    learning_ask(project=cast.project, by=cast.ada)
    assert learning_measure(project=cast.project) is None
    assert not learning_busy(project=cast.project)
    assert learning_measured(project=cast.project) is None


def test_only_an_admin_may_have_it_measured(cast: Cast) -> None:
    with pytest.raises(NotAllowedError):
        learning_ask(project=cast.project, by=cast.rui)
    assert not learning_busy(project=cast.project)


def test_a_label_costs_the_time_of_its_votes_and_no_coffee(cast: Cast) -> None:
    item = item_make(cast.project)
    vote(cast, item, 4000, 1)
    vote(cast, item_make(cast.project), 8000, 2)
    vote(cast, item_make(cast.project), 36_00000, 3)
    label_make(cast.project, votes=3)
    cost = cost_of(project=cast.project)
    assert (cost.votes, cost.labels, cost.seconds_per_vote, cost.votes_per_label) == (2, 1, 6.0, 3.0)
    assert cost.seconds_per_label == 18.0
    assert cost.hours == pytest.approx(12 / 3600)


def test_the_page_says_what_comes_next_and_why_and_keeps_the_wage(client: Client, cast: Cast) -> None:
    product = teaching_product()
    for priority in (3.0, 1.5, 0.07):
        image = image_make(product=product)
        score_make(image, std=14)
        item_make(cast.project, image=image, priority=priority)
    client.force_login(cast.ada)
    page = client.get(reverse("learning"), {"wage": "30", "worth": "10"}).content.decode()
    assert "begun: 0 of 2 votes are in" in page
    assert "stands for many pictures nobody has asked about" in page  # what its order kept is gone
    assert "unsure by ±14.0 points" in page
    assert page.count('<span class="soft">± 14</span>') == 3
    again = client.get(reverse("learning")).content.decode()
    assert 'name="wage" value="30.0"' in again
    bad = client.get(reverse("learning"), {"wage": "-1", "worth": "much"})
    assert bad.status_code == 200
    assert "field-error" in bad.content.decode()


def test_a_measured_curve_is_drawn_with_advice(client: Client, cast: Cast) -> None:
    cache.set(
        f"learning:{cast.project.pk}:curve",
        {
            "counts": [10, 20, 40, 70],
            "came": [[0.6, 0.68, 0.72, 0.745], [0.58, 0.66, 0.73, 0.75]],
            "random": [[0.55, 0.62, 0.7, 0.745], [0.56, 0.63, 0.69, 0.75]],
            "labels": 100,
            "seconds": 4.2,
            "at": "2026-01-02T03:04:05+00:00",
        },
        timeout=None,
    )
    vote(cast, item_make(cast.project), 5000, 1)
    client.force_login(cast.ada)
    page = client.get(reverse("learning")).content.decode()
    assert "as they came" in page
    assert "drawn at random" in page
    assert "Asked at 40 labels, it would have said" in page
    assert "of the 30 that followed; they brought +2." in page
    assert "Go on: the next labels are worth their money." in page
    dear = client.get(reverse("learning"), {"wage": "9999", "worth": "0"}).content.decode()
    assert "Stop: even at best, a point would cost more than it is worth to you." in dear


def test_everybody_but_an_admin_is_turned_away(client: Client, cast: Cast) -> None:
    for person in (cast.ann, cast.rui, cast.mallory):
        client.force_login(person)
        assert client.get(reverse("learning")).status_code in (403, 404)
        assert client.post(reverse("learning-measure")).status_code in (403, 404)


def test_with_the_curve_comes_what_it_says_of_the_money(client: Client, cast: Cast) -> None:
    labels(cast, 60)
    vote(cast, Item.objects.all()[0], 6000, 1)
    client.force_login(cast.ada)
    asked = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "curve"}
    learning_ask(project=cast.project, by=cast.ada)
    waiting = client.get(reverse("learning"), **asked).content.decode()
    assert 'id="worth"' not in waiting  # somebody may be writing in it
    learning_measure(project=cast.project)
    done = client.get(reverse("learning"), **asked).content.decode()
    assert 'id="worth" aria-labelledby="money-title" hx-swap-oob="true"' in done
    assert "Advice comes with" not in done
    whole = client.get(reverse("learning")).content.decode()
    assert whole.count('id="worth"') == 1
    assert "hx-swap-oob" not in whole


def test_every_sum_has_the_currency_that_was_set(client: Client, cast: Cast) -> None:
    vote(cast, label_make(cast.project, votes=1).item, 36_000, 1)
    client.force_login(cast.ada)
    page = client.get(reverse("learning"), {"wage": "20", "worth": "9", "currency": "EUR"}).content.decode()
    assert "0.20 EUR" in page
    assert "0.20 EUR in money" in client.get(reverse("learning")).content.decode()


def test_a_picture_drawn_for_the_intervals_is_not_told_as_chosen(client: Client, cast: Cast) -> None:
    for number in range(40):
        image = image_make(product=Product.objects.create(external_id=f"P{number}", seller="shop"))
        item_make(cast.project, image=image, priority=1.9 - number / 100)
    client.force_login(cast.ada)
    page = client.get(reverse("learning"))
    told = {one.item.image.product.external_id: str(one.why) for one in page.context["next"]}
    drawn = {name for name, why in told.items() if "to set the model" in why}
    sides = {name: teaching_split(f"shop/{name}", seed=SPLIT_SEED) for name in told}
    assert drawn == {name for name, side in sides.items() if side != TRAIN}
    assert drawn
    assert len(drawn) < len(told)
    assert "About one in five is drawn at random" in page.content.decode()


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (Standing(3.6, 2.9, 0.0), "stands for about 4 others, most of them in mugs; nothing like it comes"),
        (Standing(2.2, 0.1, 0.3), "about 2 others, most of them outside mugs; hardly anything like it comes"),
        (Standing(1.2, 1.1, 0.3), "stands for about 1 other; hardly anything like it comes before it"),
        (Standing(0.2, 0.1, 2.2), "hardly another picture is like it; about 2 like it come before it"),
        (Standing(2.0, 2.0, 1.0, is_turn=True), "its category's turn; stands for about 2 others, most of"),
    ],
)
def test_a_herded_picture_has_a_reason_of_its_own(standing: Standing, words: str) -> None:
    assert words in herded_words(standing, "mugs")
    assert "in mugs" not in herded_words(standing, "")


def test_what_was_drawn_and_what_was_herded_are_told_apart(client: Client, cast: Cast) -> None:
    product = teaching_product()
    items = [
        item_make(cast.project, image=image_make(product=product), priority=2 - place) for place in (0, 0.1)
    ]
    reasons_keep(project=cast.project, herded={items[0].pk: Standing(7, 7, 0)}, drawn=[items[1].pk])
    client.force_login(cast.ada)
    told = [one.why for one in client.get(reverse("learning")).context["next"]]
    assert told[0].startswith("stands for about 7 others")
    assert told[1] == "drawn at random, so that what the queue overlooks comes up too"


def test_an_empty_queue_says_where_pictures_come_from(client: Client, cast: Cast) -> None:
    client.force_login(cast.ada)
    page = client.get(reverse("learning")).content.decode()
    assert "Nothing waits for votes" in page
    assert "Bring in pictures" in page
