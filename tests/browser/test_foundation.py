"""The frame of every page: the door, the menu, two languages, three themes, and how a page says no."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visits
from tests.conftest import Cast

Check = Callable[[Page, str], None]


def test_a_person_logs_in_with_a_password_and_out_again(page_of: Visits, cast: Cast, check: Check) -> None:
    page = page_of()
    page.goto("/")
    expect(page).to_have_url("/login/?next=/")
    check(page, "login")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("ann")
    page.keyboard.press("Enter")
    expect(page).to_have_url("/")
    page.get_by_label("Menu of ann").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url("/login/")


def test_a_wrong_password_says_so_and_lets_nobody_in(page_of: Visits, cast: Cast) -> None:
    page = page_of()
    page.goto("/login/")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    page.goto("/")
    expect(page).to_have_url("/login/?next=/")


def test_the_first_tab_leads_past_the_menu(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ada)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_menu_is_walked_by_keyboard_and_shows_where_one_is(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ada)
    page.goto("/people/")
    here = page.get_by_role("navigation", name="Pages").get_by_role("link", name="People")
    expect(here).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Vitrine").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Home")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url("/")


def test_a_click_on_zhongwen_turns_the_page_chinese_and_back(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ann)
    page.goto("/")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_role("button", name="中文")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="EN").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_theme_changes_at_once_and_the_server_knows_it(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ann)
    page.goto("/")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "auto")
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    switch.click()
    expect(root).to_have_attribute("data-theme", "dark")
    answer = page.context.request.get("/")
    assert 'data-theme="dark"' in answer.text()
    switch.click()
    expect(root).to_have_attribute("data-theme", "auto")


def test_theme_and_language_work_without_javascript(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ann, java_script_enabled=False)
    page.goto("/")
    page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")


def test_a_mistyped_address_leads_back_home(page_of: Visits, cast: Cast, check: Check) -> None:
    page_of.allow(404)
    page = page_of(cast.ann)
    answer = page.goto("/nothing/here/")
    assert answer is not None
    assert answer.status == 404
    check(page, "not-found")
    page.get_by_role("link", name="To the home page").click()
    expect(page).to_have_url("/")


def test_an_annotator_is_told_that_people_is_not_theirs(page_of: Visits, cast: Cast) -> None:
    page_of.allow(403)
    page = page_of(cast.ann)
    answer = page.goto("/people/")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("This is not yours to open")


@pytest.mark.parametrize("name", ["ada", "rui", "ann", "mallory"])
def test_home_for_each_role(page_of: Visits, cast: Cast, check: Check, name: str) -> None:
    page = page_of(getattr(cast, name))
    page.goto("/")
    check(page, f"home-{name}")
