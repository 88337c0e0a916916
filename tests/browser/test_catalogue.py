"""The catalogue and the page of an image in a real browser."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from labeling.consensus import consensus_settle
from labeling.models import Annotation, Assignment, Item
from scoring.models import Image, Product, Score
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, score_make

Check = Callable[[Page, str], None]
TITLES = ("Red kettle", "Blue kettle", "Lamp", "Chair")
BOX = [0.2, 0.2, 0.8, 0.8]


@pytest.fixture
def wall(cast: Cast) -> list[Image]:
    """Four pictures, from 35 to 95 points; the lamp is off centre, the chair flagged."""
    images = []
    for number, title in enumerate(TITLES):
        product = Product.objects.create(
            external_id=f"P{number}", title=title, category="Home", seller="North"
        )
        image = image_make(product=product, stored=True)
        score_make(image, overall=35.0 + 20 * number)
        row = features_make(image)
        type(row).objects.filter(pk=row.pk).update(measures={"noise_sigma": 5.0, "contrast": 180.0})
        images.append(image)
    off = {"defect": "off_centre", "probability": 0.9, "cause": "centre_offset", "value": 0.2, "box": BOX}
    Score.objects.filter(image=images[2]).update(findings=[off])
    Item.objects.filter(pk=item_make(cast.project, image=images[3]).pk).update(state="flagged")
    return images


def titles(page: Page) -> list[str]:
    return page.locator(".tile > .clip:not(.tile-worst)").all_inner_texts()


def test_typing_and_choosing_filter_at_once_and_the_address_follows(
    page_of: Visits, cast: Cast, wall: list[Image]
) -> None:
    page = page_of(cast.ann)
    page.goto("/images/")
    expect(page.get_by_text("4 pictures", exact=True)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("kettle")
    expect(page.get_by_text("2 pictures", exact=True)).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.get_by_label("Order").select_option("worst")
    expect(page).to_have_url("/images/?text=kettle&sort=worst")
    assert titles(page) == ["Red kettle", "Blue kettle"]
    page.go_back()
    expect(page).to_have_url(re.compile(r"/images/\?text=kettle"))
    page.reload()
    expect(page.get_by_text("2 pictures", exact=True)).to_be_visible()


def test_a_filter_is_taken_away_by_its_chip(page_of: Visits, cast: Cast, wall: list[Image]) -> None:
    page = page_of(cast.ann)
    page.goto("/images/?defect=off_centre&sort=best")
    assert titles(page) == ["Lamp"]
    page.get_by_role("link", name="Defect Off centre").click()
    expect(page).to_have_url("/images/?sort=best")
    assert titles(page) == ["Chair", "Lamp", "Blue kettle", "Red kettle"]


def test_a_column_of_the_histogram_opens_its_pictures(page_of: Visits, cast: Cast, wall: list[Image]) -> None:
    page = page_of(cast.ann)
    page.goto("/images/")
    page.get_by_role("link", name="1 picture from 75 to 80").click()
    expect(page.get_by_text("1 picture", exact=True)).to_be_visible()
    assert titles(page) == ["Lamp"]


def test_arrows_walk_the_wall_and_enter_opens_a_picture(
    page_of: Visits, cast: Cast, wall: list[Image]
) -> None:
    page = page_of(cast.ann)
    page.goto("/images/?sort=best")
    page.locator("a.tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lamp")


def test_the_catalogue_works_without_javascript(page_of: Visits, cast: Cast, wall: list[Image]) -> None:
    page = page_of(cast.ann, java_script_enabled=False)
    page.goto("/images/")
    page.get_by_label("Search").fill("lamp")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("1 picture", exact=True)).to_be_visible()
    page.locator("a.tile").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lamp")


def test_the_box_lies_on_the_picture_where_the_defect_is(
    page_of: Visits, cast: Cast, wall: list[Image]
) -> None:
    page = page_of(cast.ann)
    page.goto(f"/images/{wall[2].pk}/")
    whole = page.locator(".picture-frame > img").bounding_box()
    mark = page.locator(".picture-mark").bounding_box()
    assert whole is not None
    assert mark is not None
    assert mark["x"] - whole["x"] == pytest.approx(0.2 * whole["width"], abs=2)
    assert mark["y"] - whole["y"] == pytest.approx(0.2 * whole["height"], abs=2)
    assert mark["width"] == pytest.approx(0.6 * whole["width"], abs=3)
    assert mark["height"] == pytest.approx(0.6 * whole["height"], abs=3)


def test_the_catalogue_looks_right(page_of: Visits, cast: Cast, wall: list[Image], check: Check) -> None:
    page_of.allow(422)
    page = page_of(cast.rui)
    page.goto("/images/")
    check(page, "catalogue")
    page.goto("/images/?text=zeppelin&grade=good")
    check(page, "catalogue-nothing")
    page.goto("/images/?grade=superb")
    check(page, "catalogue-refused")


def test_an_image_looks_right(page_of: Visits, cast: Cast, wall: list[Image], check: Check) -> None:
    item = wall[3].items.get()
    for person, rating in ((cast.ann, 2), (cast.ben, 4)):
        slot = item.assignments.filter(state="free")[0]
        Assignment.objects.filter(pk=slot.pk).update(user=person, state="submitted")
        Annotation.objects.create(
            item=item,
            assignment=slot,
            rater=person,
            rating=rating,
            note="Look at the edge.",
            key=uuid.uuid4(),
            body_digest="0" * 64,
        )
    consensus_settle(item_id=item.pk)
    page = page_of(cast.ada)
    page.goto(f"/images/{wall[3].pk}/")
    expect(page.get_by_text("Look at the edge.").first).to_be_visible()
    check(page, "image")
    page.goto(f"/images/{wall[2].pk}/")
    check(page, "image-places")
