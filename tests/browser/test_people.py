"""People as admins see them, and a pause as the paused see it."""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import uuid4

from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from labeling.lease import lease_next
from labeling.models import Annotation, Assignment, Consensus, Item, Probe, ProbeAnswer, Project
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make, score_make
from tests.labeling.test_probes import gold_answered

Check = Callable[[Page, str], None]


def panel_of_votes(cast: Cast, pictures: int = 24) -> None:
    """Ann is steady, Ben is generous and scatters; some scores were planted, some pictures came again."""
    rng = random.Random(5)
    for number in range(pictures):
        item, truth = item_make(cast.project), rng.choice([2, 3, 4])
        for slot, (who, shift, spread) in enumerate(((cast.ann, 0, 0.4), (cast.ben, 0.7, 1.0)), start=1):
            rating = min(5, max(1, round(truth + shift + rng.gauss(0, spread))))
            vote = vote_row(item, slot, who, rating, is_planted=number % 6 == 0, accept=who == cast.ben)
            if number % 3 == 0:
                again = min(5, max(1, round(rating + rng.gauss(0, spread))))
                probe_row(cast.project, who, again, kind="repeat", repeats=vote, item=item, image=item.image)


def vote_row(
    item: Item, number: int, who: User, rating: int, *, is_planted: bool, accept: bool
) -> Annotation:
    slot = Assignment.objects.get(item=item, slot=number)
    Assignment.objects.filter(pk=slot.pk).update(state="submitted", user=who)
    return Annotation.objects.create(
        item=item,
        assignment=slot,
        rater=who,
        rating=rating,
        is_planted=is_planted,
        is_accepted=is_planted and accept,
        shown_score=50.0,
        duration_ms=3000 + 400 * rating,
        key=uuid4(),
        body_digest="x",
    )


def probe_row(project: Project, who: User, rating: int, **said: object) -> None:
    probe = Probe.objects.create(
        project=project,
        user=who,
        scored_as=said["image"],
        lease_until=timezone.now(),
        state="answered",
        **said,
    )
    ProbeAnswer.objects.create(probe=probe, rater=who, rating=rating, key=uuid4(), body_digest="x")


def test_a_paused_person_asks_and_an_admin_answers(page_of: Visits, cast: Cast, check: Check) -> None:
    panel_of_votes(cast)
    for mos in (1.4, 3.0, 4.7):
        label_make(cast.project, mos=mos)
    gold_answered(cast, cast.ann, [1, 2, 3, 2, 1, 2, 4])
    gold_answered(cast, cast.ben, [5, 5, 4, 5, 2, 5, 4, 5])
    item_make(cast.project)
    lease_next(user=cast.ann, project=cast.project)
    page_of.allow(404)  # the examples' pictures are rows only
    page = page_of(cast.ben)
    page.goto("/label/")
    expect(page.get_by_role("heading", name="Your work here is paused")).to_be_visible()
    expect(page.get_by_text("You said 5; 1 to 3 was expected.").first).to_be_visible()
    check(page, "paused")
    page.get_by_label("What should the admin know?").fill("My screen was dark until today.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("An admin has it.")).to_be_visible()

    desk = page_of(cast.ada)
    desk.goto("/people/")
    expect(desk.get_by_role("heading", name="ben asks you to look at their pause again")).to_be_visible()
    for name in ("Gold questions", "Wrong scores taken", "Consistency", "Bias", "Agreement", "Pace"):
        expect(desk.get_by_role("heading", name=name, exact=True)).to_be_visible()
    check(desk, "people")
    desk.get_by_role("button", name="Give the pictures of ann to others").click()
    expect(desk.get_by_text("1 picture is free again.")).to_be_visible()
    desk.get_by_label("Your answer. They will read it.").fill("Thank you. Start slowly.")
    desk.get_by_role("button", name="Let them go on").click()
    expect(desk.get_by_text("ben can label again.")).to_be_visible()
    page.goto("/label/paused/")
    expect(page.get_by_role("heading", name="Label: Catalogue")).to_be_attached()


def test_an_admin_sets_the_rules_and_is_told_what_does_not_fit(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    item_make(cast.project)
    page_of.allow(422)
    page = page_of(cast.ada)
    page.goto("/people/")
    page.get_by_role("link", name="Project settings").click()
    page.get_by_label("gold questions, in %").fill("40")
    page.get_by_label("repeats, in %").fill("20")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("together are at most half of the pictures")).to_be_visible()
    check(page, "rules")
    page.get_by_label("gold questions, in %").fill("7.5")
    page.get_by_label("share of each category").fill("mugs: 60")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("gold questions, in %")).to_have_value("7.5")
    expect(page.get_by_label("share of each category")).to_have_value("mugs: 60")


def test_a_newcomer_walks_through_the_round_by_keys(page_of: Visits, cast: Cast, check: Check) -> None:
    for mos in (1.4, 3.0, 4.7):
        label_make(cast.project, mos=mos, image=image_make(stored=True))
    score_make(item_make(cast.project, image=image_make(stored=True), priority=9).image, overall=70)
    Project.objects.update(qualification_count=3)
    page = page_of(cast.ann)
    page.goto("/label/")
    expect(page.get_by_role("heading", name="A round of 3 pictures")).to_be_visible()
    page.get_by_role("button", name="Begin").click()
    for number in range(3):
        expect(page.locator("[data-stage] img")).to_be_visible()
        image = int(str(page.locator("[data-stage] img").get_attribute("src")).split("/")[2])
        page.wait_for_timeout(400)  # a vote is taken only for a picture that was seen
        page.keyboard.press(str(round(Consensus.objects.get(item__image_id=image).mos)))
        if number < 2:
            expect(page.locator("[data-stage] img")).not_to_have_attribute("src", f"/images/{image}/picture")
    expect(page.get_by_role("heading", name="3 of 3: you see it as the others do")).to_be_visible()
    check(page, "qualified")
    page.get_by_role("button", name="Start labeling").click()
    expect(page.get_by_text("Welcome. What you say counts from here on.")).to_be_visible()
    expect(page.locator("[data-stage] img")).to_be_visible()
    assert not Annotation.objects.exists()
