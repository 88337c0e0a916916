"""The Compare page with real keys: one key an answer, nothing waits, nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Page, expect

from labeling.compare import live_comparisons
from labeling.models import Comparison, Project
from scoring.models import Product
from tests.browser.conftest import PATIENCE_MS, Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def mugs(cast: Cast) -> Project:
    """Eight pictures on the limit of good: four pairs."""
    for number in range(1, 9):
        product = Product.objects.create(external_id=f"M{number}", title=f"Mug {number}", category="mugs")
        image = image_make(product=product, stored=True)
        score_make(image, overall=60, std=8)
        item_make(cast.project, image=image)
    return cast.project


def opened(page: Page) -> Page:
    page.goto("/compare/")
    ready(page)
    return page


def ready(page: Page) -> tuple[str, str]:
    """The pair is on the stage and may be answered; the titles of left and right."""
    for side in ("left", "right"):
        expect(page.locator(f"[data-side={side}] img")).to_be_visible()
    page.wait_for_timeout(120)  # no key counts in the blink after a pair came
    titles = page.locator("[data-side] [data-title]").all_inner_texts()
    return titles[0], titles[1]


def saved(page: Page) -> None:
    expect(page.locator("[data-state]")).to_have_attribute("data-waiting", "0")
    expect(page.locator("[data-state]")).to_have_text("Saved")


def answers() -> list[tuple[str, str, str]]:
    """Left, answer, right of the comparisons that count, in the order in which they came."""
    found = live_comparisons().order_by("pk").select_related("left__image__product", "right__image__product")
    return [(row.left.image.product.title, row.answer, row.right.image.product.title) for row in found]


def test_one_arrow_is_one_answer_and_backspace_takes_it_back(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    seen = []
    for key, answer in (("ArrowLeft", "left"), ("ArrowDown", "cannot_say"), ("ArrowRight", "right")):
        left, right = ready(page)
        seen.append((left, answer, right))
        page.keyboard.press(key)
        expect(page.locator("[data-side=left] [data-title]")).not_to_have_text(left)
    saved(page)
    assert answers() == seen
    assert all(row.duration_ms >= 100 for row in Comparison.objects.all())
    expect(page.locator("[data-today]")).to_have_text("3 today")
    page.keyboard.press("Backspace")
    expect(page.locator("[data-side=left] [data-title]")).to_have_text(seen[2][0])
    saved(page)
    assert answers() == seen[:2]
    page.reload()
    ready(page)
    page.keyboard.press("Backspace")
    expect(page.locator("[data-side=left] [data-title]")).to_have_text(seen[1][0])
    saved(page)
    assert answers() == seen[:1]
    expect(page.locator("[data-today]")).to_have_text("1 today")


def test_without_a_network_answers_are_kept_and_sent_in_order(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    page.wait_for_timeout(600)  # the pairs ahead have come
    page_of.is_deaf = True  # the browser names what it cannot fetch
    page.context.set_offline(True)
    kept = []
    for key, answer in (("ArrowRight", "right"), ("ArrowLeft", "left")):
        left, right = ready(page)
        kept.append((left, answer, right))
        page.keyboard.press(key)
        expect(page.locator("[data-side=left] [data-title]")).not_to_have_text(left)
    expect(page.locator("[data-state]")).to_have_text("Offline, 2 kept here")
    assert answers() == []
    page.context.set_offline(False)
    saved(page)
    page_of.is_deaf = False
    assert answers() == kept


def test_a_tap_or_a_swipe_answers_and_when_all_is_said_it_says_so(
    page_of: Visits, cast: Cast, mugs: Project, check: Check
) -> None:
    page = opened(page_of(cast.ann, width=360, has_touch=True))
    check(page, "compare")
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("[data-side=right] img").tap()
    expect(page.locator("[data-today]")).to_have_text("1 today")
    saved(page)
    assert answers()[0][1] == "right"
    for number in range(2, 30):
        if page.get_by_role("heading", name="No pair left for you").is_visible():
            break
        ready(page)
        page.get_by_role("button", name="Can't say").click()
        expect(page.locator("[data-today]")).to_have_text(f"{number} today")
        saved(page)
        page.wait_for_timeout(150)
    expect(page.get_by_role("heading", name="No pair left for you")).to_be_visible()
    check(page, "compare-nothing")
    page.get_by_role("button", name="Undo my last answer").click()
    ready(page)


def test_on_a_phone_held_upright_the_two_stand_below_each_other_and_a_swipe_points_at_the_better(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = page_of(cast.ann, width=360, has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page)
    upper, lower = (page.locator(f"[data-side={side}]").bounding_box() for side in ("left", "right"))
    assert upper
    assert lower
    assert upper["y"] + upper["height"] <= lower["y"]
    assert min(upper["width"], lower["width"]) > 340
    expect(page.get_by_role("button", name="Upper is better")).to_be_visible()
    expect(page.get_by_role("button", name="Left is better")).to_be_hidden()
    cdp = page.context.new_cdp_session(page)
    x, y = 180, upper["y"] + upper["height"]
    for number, (dx, dy) in enumerate(((0, -120), (0, 120), (120, 0)), start=1):
        ready(page)
        for kind, share in (("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0), ("touchEnd", None)):
            points = [] if share is None else [{"x": x + dx * share, "y": y + dy * share}]
            cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        expect(page.locator("[data-today]")).to_have_text(f"{number} today")
    saved(page)
    assert [answer for _left, answer, _right in answers()] == ["left", "right", "cannot_say"]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740), (740, 360)])
@pytest.mark.parametrize("size", [(500, 1600), (1600, 500)])
def test_both_pictures_are_whole_and_above_the_answers_whatever_their_shape(
    page_of: Visits, cast: Cast, mugs: Project, width: int, height: int, size: tuple[int, int]
) -> None:
    drawn = io.BytesIO()
    PillowImage.new("RGB", size, "red").save(drawn, "JPEG")
    page = page_of(cast.ann, width=width)
    page.set_viewport_size({"width": width, "height": height})
    page.route("**/picture", lambda route: route.fulfill(body=drawn.getvalue(), content_type="image/jpeg"))
    opened(page)
    bar = page.locator(".compare-bar").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] <= height + 1
    for side in ("left", "right"):
        whole = page.locator(f"[data-side={side}] img").bounding_box()
        seen = page.locator(f"[data-side={side}] [data-scroll]").bounding_box()
        assert whole is not None
        assert seen is not None
        assert whole["height"] / whole["width"] == pytest.approx(size[1] / size[0], rel=0.05)
        assert whole["y"] >= seen["y"] - 1
        assert whole["y"] + whole["height"] <= min(seen["y"] + seen["height"], bar["y"]) + 1
        assert whole["x"] >= seen["x"] - 1
        assert whole["x"] + whole["width"] <= seen["x"] + seen["width"] + 1


def test_without_script_the_same_page_is_a_form(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page = page_of(cast.ann, java_script_enabled=False)
    page.goto("/compare/")
    left, right = page.locator("[data-side] [data-title]").all_inner_texts()
    page.get_by_role("button", name="Left is better").click()
    assert answers() == [(left, "left", right)]
    page.get_by_role("button", name="Undo").click()
    assert answers() == []
