"""When an item needs a reviewer, and when one more vote will do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeling.core.flags import Facts, Thresholds, spread_of, verdicts_of, votes_wanted

CALM = Facts(
    ratings=[3, 4],
    fair=[3.0, 4.0],
    mos_score=62.5,
    label_std=0.5,
    model_score=60.0,
    model_std=8.0,
    model_says={"noise": 0.99, "border": 0.5},
)


def reasons(facts: Facts, limits: Thresholds | None = None) -> list[str]:
    return [verdict.reason for verdict in (verdicts_of(facts, limits) if limits else verdicts_of(facts))]


def test_a_calm_picture_needs_nobody() -> None:
    assert reasons(CALM) == []


@pytest.mark.parametrize(
    ("fair", "disputed"),
    [
        ([3], False),
        ([3, 4], False),
        ([2, 4], True),
        ([2, 3, 4], False),
        ([3, 3, 5], True),
        ([3, 3, 3, 5], False),
    ],
)
def test_a_spread_of_two_grades_is_a_dispute_a_step_each_is_not(fair: list[float], disputed: bool) -> None:
    assert (spread_of(fair) >= Thresholds().spread_from) is disputed
    assert ("disagreement" in reasons(replace(CALM, ratings=fair, fair=fair))) is disputed


def test_people_who_differ_by_their_usual_bias_do_not_disagree() -> None:
    assert reasons(replace(CALM, ratings=[2, 4], fair=[2.7, 3.3])) == []


def test_a_dispute_asks_one_more_vote_until_the_project_s_most() -> None:
    def wanted(*fair: float) -> int:
        return votes_wanted(fair, overlap=2, max_overlap=4)

    assert wanted() == 2
    assert wanted(3) == 2
    assert wanted(3, 3) == 2
    assert wanted(1, 5) == 3
    assert wanted(1, 5, 3) == 4
    assert wanted(1, 5, 1, 5) == 4
    assert wanted(3, 3, 3) == 2


@pytest.mark.parametrize(
    ("model_score", "model_std", "flagged"),
    [(93.0, 8.0, True), (30.0, 8.0, True), (90.0, 8.0, False), (93.0, 14.0, False), (None, 0.0, False)],
)
def test_model_and_people_differ_when_further_apart_than_both_are_unsure(
    model_score: float | None, model_std: float, flagged: bool
) -> None:
    facts = replace(CALM, model_score=model_score, model_std=model_std)
    assert ("model_against_people" in reasons(facts)) is flagged


def test_low_confidence_needs_both_to_be_unsure() -> None:
    assert reasons(replace(CALM, model_std=25.0)) == []
    assert reasons(replace(CALM, label_std=0.8)) == []
    assert reasons(replace(CALM, model_std=25.0, label_std=0.8)) == ["low_confidence"]


def test_only_defects_marketplaces_refuse_are_policy_and_people_may_deny_them() -> None:
    certain = replace(CALM, model_says={"border": 0.96, "noise": 0.99})
    assert reasons(certain) == ["policy"]
    assert verdicts_of(certain)[0].evidence == {"defects": {"border": 0.96}}
    assert reasons(replace(certain, people_say={"border": 0.2})) == []
    assert reasons(replace(certain, people_say={"border": 0.8})) == ["policy"]


def test_all_reasons_are_given_the_most_telling_first() -> None:
    facts = replace(
        CALM,
        ratings=[1, 5],
        fair=[1.0, 5.0],
        label_std=0.3,
        model_score=10.0,
        model_std=5.0,
        model_says={"collage": 1.0},
        flag_count=1,
        notes=["", "Two shoes."],
    )
    assert reasons(facts) == ["annotator", "disagreement", "model_against_people", "policy"]
    assert verdicts_of(facts)[0].evidence == {"count": 1, "notes": ["Two shoes."]}


def test_thresholds_are_the_caller_s_to_change() -> None:
    assert reasons(CALM, Thresholds(spread_from=0.5)) == ["disagreement"]
