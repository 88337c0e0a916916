"""The frame of every page: the door, the menu, two languages, three themes, and how a page says no."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from labeling.annotate import annotation_submit
from labeling.models import Item, Membership
from scoring.models import ImportJob, ImportRow, ScoringJob
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

Check = Callable[[Page, str], None]


def vote_cast(person: User, item: Item, *, rating: int) -> None:
    """A vote as the Label page sends it."""
    slot = item.assignments.filter(state="free").order_by("slot").first()
    assert slot is not None
    slot.user, slot.state, slot.lease_until = person, "leased", timezone.now() + timedelta(minutes=5)
    slot.save()
    annotation_submit(user=person, assignment_id=slot.pk, key=uuid4(), rating=rating)


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


def test_home_of_an_annotator_names_the_one_thing_to_do(page_of: Visits, cast: Cast, check: Check) -> None:
    items = [item_make(cast.project, image=image_make(stored=True)) for _ in range(3)]
    vote_cast(cast.ann, items[0], rating=4)
    page = page_of(cast.ann)
    page.goto("/")
    expect(page.get_by_role("heading", level=2).first).to_have_text("2 pictures want your eye")
    expect(page.get_by_role("link", name="Go on labeling")).to_have_attribute("href", "/label/")
    expect(page.get_by_role("img", name="Mug")).to_have_count(1)
    expect(page.locator("#loop")).to_have_count(0)
    check(page, "home-annotator-busy")


def test_home_of_an_admin_shows_ten_stations_and_follows_work_until_it_ends(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    image = image_make(stored=True)
    score_make(image)
    item_make(cast.project, image=image)
    job = ImportJob.objects.create(kind="folder", state="running", label="autumn")
    ImportRow.objects.create(job=job, position=1, reference="a.jpg", state="done")
    ImportRow.objects.create(job=job, position=2, reference="b.jpg")
    page = page_of(cast.ada)
    page.goto("/")
    expect(page.locator(".station")).to_have_count(10)
    expect(page.get_by_role("progressbar", name="Bringing in pictures")).to_have_attribute("max", "2")
    check(page, "home-admin-busy")
    ImportRow.objects.update(state="done")
    ImportJob.objects.update(state="done")
    ScoringJob.objects.update(state="done")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator("#loop")).not_to_have_attribute("hx-trigger", "every 2s")


def test_an_admin_adds_somebody_and_hands_on_a_link_that_works_once(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    page = page_of(cast.ada)
    page.goto("/people/")
    page.get_by_label("Name to log in with").fill("cleo")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="A login link for cleo")).to_be_visible()
    check(page, "people")
    address = page.get_by_label("Login link", exact=True).input_value()
    page.reload()
    expect(page.get_by_label("Login link", exact=True)).to_have_count(0)
    page_of.allow(403)
    new = page_of()
    new.goto(address)
    new.get_by_role("button", name="Log in as cleo").click()
    expect(new.get_by_label("Menu of cleo")).to_be_visible()
    again = page_of()
    again.goto(address)
    expect(again.get_by_role("heading", level=1)).to_have_text("This link was used")


def test_an_admin_pauses_somebody_who_reads_why_and_lets_them_go_on(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ada)
    page.goto("/people/")
    page.get_by_label("Pause ben").click()
    page.get_by_label("Why? They will read it.").locator("visible=true").fill("Please read the guide again.")
    page.keyboard.press("Enter")
    expect(page.locator(".messages")).to_contain_text("ben is paused.")
    paused = page_of(cast.ben)
    paused.goto("/")
    expect(paused.get_by_text("Please read the guide again.")).to_be_visible()
    page.get_by_role("button", name="Let ben go on").click()
    expect(page.locator(".messages")).to_contain_text("ben can label again.")


def test_somebody_paused_asks_to_be_looked_at_again_and_reads_the_answer(page_of: Visits, cast: Cast) -> None:
    Membership.objects.filter(user=cast.ben).update(
        is_paused=True, paused_by="admin", pause_reason="Please read the guide again."
    )
    ben = page_of(cast.ben)
    ben.goto("/label/")
    expect(ben.get_by_role("heading", level=1)).to_have_text("Your work here is paused")
    ben.get_by_label("What should the admin know?").fill("I have read it twice now.")
    ben.get_by_role("button", name="Send").click()
    expect(ben.get_by_text("An admin has it.")).to_be_visible()
    ada = page_of(cast.ada)
    ada.goto("/")
    ada.get_by_role("link", name="1 paused person asks you to look again").click()
    asked = ada.locator(".people-appeal")
    expect(asked).to_contain_text("I have read it twice now.")
    asked.get_by_label("Your answer. They will read it.").fill("Welcome back.")
    asked.get_by_role("button", name="Let them go on").click()
    expect(asked).to_have_count(0)
    ben.goto("/label/")
    expect(ben.get_by_role("heading", level=1)).not_to_have_text("Your work here is paused")


def test_a_role_changes_as_soon_as_it_is_chosen_and_the_last_admin_stays(page_of: Visits, cast: Cast) -> None:
    page_of.allow(409)
    page = page_of(cast.ada)
    page.goto("/people/")
    page.get_by_label("Role of ann").select_option("reviewer")
    expect(page.locator(".messages")).to_contain_text("ann: Reviewer")
    assert Membership.objects.get(user=cast.ann).role == "reviewer"
    page.get_by_label("Role of ada").select_option("annotator")
    expect(page.get_by_role("heading", level=1)).to_have_text("That is not possible now")
    assert Membership.objects.get(user=cast.ada).role == "admin"


def test_people_draws_who_rates_higher_than_the_others(page_of: Visits, cast: Cast, check: Check) -> None:
    for _ in range(6):
        item = item_make(cast.project, image=image_make())
        vote_cast(cast.ann, item, rating=4)
        vote_cast(cast.ben, item, rating=3)
    page = page_of(cast.ada)
    page.goto("/people/")
    chart = page.locator(".people-chart").filter(has=page.get_by_role("heading", name="Bias"))
    expect(chart.locator("li").filter(has_text="ann")).to_contain_text("+1.0")
    expect(chart.locator("li").filter(has_text="ben")).to_contain_text("−1.0")
    check(page, "people-figures")
