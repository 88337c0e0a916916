"""Beside a line that faults have tilted, pictures nearby tell what people see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.core import correction
from scoring.core.correction import Known, correction_in, fit_correction
from scoring.core.head import Array, Head, fit_head, head_from_tensors, head_to_tensors, level_of
from scoring.core.landmarks import matern
from scoring.core.metrics import srcc
from scoring.core.nearness import nearness_of

SCORED, HARMED, WIDTH = 240, 60, 12
RNG = np.random.default_rng(8)
TABLE = RNG.normal(size=(SCORED + 2 * HARMED, WIDTH))
PEOPLE = 50 + 12 * np.tanh(TABLE[:, 0] * TABLE[:, 1]) + 6 * np.abs(TABLE[:, 2])  # no line tells this
BEFORE, AFTER = np.arange(SCORED, SCORED + HARMED), np.arange(SCORED + HARMED, SCORED + 2 * HARMED)
TABLE[AFTER] = TABLE[BEFORE]
TABLE[AFTER, 3] -= RNG.uniform(0.5, 2.0, HARMED)
TRAIN, ASKED = np.arange(180), np.arange(180, SCORED)
LINE = np.zeros(WIDTH)
LINE[4] = 5.0  # a line that learned something else


def known() -> Known:
    return Known(
        at=np.concatenate([TRAIN, AFTER]),
        less=np.concatenate([np.full(len(TRAIN), -1), BEFORE]),
        points=np.concatenate([PEOPLE[TRAIN] - 50, 10 * (TABLE[AFTER, 3] - TABLE[BEFORE, 3])]),
        weights=np.concatenate([np.ones(len(TRAIN)), np.full(HARMED, 0.03)]),
    )


@pytest.fixture(scope="module")
def head() -> Head:
    straight = Head(
        feature_version="v",
        mean=np.zeros(WIDTH),
        std=np.ones(WIDTH),
        coefficients=np.concatenate([LINE[None], np.zeros((5, WIDTH))]),
        intercepts=level_of(50.0),
        covariance=np.eye(WIDTH),
        noise_var=9.0,
    )
    told = fit_correction(TABLE, LINE, known(), scored=TRAIN, shown=np.concatenate([BEFORE, AFTER]))
    return replace(straight, correction=told)


def said(head: Head, rows: Array) -> Array:
    return head.unclipped(TABLE[rows].astype(np.float32))


def test_it_orders_pictures_that_no_line_orders(head: Head) -> None:
    assert srcc(said(head, ASKED), PEOPLE[ASKED]) > 0.8
    assert srcc(said(replace(head, correction=None), ASKED), PEOPLE[ASKED]) < 0.3


def test_it_takes_back_what_the_line_says(head: Head) -> None:
    moved = TABLE[ASKED].copy()
    moved[:, 4] += 1
    gain = head.unclipped(moved.astype(np.float32)) - said(head, ASKED)
    assert abs(float(gain.mean())) < 1.0  # the line alone would give five


def test_falls_are_learned_beside_scores(head: Head) -> None:
    assert (said(head, AFTER) < said(head, BEFORE)).mean() > 0.8


def test_points_are_a_line_and_a_pull_by_how_near_each_centre_is(head: Head) -> None:
    told, rows = head.correction, TABLE[ASKED]
    assert told is not None
    near = matern(rows * nearness_of(WIDTH), told.centres.astype(np.float64), told.length)
    assert told.points(rows) == pytest.approx(told.level + rows @ told.slope + near @ told.pull, abs=0.005)


def test_it_survives_its_file_and_rows_are_told_the_same_in_parts(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = head_from_tensors(head_to_tensors(head), feature_version="v")
    assert np.abs(said(again, ASKED) - said(head, ASKED)).max() < 0.01
    whole = said(head, ASKED)
    monkeypatch.setattr(correction, "ROWS_AT_ONCE", 7)
    assert np.abs(said(head, ASKED) - whole).max() < 1e-9
    assert correction_in({}) is None


def test_labels_are_fitted_over_line_and_correction_and_move_all_dimensions_alike(head: Head) -> None:
    rows = ASKED[:20]
    labelled = fit_head(
        vectors=TABLE[rows].astype(np.float32), overall=PEOPLE[rows] + 15, feature_version="v", prior=head
    )
    rest = TABLE[ASKED[20:]].astype(np.float32)
    output = labelled.predict(rest)
    assert float((output.overall - head.predict(rest).overall).mean()) == pytest.approx(15, abs=4)
    assert srcc(output.overall, PEOPLE[ASKED[20:]]) > 0.75
    assert output.dimensions == pytest.approx(np.repeat(output.overall[:, None], 5, axis=1))
