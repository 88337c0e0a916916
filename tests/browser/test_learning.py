"""Learning and audit: a curve measured while one watches, money reckoned, the trail taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labeling.learning import learning_measure
from labeling.models import Item
from scoring.events import event_note
from tests.browser.conftest import Visits
from tests.browser.test_models import labels
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make
from tests.labeling.test_audit import judged
from tests.labeling.test_learning import teaching_product, vote

Check = Callable[[Page, str], None]
pytestmark = pytest.mark.usefixtures("empty_cache")


def test_a_curve_is_measured_while_one_watches(page_of: Visits, cast: Cast, check: Check) -> None:
    labels(cast, 60)
    vote(cast, Item.objects.all()[0], 6000, 1)
    page_of.allow(404)  # where measuring is slow, pictures without files are proposed meanwhile
    page = page_of(cast.ada)
    page.goto("/learning/")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("being measured")).to_be_visible()
    expect(page.get_by_text("Advice comes with a measured curve")).to_be_visible()
    learning_measure(project=cast.project)
    expect(page.get_by_text("Advice comes with a measured curve")).to_have_count(0)
    expect(page.get_by_role("img", name="Agreement with people over labels")).to_be_visible()
    expect(page.locator("#curve")).not_to_have_attribute("hx-trigger", "every 2s")
    shown = image_make(product=teaching_product(), stored=True)
    image = item_make(cast.project, image=shown, priority=1.5).image
    score_make(image, std=14)
    page.reload()
    expect(page.get_by_text("stands for many pictures nobody has asked about")).to_be_visible()
    page.get_by_label("Wage an hour").fill("24")
    page.get_by_role("button", name="Reckon").click()
    expect(page.get_by_label("Wage an hour")).to_have_value("24")
    check(page, "learning")


def test_the_trail_is_filtered_and_taken_away(page_of: Visits, cast: Cast, check: Check) -> None:
    for number in range(6):
        event_note(actor=cast.ann, verb="annotate.submit", after={"rating": 1 + number % 5})
    event_note(actor=cast.rui, verb="review.reject", target=cast.project, after={"reason": "blurred logo"})
    page = page_of(cast.ada)
    page.goto("/audit/")
    expect(page.get_by_role("heading", name="7 acts")).to_be_visible()
    check(page, "audit")
    page.get_by_label("Person").fill("rui")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name="1 act")).to_be_visible()
    expect(page.get_by_text("rejected: blurred logo")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="As CSV").click()
    text = Path(download.value.path()).read_text("utf-8")
    assert "review.reject" in text
    assert "annotate.submit" not in text


def test_fairness_and_drift_are_drawn_by_category_and_measure(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    judged({"mugs": 4.0, "shoes": -12.0, "lamps": 1.0})
    page = page_of(cast.ada)
    page.goto("/audit/?show=fairness")
    expect(page.get_by_role("row", name="shoes")).to_be_visible()
    check(page, "audit-fairness")
    page.get_by_role("link", name="Calibration").click()
    expect(page.get_by_role("img", name="Share of people's scores inside intervals")).to_be_visible()
    expect(page.get_by_role("row", name="shoes")).to_be_visible()
    check(page, "audit-calibration")
    page.get_by_role("link", name="Drift").click()
    expect(page.get_by_role("heading", name="Have the pictures changed?")).to_be_visible()
    check(page, "audit-drift")
