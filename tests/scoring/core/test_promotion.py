"""The gate: noise passes, a loss does not, and every answer names its figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.core.promotion import Check, GateRules, Reason, Trial, Unjudged, Verdict, judge
from scoring.core.types import NotFiniteError

RULES = GateRules()


def trial_of(count: int = 200, *, error: float = 8.0, champion_error: float = 8.0, seed: int = 0) -> Trial:
    """People, and two models that err by so many points."""
    rng = np.random.default_rng(seed)
    people = rng.uniform(10, 90, count)
    return Trial(
        candidate=people + rng.normal(0, error, count),
        champion=people + rng.normal(0, champion_error, count),
        people=people,
        categories=["mugs", "shoes"] * (count // 2),
        half_widths=np.full(count, 1.645 * error),
    )


def verdict_of(trial: Trial, rules: GateRules = RULES) -> Verdict:
    return judge(trial, rules=rules, rng=np.random.default_rng(1))


def reason_of(verdict: Verdict, check: Check, detail: str = "") -> Reason:
    return next(r for r in verdict.reasons if r.check == check and r.detail == detail)


def test_a_better_model_passes_every_check() -> None:
    verdict = verdict_of(trial_of(error=4.0))
    assert verdict.promote
    assert all(reason.passed for reason in verdict.reasons)
    assert verdict.unjudged == ()
    assert reason_of(verdict, Check.ERROR).value < -2.0
    assert [r.check for r in verdict.reasons] == [
        "enough_labels",
        "ranking",
        "error",
        "categories",
        "categories",
        "calibration",
        "speed",
    ]


def test_an_equal_model_passes() -> None:
    assert verdict_of(trial_of()).promote


def test_a_worse_model_is_refused_for_order_and_error() -> None:
    verdict = verdict_of(trial_of(error=16.0))
    assert not verdict.promote
    assert not reason_of(verdict, Check.RANKING).passed
    assert not reason_of(verdict, Check.ERROR).passed


def test_a_small_but_certain_loss_is_refused_too() -> None:
    trial = trial_of(2000)
    shifted = replace(trial, candidate=np.asarray(trial.champion) + 3.0)
    verdict = verdict_of(shifted)
    error = reason_of(verdict, Check.ERROR)
    assert 0 < error.value < RULES.rmse_margin
    assert not error.passed
    assert reason_of(verdict_of(shifted, replace(RULES, certain_loss=False)), Check.ERROR).passed


def test_one_category_that_suffers_is_enough_to_refuse_and_is_named() -> None:
    trial = trial_of(error=3.0)
    guess = np.asarray(trial.candidate).copy()
    guess[1::2] += 14.0  # shoes
    verdict = verdict_of(replace(trial, candidate=guess))
    assert not verdict.promote
    assert not reason_of(verdict, Check.CATEGORIES, "shoes").passed
    assert reason_of(verdict, Check.CATEGORIES, "mugs").passed


def test_categories_of_too_few_pictures_are_not_judged_and_named_the_largest_first() -> None:
    trial = trial_of(30)
    named = ["rare"] * 9 + ["common"] * 10 + [""] * 4 + ["odd"] * 4 + ["lamps"] * 3
    verdict = verdict_of(replace(trial, categories=named))
    assert [r.detail for r in verdict.reasons if r.check == Check.CATEGORIES] == ["common"]
    assert verdict.unjudged == tuple(
        Unjudged(name, count, 10) for name, count in [("rare", 9), ("", 4), ("odd", 4), ("lamps", 3)]
    )


def test_intervals_that_hold_too_little_are_refused() -> None:
    trial = trial_of(error=4.0)
    verdict = verdict_of(replace(trial, half_widths=np.asarray(trial.half_widths) / 4))
    assert [str(r.check) for r in verdict.reasons if not r.passed] == ["calibration"]


def test_a_slow_model_is_refused() -> None:
    verdict = verdict_of(replace(trial_of(error=4.0), seconds_ratio=1.6))
    assert [str(r.check) for r in verdict.reasons if not r.passed] == ["speed"]


def test_nine_labels_end_the_matter_at_once() -> None:
    trial = trial_of(8)
    verdict = verdict_of(trial)
    assert not verdict.promote
    assert [(r.check, r.value, r.bar) for r in verdict.reasons] == [(Check.ENOUGH_LABELS, 8.0, 10.0)]


def test_a_level_of_its_own_in_each_fold_is_not_held_against_the_order() -> None:
    """Five folds, each off by its own few points: the order within the whole head is perfect."""
    trial = trial_of(40, error=2.0, champion_error=2.0)
    levels = np.repeat([-9.0, -4.0, 0.0, 4.0, 9.0], 8)[np.random.default_rng(3).permutation(40)]
    uneven = replace(trial, candidate=np.asarray(trial.candidate) + levels)
    even = replace(uneven, candidate_order=trial.candidate)
    assert reason_of(verdict_of(uneven), Check.RANKING).value < -0.02
    assert reason_of(verdict_of(even), Check.RANKING).passed
    assert reason_of(verdict_of(even), Check.ERROR) == reason_of(verdict_of(uneven), Check.ERROR)


def spoilt(trial: Trial) -> Trial:
    """The same trial on labels of which three in ten belong to other pictures."""
    people = np.asarray(trial.people).copy()
    rng = np.random.default_rng(5)
    rows = rng.permutation(len(people))[: int(0.3 * len(people))]
    people[rows] = people[rng.permutation(rows)]
    return replace(trial, people=people, half_widths=np.full(len(people), 60.0))


def test_labels_that_nothing_predicts_as_well_as_before_are_refused() -> None:
    """Both models are equally helpless on them, so no comparison of the two would tell."""
    careless = spoilt(trial_of())
    assert verdict_of(careless).promote
    verdict = verdict_of(replace(careless, usual_error=8.0))
    assert [str(r.check) for r in verdict.reasons if not r.passed] == ["labels"]
    assert reason_of(verdict, Check.LABELS).value > RULES.label_error_margin


def test_people_who_changed_their_mind_together_are_believed() -> None:
    """The champion is far off their new labels, the candidate has learned them."""
    trial = trial_of()
    moved = replace(trial, champion=np.asarray(trial.champion) + 20.0, usual_error=8.0)
    assert verdict_of(moved).promote


def test_labels_a_little_harder_than_before_pass() -> None:
    assert verdict_of(replace(trial_of(error=8.0), usual_error=6.0)).promote


@pytest.mark.parametrize("name", ["candidate", "champion", "people"])
def test_a_number_that_is_none_is_refused_by_name(name: str) -> None:
    trial = trial_of(20)
    values = np.asarray(getattr(trial, name)).copy()
    values[3] = np.nan
    with pytest.raises(NotFiniteError, match=name):
        verdict_of(replace(trial, **{name: values}))
