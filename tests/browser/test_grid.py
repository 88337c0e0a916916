"""The Grid page with real keys: one Enter is a sheet of votes, exceptions by arrows and a digit."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from labeling.annotate import live_annotations
from labeling.models import Assignment, Project, Skip
from scoring.models import Product
from tests.browser.conftest import PATIENCE_MS, Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]
ON_A_SHEET, PICTURES = 24, 31

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def mugs(cast: Cast) -> Project:
    """A full sheet of excellent pictures, and a small one behind it."""
    for number in range(1, PICTURES + 1):
        product = Product.objects.create(external_id=f"M{number}", title=f"Mug {number}", category="mugs")
        image = image_make(product=product, stored=number % 6 == 0 or number == 1)
        score_make(image, overall=95, std=8)
        item_make(cast.project, image=image)
    return cast.project


@pytest.fixture
def page(page_of: Visits, cast: Cast, mugs: Project) -> Page:
    page_of.allow(404)  # most of the pictures have no file
    page = page_of(cast.ann)
    page.goto("/grid/")
    expect(page.locator("[data-tile]")).to_have_count(ON_A_SHEET)
    page.wait_for_timeout(450)  # nobody has looked at a sheet sooner
    return page


def saved(page: Page) -> None:
    expect(page.locator("[data-state]")).to_have_attribute("data-waiting", "0")
    expect(page.locator("[data-state]")).to_have_text("Saved")


def ratings() -> list[int | None]:
    return sorted(live_annotations().values_list("rating", flat=True))  # type: ignore[type-var]


def test_enter_confirms_the_sheet_but_for_what_was_changed(page: Page, check: Check) -> None:
    tiles = page.locator("[data-tile]")
    first, third, last = (tiles.nth(at).locator("img").get_attribute("alt") for at in (0, 2, 10))
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.keyboard.press("ArrowDown")
    expect(tiles.nth(10)).to_be_focused()
    page.keyboard.press("1")
    page.keyboard.press("Backspace")
    check(page, "grid")
    expect(page.get_by_role("button", name="Confirm 22, change 2")).to_be_visible()
    page.keyboard.press("Enter")
    expect(tiles).to_have_count(PICTURES - ON_A_SHEET)
    saved(page)
    assert ratings() == [2] + [5] * 22
    titles = dict(live_annotations().values_list("item__image__product__title", "rating"))
    assert (titles[first], titles[last]) == (2, 5)
    assert Skip.objects.get().item.image.product.title == third
    expect(page.locator("[data-today]")).to_have_text("23 today")


def test_backspace_takes_the_last_sheet_back_with_its_changes(page: Page) -> None:
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("[data-tile]")).to_have_count(PICTURES - ON_A_SHEET)
    saved(page)
    assert len(ratings()) == ON_A_SHEET
    page.keyboard.press("Backspace")
    expect(page.locator("[data-tile]")).to_have_count(ON_A_SHEET)
    expect(page.get_by_role("button", name="Confirm 23, change 1")).to_be_visible()
    saved(page)
    assert ratings() == []
    page.wait_for_timeout(450)
    page.keyboard.press("Enter")
    saved(page)
    assert ratings() == [3] + [5] * 23


def test_a_sheet_can_be_taken_back_after_the_page_was_loaded_again(page: Page) -> None:
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("[data-tile]")).to_have_count(PICTURES - ON_A_SHEET)
    saved(page)
    page.reload()
    expect(page.locator("[data-tile]")).to_have_count(PICTURES - ON_A_SHEET)
    page.keyboard.press("Backspace")
    expect(page.locator("[data-tile]")).to_have_count(ON_A_SHEET)
    expect(page.get_by_role("button", name="Confirm 23, change 1")).to_be_visible()
    saved(page)
    assert ratings() == []


def test_the_last_sheet_leads_to_the_label_page_and_a_closed_page_gives_its_leases_back(
    page: Page, check: Check
) -> None:
    for left in (PICTURES - ON_A_SHEET, 0):
        page.get_by_role("button", name="Confirm all").click()
        expect(page.locator("[data-tile]")).to_have_count(left)
        page.wait_for_timeout(450)
    expect(page.get_by_role("heading", name="No clear cases left for you")).to_be_visible()
    saved(page)
    assert ratings() == [5] * PICTURES
    check(page, "grid-nothing")
    page.get_by_role("button", name="Undo the last sheet").last.click()
    expect(page.locator("[data-tile]")).to_have_count(PICTURES - ON_A_SHEET)
    saved(page)
    page.close(run_before_unload=True)
    for _ in range(100):
        if not Assignment.objects.filter(state="leased").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the leases were not given back")


def test_without_script_the_sheet_is_a_form(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page_of.allow(404)
    page = page_of(cast.ann, java_script_enabled=False)
    page.goto("/grid/")
    page.locator("[data-tile] select").nth(0).select_option("3")
    page.locator("[data-tile] select").nth(1).select_option("skip")
    page.get_by_role("button", name="Confirm all").click()
    assert ratings() == [3] + [5] * 22
    assert Skip.objects.count() == 1
