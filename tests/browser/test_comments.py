"""A reviewer calls an annotator about a picture; the annotator sees it and answers."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from labeling.models import Item
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]


def test_a_call_travels_from_the_desk_to_home_and_back(page_of: Visits, cast: Cast, check: Check) -> None:
    item = item_make(cast.project, image=image_make(stored=True))
    score_make(item.image)
    Item.objects.filter(pk=item.pk).update(state="flagged")
    desk = page_of(cast.rui)
    desk.goto(f"/review/?item={item.pk}")
    desk.get_by_label("Your comment").fill("@ann is this the right product?")
    desk.get_by_role("button", name="Comment", exact=True).click()
    expect(desk.locator(".comment-call")).to_have_text("@ann")
    assert desk.url.endswith(f"/review/?item={item.pk}#comments")
    page = page_of(cast.ann)
    page.goto("/")
    expect(page.get_by_role("link", name="1 person calls you")).to_be_visible()
    check(page, "home-calls")
    page.get_by_role("link", name=str(item.image.product)).first.click()
    expect(page.locator(".comment-text")).to_contain_text("is this the right product?")
    check(page, "image-comments")
    page.get_by_label("Your comment").fill("@rui yes")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comment")).to_have_count(2)
    expect(page.get_by_role("link", name="1 person calls you")).to_have_count(0)
    desk.goto("/")
    expect(desk.get_by_role("link", name="1 person calls you")).to_be_visible()
    desk.get_by_role("button", name="Seen").click()
    expect(desk.get_by_role("link", name="1 person calls you")).to_have_count(0)
