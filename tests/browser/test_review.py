"""The reviewer's desk in a real browser: every decision by its key, by its button, and without JavaScript."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from labeling.annotate import live_annotations
from labeling.consensus import consensus_settle
from labeling.models import Annotation, Assignment, Consensus, Flag, Item, Review
from scoring.models import Product
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]


def vote(item: Item, user: User, rating: int, *, note: str = "") -> Annotation:
    slot = item.assignments.filter(state="free").order_by("slot")[0]
    Assignment.objects.filter(pk=slot.pk).update(user=user, state="submitted")
    return Annotation.objects.create(
        item=item,
        assignment=slot,
        rater=user,
        rating=rating,
        note=note,
        is_flagged=bool(note),
        shown_score=71.0,
        key=uuid.uuid4(),
        body_digest="0" * 64,
    )


@dataclass(frozen=True)
class Scene:
    """Three flagged mugs, in the order they wait."""

    items: list[Item]

    def state(self, number: int) -> str:
        return str(Item.objects.get(pk=self.items[number].pk).state)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    items = []
    for number, title in enumerate(("Kettle", "Lamp", "Chair")):
        product = Product.objects.create(external_id=f"P{number}", title=title, category="Home")
        image = image_make(product=product, stored=True)
        score_make(image, overall=71, std=6)
        item = item_make(cast.project, image=image)
        vote(item, cast.ann, 1, note="The glass is cracked." if number == 0 else "")
        vote(item, cast.ben, 4)
        consensus_settle(item_id=item.pk)
        Assignment.objects.filter(item=item, state="free").update(state="closed")
        Flag.objects.get_or_create(
            item=item,
            reason="disagreement",
            cleared_at=None,
            defaults={"evidence": {"lowest": 1, "highest": 4}},
        )
        Item.objects.filter(pk=item.pk).update(state="flagged")
        items.append(item)
    return Scene(items)


def title(page: Page) -> str:
    return page.locator("#case-title").inner_text()


def test_a_approves_and_the_next_picture_stands_there(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    page.keyboard.press("a")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    assert scene.state(0) == "approved"
    expect(page.locator(".desk-note")).to_contain_text("Approved: Kettle.")
    page.keyboard.press("a")
    expect(page.locator("#case-title")).to_have_text("Chair")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Nothing waits for a decision")).to_be_visible()
    assert Review.objects.filter(decision="approve", reviewer=cast.rui).count() == 3


def test_a_digit_fixes_the_rating_and_approves(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("2")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    made = Review.objects.get(item=scene.items[0])
    assert (made.decision, made.fixed_rating) == ("fix", 2)
    assert Consensus.objects.get(item=scene.items[0]).mos == pytest.approx(2.0)


def test_r_asks_why_and_enter_rejects(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("r")
    page.keyboard.press("2")
    expect(page.get_by_label("Shows no product").last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    made = Review.objects.get(item=scene.items[0])
    assert (made.decision, made.reason) == ("reject", "Shows no product")
    assert scene.state(0) == "rejected"


def test_a_rejection_without_a_reason_is_refused_and_what_was_typed_stays(
    page_of: Visits, cast: Cast, scene: Scene
) -> None:
    page_of.allow(422)
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    expect(page.get_by_role("button", name="Reject the picture")).to_be_visible()
    assert not Review.objects.exists()
    assert scene.state(0) == "flagged"


def test_t_returns_the_vote_with_a_comment_to_whom_one_picks(
    page_of: Visits, cast: Cast, scene: Scene
) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("t")
    page.get_by_label("More, or another comment").fill("Is 4 a slip? 1 a 5 r t")
    page.get_by_label("To", exact=True).select_option(label="ben (4)")
    page.get_by_role("button", name="Return the vote").click()
    expect(page.locator("#case-title")).to_have_text("Lamp")
    item = Item.objects.get(pk=scene.items[0].pk)
    assert (item.state, item.returned_to) == ("open", cast.ben)
    assert Review.objects.get(item=item).reason == "Is 4 a slip? 1 a 5 r t"
    assert [v.rater for v in live_annotations().filter(item=item)] == [cast.ann]


def test_j_and_k_and_arrows_walk_the_queue_and_decide_nothing(
    page_of: Visits, cast: Cast, scene: Scene
) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    for key, name in (
        ("j", "Lamp"),
        ("ArrowDown", "Chair"),
        ("k", "Lamp"),
        ("ArrowUp", "Kettle"),
        ("k", "Kettle"),
    ):
        page.keyboard.press(key)
        expect(page.locator("#case-title")).to_have_text(name)
    expect(page).to_have_url(f"/review/?item={scene.items[0].pk}")
    assert not Review.objects.exists()


def test_a_key_pressed_while_the_next_picture_is_on_its_way_decides_nothing(
    page_of: Visits, cast: Cast, scene: Scene
) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    held: list[Route] = []
    page.route("**/review/**", lambda route: held.append(route))
    with page.expect_request("**/review/**"):
        page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_timeout(100)  # a decision would be on its way by now
    assert len(held) == 1
    held[0].continue_()
    page.unroute("**/review/**")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    assert {scene.state(number) for number in range(3)} == {"flagged"}
    page.keyboard.press("a")
    expect(page.locator("#case-title")).to_have_text("Chair")
    assert [scene.state(number) for number in range(3)] == ["flagged", "approved", "flagged"]


def test_x_ticks_and_the_ticked_are_approved_together(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("x")
    page.keyboard.press("j")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Approve ticked 2")).to_be_visible()
    page.keyboard.press("Shift+A")
    expect(page.locator(".desk-note")).to_contain_text("Decided on 2 pictures.")
    assert [scene.state(n) for n in range(3)] == ["approved", "approved", "flagged"]
    expect(page.locator("#case-title")).to_have_text("Chair")


def test_u_looks_again_and_the_last_decision_counts(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("a")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    page.keyboard.press("u")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    expect(page.get_by_text("This picture is approved. You can decide anew")).to_be_visible()
    page.keyboard.press("5")
    expect(page.locator("#case-title")).to_have_text("Lamp")
    assert [r.decision for r in Review.objects.filter(item=scene.items[0])] == ["approve", "fix"]


def test_typing_a_reason_presses_no_keys(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("r")
    page.get_by_label("More, or another reason").click()
    page.keyboard.type("a 1 x j u r")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    assert not Review.objects.exists()
    page.keyboard.press("Escape")
    expect(page.get_by_label("More, or another reason")).to_be_hidden()


def test_a_question_mark_shows_all_keys(page_of: Visits, cast: Cast, scene: Scene, check: Check) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    check(page, "review-keys")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert not Review.objects.exists()


def test_another_reviewer_was_faster_and_the_desk_says_so(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page_of.allow(409)
    page = page_of(cast.rui)
    page.goto("/review/")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    Item.objects.filter(pk=scene.items[0].pk).update(version=99, state="approved")
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("This image changed while you looked at it")
    expect(page.locator("#case-title")).to_have_text("Kettle")
    expect(page.get_by_text("This picture is approved. You can decide anew")).to_be_visible()
    assert not Review.objects.exists()


def test_own_work_offers_no_decision(page_of: Visits, cast: Cast, scene: Scene) -> None:
    scene.items[0].assignments.create(project=cast.project, slot=9, state="free")
    vote(scene.items[0], cast.rui, 3)
    page = page_of(cast.rui)
    page.goto(f"/review/?item={scene.items[0].pk}")
    expect(page.get_by_text("You voted on this picture yourself")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.locator("[data-decisions]")).to_have_count(0)
    page.keyboard.press("a")
    page.keyboard.press("1")
    expect(page.get_by_text("1 more is left to another reviewer")).to_be_visible()
    assert not Review.objects.exists()


def test_everything_works_without_javascript(page_of: Visits, cast: Cast, scene: Scene) -> None:
    page = page_of(cast.rui, java_script_enabled=False)
    page.goto("/review/")
    page.get_by_role("button", name="Approve 2", exact=False).first.click()
    expect(page.locator("#case-title")).to_have_text("Lamp")
    expect(page.get_by_text("Approved: Kettle.")).to_be_visible()
    page.get_by_text("Reject…", exact=False).last.click()
    page.get_by_label("Broken or unreadable").last.check()
    page.get_by_role("button", name="Reject the picture").click()
    expect(page.locator("#case-title")).to_have_text("Chair")
    page.get_by_label("Tick Chair").check()
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_role("heading", name="Nothing waits for a decision")).to_be_visible()
    assert [scene.state(n) for n in range(3)] == ["approved", "rejected", "approved"]
    assert Review.objects.filter(decision="approve").exclude(reason="").count() == 0


def test_the_desk_looks_right(page_of: Visits, cast: Cast, scene: Scene, check: Check) -> None:
    page = page_of(cast.rui)
    page.goto("/review/")
    check(page, "review")
    page.keyboard.press("r")
    check(page, "review-reject")
    page.goto("/review/?reason=policy")
    check(page, "review-nothing-for-reason")
    Item.objects.update(state="settled")
    page.goto("/review/")
    check(page, "review-empty")
