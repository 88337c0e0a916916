"""The Label page with real keys: one key is one vote, nothing waits, nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from labeling.annotate import annotation_submit, live_annotations
from labeling.models import Annotation, Assignment, Consensus, Item, Membership, Project, Skip
from scoring import device
from scoring.models import Product, Score
from tests.browser.conftest import PATIENCE_MS, Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]
PICTURES = 6
AHEAD = 4

expect.set_options(timeout=PATIENCE_MS)


def pictures(project: Project, count: int, *, overall: float = 71.0, first: int = 1) -> None:
    """Pictures Mug 1, Mug 2, … in this order."""
    for number in range(first, first + count):
        product = Product.objects.create(external_id=f"M{number}", title=f"Mug {number}", category="mugs")
        image = image_make(product=product, stored=True)
        score = score_make(image, overall=overall)
        score.findings[0] |= {"box": [0.2, 0.3, 0.7, 0.8]}
        score.save()
        item_make(project, image=image, priority=100.0 - number)  # further apart than what counts as equal


@pytest.fixture
def mugs(cast: Cast) -> Project:
    pictures(cast.project, PICTURES)
    return cast.project


def opened(page: Page) -> Page:
    page.goto("/label/")
    expect(page.locator("[data-says]")).to_contain_text(
        "Mug 1"
    )  # the server's page shows it, but hears no key
    ready(page, "Mug 1")
    return page


def ready(page: Page, title: str) -> None:
    """The picture is on the stage and may be rated."""
    expect(page.locator("[data-picture] img:not(.label-heat)")).to_have_attribute("alt", title)
    expect(page.locator("[data-title]")).to_have_text(title)
    page.wait_for_timeout(120)  # no key counts in the blink after a picture came


def stocked(page: Page) -> None:
    """The pictures ahead are leased and have arrived."""
    came = "performance.getEntriesByType('resource').filter(r => /picture$/.test(r.name)).length"
    for _ in range(300):
        if page.evaluate(came) > AHEAD:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the pictures ahead did not come")


def held(page: Page, count: int) -> None:
    """So many pictures are leased, or will be in a moment."""
    for _ in range(150):
        if Assignment.objects.filter(state="leased").count() == count:
            return
        page.wait_for_timeout(100)
    assert Assignment.objects.filter(state="leased").count() == count


def saved(page: Page) -> None:
    expect(page.locator("[data-state]")).to_have_attribute("data-waiting", "0")
    expect(page.locator("[data-state]")).to_have_text("Saved")


def stored_but_not_heard_of(route: Route) -> None:
    """The server has the vote, the answer gets lost."""
    route.fetch()
    route.abort()


def votes() -> list[tuple[str, int | None]]:
    """Titles and ratings of the votes that count, in the order in which they came."""
    found = live_annotations().order_by("pk").select_related("item__image__product")
    return [(vote.item.image.product.title, vote.rating) for vote in found]


def test_one_digit_is_one_vote_and_the_next_picture_is_there(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    for number, key in enumerate("53124", start=1):
        ready(page, f"Mug {number}")
        page.keyboard.press(key)
    ready(page, "Mug 6")
    saved(page)
    assert votes() == [("Mug 1", 5), ("Mug 2", 3), ("Mug 3", 1), ("Mug 4", 2), ("Mug 5", 4)]
    assert all(vote.duration_ms >= 100 for vote in Annotation.objects.all())
    expect(page.locator("[data-progress-words]")).to_have_text("5 of 6 today")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Nothing left for you")).to_be_visible()
    saved(page)
    assert len(votes()) == 6


def test_enter_accepts_the_score_and_is_kept_back_where_the_score_is_hidden(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    Assignment.objects.filter(item__image__product__title="Mug 3").update(is_blind=True)
    page = opened(page_of(cast.ann))
    expect(page.get_by_role("button", name="Accept 4")).to_be_enabled()
    page.keyboard.press("Enter")
    ready(page, "Mug 2")
    page.keyboard.press("Space")
    ready(page, "Mug 3")
    expect(page.get_by_text("Score hidden")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(page.locator("[data-hint]")).to_contain_text("rate it from 1 to 5")
    page.keyboard.press("2")
    ready(page, "Mug 4")
    saved(page)
    assert votes() == [("Mug 1", 4), ("Mug 2", 4), ("Mug 3", 2)]
    assert list(Annotation.objects.values_list("is_accepted", "shown_score")) == [
        (True, 71.0),
        (True, 71.0),
        (False, None),
    ]


def test_backspace_goes_back_as_often_as_wanted_even_past_a_reload(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    for number in (1, 2, 3):
        ready(page, f"Mug {number}")
        page.keyboard.press(str(number))
    ready(page, "Mug 4")
    expect(page.get_by_role("button", name="Undo 3")).to_be_enabled()
    page.keyboard.press("Backspace")
    ready(page, "Mug 3")
    expect(page.get_by_role("button", name="3 fair")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("5")
    ready(page, "Mug 4")
    saved(page)
    assert votes() == [("Mug 1", 1), ("Mug 2", 2), ("Mug 3", 5)]
    page.reload()
    ready(page, "Mug 4")
    for number in (3, 2, 1):
        page.keyboard.press("Backspace")
        ready(page, f"Mug {number}")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.keyboard.press("Backspace")
    expect(page.locator("[data-hint]")).to_have_text("There is nothing left to undo.")
    saved(page)
    assert votes() == []
    page.keyboard.press("4")
    ready(page, "Mug 2")
    saved(page)
    assert votes() == [("Mug 1", 4)]


def test_skip_flag_dimensions_and_defects_by_key(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page = opened(page_of(cast.ann))
    page.keyboard.press("s")
    ready(page, "Mug 2")
    saved(page)
    assert [skip.item.image.product.title for skip in Skip.objects.all()] == ["Mug 1"]
    page.keyboard.press("Backspace")
    ready(page, "Mug 1")
    saved(page)
    assert not Skip.objects.exists()
    page.keyboard.press("Shift+N")  # the model found noise; there is none
    page.keyboard.press("Shift+C")
    page.keyboard.press("Shift+U")
    page.keyboard.press("Shift+U")
    page.keyboard.press("Tab")  # nothing has the focus: to the dimensions at once
    page.keyboard.press("2")
    page.keyboard.press("Tab")
    page.keyboard.press("5")
    expect(page.locator("[data-dimension=colour] input:checked")).to_have_value("5")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.keyboard.type("The edge, 1 of 3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Flag")).to_have_attribute("aria-pressed", "true")
    assert not Annotation.objects.exists()
    page.keyboard.press("1")
    ready(page, "Mug 2")
    saved(page)
    vote = Annotation.objects.get()
    assert (vote.rating, vote.is_flagged, vote.note) == (1, True, "The edge, 1 of 3")
    assert vote.dimensions == {"sharpness": 2, "colour": 5}
    assert vote.defects == {"noise": False, "colour_cast": True}
    expect(page.locator("[data-defect=noise] input")).to_be_checked()
    expect(page.locator("[data-defect=colour_cast] input")).not_to_be_checked()
    expect(page.locator("[name=is_flagged]")).not_to_be_checked()


def test_offline_for_a_moment_loses_no_vote_and_keeps_their_order(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    stocked(page)
    page_of.is_deaf = True  # the browser itself complains of the missing network
    page.context.set_offline(True)
    for number, key in enumerate("2143", start=1):
        ready(page, f"Mug {number}")
        page.keyboard.press(key)
    page.keyboard.press("Backspace")
    ready(page, "Mug 4")
    page.keyboard.press("5")
    expect(page.locator("[data-state]")).to_have_text("Offline, 4 kept here")
    assert not Annotation.objects.exists()
    page.context.set_offline(False)
    saved(page)
    page_of.is_deaf = False
    ready(page, "Mug 5")
    assert votes() == [("Mug 1", 2), ("Mug 2", 1), ("Mug 3", 4), ("Mug 4", 5)]
    assert Annotation.objects.count() == 4  # what was taken back before it was sent never left the browser


def test_votes_not_sent_yet_survive_a_reload_and_an_answer_that_got_lost(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    page_of.is_deaf = True
    page.route("**/label/submit/", stored_but_not_heard_of)
    page.keyboard.press("4")
    ready(page, "Mug 2")
    page.keyboard.press("2")
    ready(page, "Mug 3")
    expect(page.locator("[data-state]")).to_have_text("Offline, 2 kept here")
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    page_of.is_deaf = False
    saved(page)
    expect(page.locator("[data-title]")).to_have_text(re.compile("Mug [3456]"))
    assert votes() == [("Mug 1", 4), ("Mug 2", 2)]
    assert Annotation.objects.count() == 2


def test_two_tabs_show_different_pictures_and_give_them_back_when_closed(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    project = Project.objects.get()
    pictures(project, 8, first=PICTURES + 1)
    one = opened(page_of(cast.ann))
    stocked(one)
    two = one.context.new_page()
    two.goto("/label/")
    ready(two, "Mug 6")
    two.keyboard.press("2")
    ready(two, "Mug 7")
    one.bring_to_front()
    one.keyboard.press("5")
    ready(one, "Mug 2")
    saved(one)
    saved(two)
    assert sorted(votes()) == [("Mug 1", 5), ("Mug 6", 2)]
    two.bring_to_front()  # a browser lets what lies behind ask seldom
    held(two, 2 * (AHEAD + 1))
    two.close(run_before_unload=True)
    held(one, AHEAD + 1)


def test_a_vote_that_is_not_taken_says_why_and_what_to_do(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page_of.allow(409)
    page = opened(page_of(cast.ann))
    stocked(page)
    first, second = Assignment.objects.filter(user=cast.ann, state="leased").order_by("pk")[:2]
    Assignment.objects.filter(pk=first.pk).update(user=cast.rui)
    annotation_submit(user=cast.ann, assignment_id=second.pk, key=uuid4(), rating=2)
    page.keyboard.press("5")
    lost = page.get_by_role("alert").filter(has_text="Mug 1")
    expect(lost).to_contain_text("Your time for this image ran out and somebody else has it.")
    lost.get_by_role("button", name="Got it").click()
    expect(lost).to_be_hidden()
    ready(page, "Mug 2")
    page.keyboard.press("4")
    twice = page.get_by_role("alert").filter(has_text="Mug 2")
    expect(twice.get_by_role("button", name="Keep my 2")).to_be_visible()
    assert votes() == [("Mug 2", 2)]
    twice.get_by_role("button", name="Change it to 4").click()
    saved(page)
    ready(page, "Mug 3")
    assert votes() == [("Mug 2", 4)]
    page.reload()
    ready(page, "Mug 1")  # its other slot
    expect(page.get_by_role("alert")).to_have_count(0)


def test_votes_wait_for_their_own_person(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page_of.allow(409, 401)
    page = opened(page_of(cast.ann))
    ann = page.context.cookies()
    page.context.add_cookies([page_of._session_cookie(cast.ben)])
    page.keyboard.press("3")
    expect(page.locator("[data-state]")).to_contain_text("Somebody else is logged in here now.")
    page.context.clear_cookies(name="vitrine")
    ready(page, "Mug 2")
    page.keyboard.press("1")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("[data-state]")).to_contain_text("2 answers are kept in this browser; log in to send")
    assert not Annotation.objects.exists()
    page.context.add_cookies([cookie for cookie in ann if cookie["name"] == "vitrine"])
    page.evaluate("dispatchEvent(new Event('online'))")
    saved(page)
    assert votes() == [("Mug 1", 3), ("Mug 2", 1)]
    assert {vote.rater for vote in Annotation.objects.all()} == {cast.ann}


def test_keys_can_be_changed_and_none_is_given_twice(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page = opened(page_of(cast.ann))
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name=re.compile("Change the key of “Skip”")).click()
    page.keyboard.press("f")
    expect(dialog.get_by_role("status")).to_contain_text("F is taken by “Flag with a note”")
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("status")).to_contain_text("needed elsewhere")
    page.keyboard.press("x")
    expect(dialog.get_by_role("status")).to_have_text("“Skip” is now X.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("s")
    page.keyboard.press("x")
    ready(page, "Mug 2")
    page.reload()
    ready(page, "Mug 2")
    expect(page.get_by_role("button", name="Skip").locator("kbd")).to_have_text("X")
    page.keyboard.press("x")
    ready(page, "Mug 3")
    saved(page)
    assert Skip.objects.count() == 2


def test_zoom_shows_single_pixels_and_one_key_shows_where_points_are_lost(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    device.warm_up()
    page = opened(page_of(cast.ann, width=1280))
    img = page.locator("[data-picture] img:not(.label-heat)")
    assert img.evaluate("i => i.getBoundingClientRect().width") == 96
    page.keyboard.press("h")
    expect(page.locator("figcaption")).to_have_text("Noise")
    left, width = page.locator(".label-box-mark").evaluate(
        "r => [r.getBoundingClientRect().left, r.getBoundingClientRect().width]"
    )
    assert abs(left - img.evaluate("i => i.getBoundingClientRect().left") - 0.2 * 96) < 2
    assert abs(width - 0.5 * 96) < 4
    heat = page.locator(".label-heat")
    assert heat.evaluate("i => i.decode().then(() => i.getBoundingClientRect().width)") == 96
    page.keyboard.press("z")
    assert img.evaluate("i => i.getBoundingClientRect().width") == 192
    expect(page.locator("[data-scale]")).to_have_text("200 %")
    page.keyboard.press("1")
    ready(page, "Mug 2")
    assert img.evaluate("i => i.getBoundingClientRect().width") == 96
    expect(page.locator("figcaption")).to_have_text("Noise")


def test_a_heatmap_that_cannot_be_made_yet_is_not_missing_without_a_word(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page_of.allow(503)
    Score.objects.update(findings=[])
    page = page_of(cast.ann)
    asked: list[str] = []

    def not_ready(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, body="{}", content_type="application/json")

    page.route("**/heatmap*", not_ready)
    opened(page)
    button = page.get_by_role("button", name="Heatmap")
    page.keyboard.press("h")
    expect(page.locator("[data-hint]")).to_contain_text("the model is not ready")
    expect(button).to_have_attribute("aria-pressed", "false")
    with page.expect_response("**/heatmap*"):
        page.keyboard.press("h")  # asks anew
    assert len(asked) == 2


def test_examples_of_worst_middle_and_best_are_one_key_away(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    page.keyboard.press("r")
    expect(page.locator("[data-hint]")).to_contain_text("no examples yet")
    for mos, item in zip((1.5, 3.0, 4.5), Item.objects.order_by("-pk"), strict=False):
        Item.objects.filter(pk=item.pk).update(state="settled")
        Consensus.objects.create(
            item=item, mos=mos, mos_score=50, std_error=0.2, ci_low=1, ci_high=5, vote_count=2
        )
    page.reload()
    ready(page, "Mug 1")
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Examples")
    expect(dialog.get_by_role("figure")).to_have_text([re.compile(n) for n in ("1.5", "3.0", "4.5")])
    page.keyboard.press("r")
    expect(dialog).to_be_hidden()
    assert not Annotation.objects.exists()


def test_a_finger_swipes_right_to_accept_and_left_to_skip(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page = opened(page_of(cast.ann, width=360, has_touch=True, is_mobile=True))
    cdp = page.context.new_cdp_session(page)

    def swipe(by: int) -> None:
        box = page.locator("[data-scroll]").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, dx in (("touchStart", 0), ("touchMove", by // 2), ("touchMove", by), ("touchEnd", None)):
            points = [] if dx is None else [{"x": x + dx, "y": y}]
            cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    swipe(30)
    swipe(120)
    ready(page, "Mug 2")
    swipe(-120)
    ready(page, "Mug 3")
    page.get_by_role("button", name="5 excellent").click()
    ready(page, "Mug 4")
    saved(page)
    assert votes() == [("Mug 1", 4), ("Mug 3", 5)]
    assert Skip.objects.count() == 1
    expect(page.get_by_role("button", name="Zoom")).to_be_visible()
    for name in ("1 bad", "5 excellent", "Accept 4", "Skip"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 44


def test_a_pause_is_suggested_after_the_session_and_can_be_waved_away(
    page_of: Visits, cast: Cast, mugs: Project
) -> None:
    page = opened(page_of(cast.ann))
    page.evaluate(
        "() => { const now = Date.now(), from = now - 25.5 * 6e4;"
        " sessionStorage['vitrine-session'] = JSON.stringify({from, last: now}) }"
    )
    page.keyboard.press("3")
    pause = page.locator("[data-pause]")
    expect(page.locator("[data-clock]")).to_have_text("25 min")
    expect(pause).to_contain_text("25 minutes")
    pause.get_by_role("button", name="Go on").click()
    expect(pause).to_be_hidden()


def test_without_script_the_page_is_a_plain_form(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page = page_of(cast.ann, java_script_enabled=False)
    page.goto("/label/")
    expect(page.get_by_role("img", name="Mug 1")).to_be_visible()
    page.get_by_label("Noise").uncheck()
    page.get_by_label("Collage").check()
    page.get_by_role("group", name="Lighting").get_by_title("fair").check()
    page.get_by_label("Flag for a reviewer").check()
    page.get_by_placeholder("What should the reviewer look at?").fill("Edge")
    page.get_by_role("button", name="2 poor").click()
    expect(page.get_by_role("img", name="Mug 2")).to_be_visible()
    vote = Annotation.objects.get()
    assert (vote.rating, vote.dimensions, vote.is_flagged, vote.note) == (2, {"lighting": 3}, True, "Edge")
    assert vote.defects == {"noise": False, "collage": True}
    page.get_by_label("Noise").press("Enter")
    expect(page.get_by_text("choose a rating from 1 to 5")).to_be_visible()
    assert Annotation.objects.count() == 1
    page.get_by_role("button", name="Accept 4").click()
    expect(page.get_by_role("img", name="Mug 3")).to_be_visible()
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("img", name="Mug 4")).to_be_visible()
    page.get_by_role("button", name="Undo 4").click()
    expect(page.get_by_role("img", name="Mug 2")).to_be_visible()
    assert votes() == [("Mug 1", 2)]
    for number in (2, 4, 5, 6):
        expect(page.get_by_role("img", name=f"Mug {number}")).to_be_visible()
        page.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("heading", name="Nothing left for you")).to_be_visible()
    page.get_by_role("button", name="Offer me again what I skipped").click()
    expect(page.get_by_role("img", name="Mug 3")).to_be_visible()  # not the one just looked at
    assert not Skip.objects.exists()


def test_a_paused_person_is_told_why(page_of: Visits, cast: Cast, mugs: Project) -> None:
    page_of.allow(403)
    Membership.objects.filter(user=cast.ann).update(is_paused=True, pause_reason="Rest your eyes.")
    page = page_of(cast.ann)
    page.goto("/label/")
    expect(page.get_by_text("Rest your eyes.")).to_be_visible()


def test_the_page_is_for_everybody(page_of: Visits, cast: Cast, mugs: Project, check: Check) -> None:
    Assignment.objects.filter(item__image__product__title="Mug 2").update(is_blind=True)
    page = opened(page_of(cast.ann))
    page.keyboard.press("h")
    check(page, "label")
    page.keyboard.press("?")
    check(page, "label-keys")
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    ready(page, "Mug 2")
    check(page, "label-blind")
    for number in range(3, 8):
        page.keyboard.press("1")
        if number <= PICTURES:
            ready(page, f"Mug {number}")
    expect(page.get_by_role("heading", name="Nothing left for you")).to_be_visible()
    check(page, "label-nothing")
