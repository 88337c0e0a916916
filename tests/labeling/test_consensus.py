"""Station 5: votes become a label, a question to one more person, or a flag."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Avg
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import consensus as consensus_module
from labeling.annotate import annotation_submit, annotation_withdraw
from labeling.consensus import (
    consensus_settle,
    consensus_settle_due,
    consensus_solve,
    consensus_solve_due,
    labels_of,
)
from labeling.core.consensus import Prior
from labeling.models import (
    Annotation,
    Assignment,
    Consensus,
    Flag,
    Item,
    Membership,
    Panel,
    RaterProfile,
    Skip,
)
from labeling.queue import lease_next
from labeling.review import review_decide
from scoring.errors import NotThereError
from scoring.models import Event, Score
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def picture(cast: Cast, *, overall: float = 50, std: float = 10, findings: Any = ()) -> Item:
    item = item_make(cast.project)
    score_make(item.image, overall=overall, std=std)
    Score.objects.update(findings=list(findings))
    return item


def vote(cast: Cast, user: User, item: Item, rating: int, **said: Any) -> Annotation:
    """Lease the item to the person, whatever else waits, and vote."""
    Assignment.objects.exclude(item=item).filter(state="free").update(state="closed")
    (slot,) = lease_next(user=user, project=cast.project)
    assert slot.item_id == item.pk
    return annotation_submit(user=user, assignment_id=slot.pk, key=uuid4(), rating=rating, **said)


def person(cast: Cast, name: str) -> User:
    user = User.objects.create_user(name)
    Membership.objects.create(project=cast.project, user=user, role="annotator")
    return user


def settle(item: Item) -> Consensus:
    label = consensus_settle(item_id=item.pk)
    assert label is not None
    item.refresh_from_db()
    return label


def open_flags(item: Item) -> dict[str, Any]:
    return dict(Flag.objects.filter(item=item, cleared_at=None).values_list("reason", "evidence"))


def test_two_who_agree_settle_a_picture_at_the_mean(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 3, dimensions={"sharpness": 2}, defects={"noise": True})
    label = settle(item)
    assert (item.state, label.mos, label.vote_count) == ("open", 3.0, 1)
    vote(cast, cast.ben, item, 4, dimensions={"sharpness": 4, "colour": 5}, defects={"noise": False})
    label = settle(item)
    assert item.state == "settled"
    assert (label.mos, label.mos_score, label.histogram) == (3.5, 62.5, [0, 0, 1, 1, 0])
    assert label.dimensions == {"sharpness": 3.0, "colour": 5.0}
    assert label.defects == {"noise": 0.5}
    assert label.ci_low < 2.6
    assert label.ci_high > 4.4
    assert labels_of(item_ids=[item.pk, 10**9]) == {item.pk: label}
    assert Event.objects.get(verb="consensus.settle").after == {"state": "settled"}


def test_two_yes_to_a_defect_are_surer_than_one(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 3, defects={"noise": True})
    assert settle(item).defects == {"noise": 0.8}
    vote(cast, cast.ben, item, 3, defects={"noise": True})
    assert settle(item).defects == {"noise": pytest.approx(16 / 17, abs=1e-3)}


def test_settling_twice_changes_nothing(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 3)
    first = settle(item)
    version = item.version
    second = settle(item)
    assert (second.mos, item.version, item.is_due) == (first.mos, version, False)
    assert Consensus.objects.count() == 1
    assert Assignment.objects.filter(item=item).count() == 2


def test_where_two_disagree_one_more_person_is_asked_and_agreement_settles_it(cast: Cast) -> None:
    cat = person(cast, "cat")
    item = picture(cast)
    vote(cast, cast.ann, item, 2)
    vote(cast, cast.ben, item, 4)
    settle(item)
    assert item.state == "open"
    assert sorted(item.assignments.values_list("slot", "state")) == [
        (1, "submitted"),
        (2, "submitted"),
        (3, "free"),
    ]
    vote(cast, cat, item, 3)
    assert settle(item).mos == 3.0
    assert item.state == "settled"
    assert open_flags(item) == {}


def test_who_still_disagree_at_the_most_votes_are_flagged(cast: Cast) -> None:
    item = picture(cast)
    people = [cast.ann, cast.ben, person(cast, "cat"), person(cast, "dan"), person(cast, "eve")]
    for user, rating in zip(people[:4], (1, 5, 1, 5), strict=True):
        vote(cast, user, item, rating)
        settle(item)
    assert item.state == "flagged"
    assert open_flags(item) == {
        "disagreement": {"spread": 2.31, "lowest": 1, "highest": 5, "votes": 4},
    }
    assert item.assignments.count() == cast.project.max_overlap
    assert lease_next(user=people[4], project=cast.project) == []


def test_a_dispute_no_further_annotator_can_settle_goes_to_a_reviewer_at_once(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 1)
    vote(cast, cast.ben, item, 5)
    settle(item)
    assert item.state == "flagged"
    assert set(open_flags(item)) == {"disagreement"}
    cat = person(cast, "cat")
    vote(cast, cat, item, 5)
    settle(item)
    assert item.state == "flagged"


def test_who_passed_on_a_picture_cannot_settle_its_dispute(cast: Cast) -> None:
    cat = person(cast, "cat")
    item = picture(cast)
    Skip.objects.create(item=item, user=cat)
    vote(cast, cast.ann, item, 1)
    vote(cast, cast.ben, item, 5)
    settle(item)
    assert item.state == "flagged"


def test_surplus_slots_are_closed_but_not_taken_from_who_holds_one(cast: Cast) -> None:
    cast.project.overlap = 1
    cast.project.save()
    item = item_make(cast.project, slots=3)
    (held,) = lease_next(user=cast.ben, project=cast.project)
    vote(cast, cast.ann, item, 4)
    settle(item)
    assert item.state == "settled"
    assert sorted(item.assignments.values_list("state", flat=True)) == ["closed", "leased", "submitted"]
    annotation_submit(user=cast.ben, assignment_id=held.pk, key=uuid4(), rating=5)
    assert settle(item).vote_count == 2


def test_a_closed_slot_opens_again_when_votes_are_taken_back(cast: Cast) -> None:
    cast.project.overlap = 1
    cast.project.save()
    item = item_make(cast.project, slots=2)
    made = vote(cast, cast.ann, item, 4)
    settle(item)
    assert item.assignments.filter(state="closed").count() == 1
    annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=uuid4())
    assert consensus_settle(item_id=item.pk) is None
    item.refresh_from_db()
    assert (item.state, Consensus.objects.count()) == ("open", 0)
    Assignment.objects.filter(item=item, state="leased").update(state="closed")
    consensus_settle(item_id=item.pk)
    assert item.assignments.filter(state="free", user=None).count() == 1
    assert item.assignments.count() == 2


def test_a_project_that_asks_for_more_votes_gets_more_slots(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 3)
    cast.project.overlap = 3
    cast.project.save()
    settle(item)
    assert item.assignments.filter(state="free").count() == 2
    assert item.state == "open"


def test_the_model_far_from_people_is_flagged_with_both_numbers(cast: Cast) -> None:
    item = picture(cast, overall=95, std=5)
    vote(cast, cast.ann, item, 2)
    vote(cast, cast.ben, item, 2)
    settle(item)
    assert item.state == "flagged"
    evidence = open_flags(item)["model_against_people"]
    assert (evidence["model_score"], evidence["people_score"], evidence["gap"]) == (95.0, 25.0, 70.0)


def test_a_model_that_says_it_is_unsure_is_not_against_people(cast: Cast) -> None:
    item = picture(cast, overall=80, std=28)
    vote(cast, cast.ann, item, 3)
    vote(cast, cast.ben, item, 3)
    settle(item)
    assert item.state == "settled"


def test_where_neither_model_nor_people_are_sure_somebody_looks(cast: Cast) -> None:
    cast.project.overlap = 1
    cast.project.save()
    item = picture(cast, overall=50, std=25)
    vote(cast, cast.ann, item, 3)
    settle(item)
    assert item.state == "flagged"
    assert open_flags(item) == {"low_confidence": {"model_std": 25.0, "label_std": 0.78}}


BORDER = [{"defect": "border", "probability": 0.97}, {"defect": "noise", "probability": 0.99}]


def test_a_defect_marketplaces_refuse_is_flagged_unless_people_deny_it(cast: Cast) -> None:
    item = picture(cast, findings=BORDER)
    vote(cast, cast.ann, item, 3)
    second = vote(cast, cast.ben, item, 3)
    settle(item)
    assert open_flags(item) == {"policy": {"defects": {"border": 0.97}}}
    annotation_submit(
        user=cast.ben,
        assignment_id=second.assignment_id,
        key=uuid4(),
        rating=3,
        defects={"border": False},
        supersedes_id=second.pk,
    )
    settle(item)
    assert (item.state, open_flags(item)) == ("settled", {})


def test_an_annotator_s_flag_does_not_wait_for_more_votes(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 3, is_flagged=True, note="Two products.")
    settle(item)
    assert item.state == "flagged"
    assert open_flags(item) == {"annotator": {"count": 1, "notes": ["Two products."]}}
    vote(cast, cast.ben, item, 3)
    settle(item)
    assert item.state == "flagged"


def test_an_accepted_score_that_was_planted_wrong_makes_no_label(cast: Cast) -> None:
    item = picture(cast, overall=90)
    Assignment.objects.filter(item=item, slot=1).update(planted_score=10.0)
    Assignment.objects.filter(item=item, slot=2).update(state="closed")
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    accepted = annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), accept=True)
    assert (accepted.rating, accepted.is_planted) == (1, True)
    assert consensus_settle(item_id=item.pk) is None
    assert item.assignments.filter(state="free").count() == 2
    corrected = annotation_submit(
        user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=5, supersedes_id=accepted.pk
    )
    assert corrected.is_planted
    assert settle(item).mos == 5.0


def test_what_a_reviewer_decided_is_left_alone(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 1)
    settle(item)
    review_decide(reviewer=cast.rui, item_id=item.pk, decision="fix", fixed_rating=4, key=uuid4())
    Item.objects.update(is_due=True)
    label = settle(item)
    assert (label.mos, item.state, item.is_due) == (4.0, "approved", False)


def test_lost_wake_ups_are_caught_up(cast: Cast) -> None:
    first, second = picture(cast), picture(cast)
    vote(cast, cast.ann, first, 3)
    Assignment.objects.filter(item=second).update(state="free")
    vote(cast, cast.ann, second, 4)
    assert consensus_settle_due(limit=1) == 1
    assert consensus_settle_due() == 1
    assert consensus_settle_due() == 0
    assert set(Consensus.objects.values_list("item_id", "mos")) == {(first.pk, 3.0), (second.pk, 4.0)}


def test_an_item_that_cannot_be_settled_holds_up_no_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = picture(cast), picture(cast)
    Item.objects.update(is_due=True)
    route = consensus_module._route

    def stumble(item: Item, *told: Any, **more: Any) -> None:
        if item.pk == bad.pk:
            raise ValueError("no such thing")
        route(item, *told, **more)

    monkeypatch.setattr(consensus_module, "_route", stumble)
    assert consensus_settle_due() == 1
    assert set(Item.objects.filter(is_due=True)) == {bad}
    assert f"item [{bad.pk}] could not be settled" in caplog.text
    assert Item.objects.get(pk=good.pk).is_due is False


def test_an_item_that_is_not_there_is_said_to_be_not_there() -> None:
    with pytest.raises(NotThereError):
        consensus_settle(item_id=10**9)


def test_settling_asks_no_more_however_many_votes_the_project_has(cast: Cast) -> None:
    votes_make(cast, images=40, careless=False)
    item = Item.objects.earliest("id")
    with CaptureQueriesContext(connection) as asked:
        consensus_settle(item_id=item.pk)
    questions = [q["sql"] for q in asked if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(questions) <= 14, questions


def votes_make(cast: Cast, *, images: int, careless: bool) -> list[User]:
    """Five people vote on everything, the first a grade too kind, the last (if careless) any grade; each
    picture has the plain mean of its votes as its label."""
    rng = np.random.default_rng(7)
    people = [person(cast, f"rater{k}") for k in range(5)]
    for _ in range(images):
        item_make(cast.project, slots=5)
    truth = dict(zip(Item.objects.values_list("pk", flat=True), rng.normal(3, 0.7, images), strict=True))
    for k, user in enumerate(people):
        Assignment.objects.filter(slot=k + 1).update(state="submitted", user=user)
    Annotation.objects.bulk_create(
        _vote_of(slot, truth[slot.item_id], careless and slot.slot == 5, rng)
        for slot in Assignment.objects.order_by("id")
    )
    time_ago = timezone.now() - timedelta(seconds=1)
    for item_id, mean in Item.objects.annotate(mean=Avg("annotations__rating")).values_list("pk", "mean"):
        Consensus.objects.create(
            item_id=item_id, mos=mean, mos_score=0, std_error=0.3, ci_low=1, ci_high=5, vote_count=5
        )
    Item.objects.update(state="settled")
    Consensus.objects.update(settled_at=time_ago)
    return people


def _vote_of(slot: Assignment, middle: float, careless: bool, rng: np.random.Generator) -> Annotation:
    meant = middle + (0.8 if slot.slot == 1 else 0.0) + rng.normal(0, 0.4)
    rating, there = int(np.clip(round(meant), 1, 5)), bool(middle < 3)
    if careless:
        rating, there = int(rng.integers(1, 6)), bool(rng.integers(0, 2))
    return Annotation(
        item_id=slot.item_id,
        assignment=slot,
        rater_id=slot.user_id,
        rating=rating,
        defects={"noise": there},
        key=uuid4(),
    )


def test_the_solve_says_who_is_kind_and_who_is_careless_and_moves_labels(cast: Cast) -> None:
    people = votes_make(cast, images=60, careless=True)
    before = dict(Consensus.objects.values_list("item_id", "mos"))
    assert consensus_solve(project=cast.project) == 60
    profiles = {row.user_id: row for row in RaterProfile.objects.filter(project=cast.project)}
    kind, careless = profiles[people[0].pk], profiles[people[4].pk]
    others = [profiles[user.pk] for user in people[1:4]]
    assert kind.bias - np.mean([row.bias for row in others]) == pytest.approx(0.8, abs=0.2)
    assert careless.weight < 0.2 < min(row.weight for row in others)
    assert careless.hit_rate < 0.7 < min(row.hit_rate for row in others)
    assert kind.vote_count == 60
    panel = Panel.objects.get(project=cast.project)
    assert (panel.vote_count, panel.last_vote_id) == (300, Annotation.objects.latest("id").pk)
    assert 0.1 < panel.agreement_low < panel.agreement < panel.agreement_high < 0.8
    assert panel.icc_low < panel.icc < panel.icc_high < panel.icc_mean < 1.0
    assert 0.3 < panel.defect_rate < 0.7
    after = dict(Consensus.objects.values_list("item_id", "mos"))
    assert np.mean([abs(after[pk] - before[pk]) for pk in before]) > 0.1
    assert consensus_solve(project=cast.project) == 0


def test_a_single_item_then_settles_to_the_label_of_the_solve(cast: Cast) -> None:
    votes_make(cast, images=20, careless=True)
    consensus_solve(project=cast.project)
    solved = dict(Consensus.objects.values_list("item_id", "mos"))
    for item_id in list(solved)[:5]:
        label = consensus_settle(item_id=item_id)
        assert label is not None
        assert label.mos == pytest.approx(solved[item_id], abs=0.011)


def test_a_few_votes_say_nothing_of_people(cast: Cast) -> None:
    item = picture(cast)
    vote(cast, cast.ann, item, 1)
    vote(cast, cast.ben, item, 5)
    assert consensus_solve(project=cast.project) == 0
    panel = Panel.objects.get(project=cast.project)
    assert (panel.vote_count, panel.prior_mos, panel.noise_std) == (2, Prior().mos, Prior().noise_std)
    assert not RaterProfile.objects.exists()


def test_a_solve_is_due_after_a_tenth_more_votes_or_an_hour(cast: Cast) -> None:
    votes_make(cast, images=20, careless=False)
    consensus_settle_due()
    stamp = Panel.objects.get().solved_at
    consensus_solve_due()
    assert Panel.objects.get().solved_at == stamp
    vote(cast, cast.ann, picture(cast), 3)
    consensus_solve_due()
    assert Panel.objects.get().solved_at == stamp
    Panel.objects.update(solved_at=timezone.now() - timedelta(hours=2))
    consensus_solve_due()
    assert Panel.objects.get().solved_at > stamp
    assert Panel.objects.get().vote_count == 101


def test_the_solve_leaves_decided_and_newer_labels_alone(cast: Cast) -> None:
    votes_make(cast, images=20, careless=True)
    decided, due, newer = Item.objects.order_by("id")[:3]
    Item.objects.filter(pk=decided.pk).update(state="approved")
    Item.objects.filter(pk=due.pk).update(is_due=True)
    Consensus.objects.filter(item__in=[decided, due]).update(mos=1.23)
    Consensus.objects.filter(item=newer).update(mos=1.23, vote_count=6)
    assert consensus_solve(project=cast.project) == 17
    assert Consensus.objects.filter(mos=1.23).count() == 3
