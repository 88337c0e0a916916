"""A report says what a pencil would say of the same answers."""

from __future__ import annotations

import json
from xml.dom.minidom import parseString

import numpy as np
import pytest

from scoring.core import plots
from scoring.core.foretold import opinion_std
from scoring.core.report import LEVELS, Answers, as_text, interval_error, report_of

RNG = np.random.default_rng(5)
PEOPLE = RNG.uniform(10, 90, 400)


def answers(predicted: np.ndarray, **more: object) -> Answers:
    std = np.full(len(predicted), 10.0)
    told = {
        "std": std,
        "low": predicted - 16.45,
        "high": predicted + 16.45,
        "categories": [""] * len(predicted),
    }
    return Answers(predicted=predicted, people=PEOPLE, **(told | more))  # type: ignore[arg-type]


def test_perfect_answers_are_perfect_in_every_figure() -> None:
    told = report_of(answers(PEOPLE), rng=np.random.default_rng(0))
    assert (told.srcc.value, told.plcc.value) == (pytest.approx(1.0), pytest.approx(1.0))
    assert told.rmse.value == 0.0
    assert told.coverage.value == 1.0
    assert all(told.passing[name].value == 1.0 for name in ("accuracy", "precision", "recall", "f1"))
    assert told.passing["positives"] == int((PEOPLE >= 60).sum())


def test_answers_with_known_noise_keep_what_their_intervals_promise() -> None:
    noisy = PEOPLE + RNG.normal(0, 10, len(PEOPLE))
    told = report_of(answers(noisy), rng=np.random.default_rng(0))
    assert told.coverage.value == pytest.approx(0.9, abs=0.04)
    assert told.rmse.low < 10 < told.rmse.high
    assert told.interval_error.value < 0.04
    assert told.interval_error.low <= told.interval_error.value <= told.interval_error.high
    assert interval_error(np.abs(noisy - PEOPLE), np.full(400, 2.0)) > 0.3


def test_srcc_is_held_against_what_the_labels_allow() -> None:
    variance = np.full(400, PEOPLE.var() * 0.36)
    told = report_of(answers(PEOPLE, label_variance=variance), rng=np.random.default_rng(0))
    assert told.ceiling is not None
    assert told.ceiling.reached is not None
    assert told.ceiling.srcc == pytest.approx(0.8)
    assert told.ceiling.reached.value == pytest.approx(1 / 0.8)
    uncounted = report_of(answers(PEOPLE), rng=np.random.default_rng(0))
    assert (uncounted.ceiling, uncounted.spread) == (None, None)


def test_the_spread_foretold_is_held_against_that_of_the_votes_counted() -> None:
    spread = np.where(np.arange(400) < 300, opinion_std(PEOPLE) + 2.0, np.nan)
    found = report_of(answers(PEOPLE, label_spread=spread), rng=np.random.default_rng(0)).spread
    assert found is not None
    assert found.pictures == 300
    assert found.rmse.value == pytest.approx(2.0)
    assert found.plcc.value == pytest.approx(1.0)


def test_the_ceiling_is_of_those_whose_votes_were_counted() -> None:
    counted = np.where(np.arange(400) < 200, PEOPLE[:200].var() * 0.36, np.nan)
    told = report_of(answers(PEOPLE, label_variance=counted), rng=np.random.default_rng(0))
    assert told.ceiling is not None
    assert (told.ceiling.pictures, told.ceiling.srcc) == (200, pytest.approx(0.8))
    assert "of 200 pictures whose votes were counted allow SRCC 0.800" in as_text(told)


def test_labels_that_are_all_noise_allow_nothing() -> None:
    variance = np.full(400, PEOPLE.var() * 1.1)
    told = report_of(answers(PEOPLE, label_variance=variance), rng=np.random.default_rng(0))
    assert told.ceiling is not None
    assert told.ceiling.reached is None
    assert "no order can be expected" in as_text(told)


def test_defects_count_only_pictures_somebody_looked_at() -> None:
    said, true = np.zeros(400), np.full(400, np.nan)
    said[:4], true[:4] = (0.9, 0.8, 0.2, 0.1), (1, 0, 1, 0)
    told = report_of(answers(PEOPLE, said={"noise": said}, true={"noise": true}), rng=RNG).defects["noise"]
    assert (told["pictures"], told["positives"]) == (4, 2)
    assert told["precision"].value == told["recall"].value == told["accuracy"].value == 0.5
    assert told["ece"].value == pytest.approx((0.1 + 0.8 + 0.8 + 0.1) / 4)


def test_categories_of_a_few_pictures_are_left_out_of_the_table() -> None:
    categories = ["mugs"] * 300 + ["hats"] * 97 + ["rare"] * 3
    told = report_of(answers(PEOPLE + 5, categories=categories), rng=np.random.default_rng(0))
    assert set(told.categories) == {"mugs", "hats"}
    bias = told.categories["hats"]["bias"]
    assert (bias.value, bias.low, bias.high) == (pytest.approx(5),) * 3
    order = told.categories["mugs"]["rmse"]
    assert order.low <= order.value <= order.high
    assert "hats" in as_text(told)
    assert json.loads(json.dumps(told.as_dict()))["categories"]["mugs"]["pictures"] == 300


def test_plots_are_svg_that_a_parser_reads() -> None:
    for svg in (
        plots.scatter(PEOPLE, PEOPLE, title="a < b & c"),
        plots.reliability(LEVELS, LEVELS, title="kept"),
    ):
        assert parseString(svg).documentElement.tagName == "svg"  # noqa: S318  (our own)
    assert plots.scatter(PEOPLE, PEOPLE, title="").count("<circle") == 400


def test_what_all_pictures_keep_is_still_not_certain() -> None:
    few = {name: np.full(10, 50.0) for name in ("predicted", "people")}
    told = report_of(
        Answers(**few, std=np.ones(10), low=np.zeros(10), high=np.full(10, 99.0), categories=["mugs"] * 10),
        rng=np.random.default_rng(0),
    )
    for share in (told.coverage, told.categories["mugs"]["coverage"], told.passing["accuracy"]):
        assert (share.value, share.high) == (1.0, pytest.approx(1.0))
        assert 0.6 < share.low < 0.8
    nobody_passes = told.passing["recall"]
    assert (nobody_passes.low, nobody_passes.high) == (0.0, 1.0)
