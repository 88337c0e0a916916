"""What ships is fitted from three kinds of evidence; each must show in what was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from scoring.core.base_fit import (
    FALLS,
    OVERALL_HARM,
    LeftOut,
    fit_base_head,
    fit_features,
    projection_of,
    rarity_of,
    seen_of,
    vectors_of,
)
from scoring.core.defect_fit import SHOP_WEIGHT, _defect_table, _shares, fit_defects, fit_logistics
from scoring.core.evidence import Evidence
from scoring.core.features import felt, model_from_tensors, model_to_tensors
from scoring.core.measures import MEASURE_NAMES
from scoring.core.metrics import srcc
from scoring.core.types import Defect, Dimension

PHOTOS, SCORED, RAW = 220, 120, 300


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Photos in a space where each fault has a direction of its own, and half the photos are scored."""
    rng = np.random.default_rng(6)
    directions = rng.normal(size=(len(Defect), RAW)) / np.sqrt(RAW) * 4
    clean = rng.normal(size=(PHOTOS, RAW)) * np.linspace(1.5, 0.2, RAW)
    quality = clean[:, 0] * 8
    rows, source, fault, severity = [clean], [-1] * PHOTOS, [None] * PHOTOS, [0.0] * PHOTOS
    for photo in range(SCORED, PHOTOS):
        for number in rng.choice(len(Defect), size=8, replace=False):
            strength = float(rng.uniform(0.3, 1))
            rows.append((clean[photo] + 3 * strength * directions[number])[None])
            source.append(photo)
            fault.append(list(Defect)[number])  # type: ignore[arg-type]
            severity.append(strength)
    raw = np.concatenate(rows).astype(np.float32)
    people = np.full(len(raw), np.nan)
    people[:SCORED] = 50 + quality[:SCORED] + rng.normal(0, 3, SCORED)
    measures = rng.normal(size=(len(raw), len(MEASURE_NAMES))).astype(np.float32)
    group = [f"seller {(k if s < 0 else s) // 3}" for k, s in enumerate(source)]
    shop = np.ones(len(raw), dtype=bool)
    told = np.zeros((len(raw), len(Defect)), dtype=np.int8)
    return Evidence(raw, measures, np.array(source), fault, np.array(severity), people, shop, group, told)


def test_faults_are_told_and_clean_photos_left_alone(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    seen = vectors_of(model, evidence)[:, : model.defect_weights.shape[1]]
    logits = seen @ model.defect_weights.T + model.defect_bias
    names = np.array([str(fault or "") for fault in evidence.fault])
    strong = evidence.severity > 0.6
    for k, defect in enumerate(Defect):
        mine = (names == str(defect)) & strong
        assert (logits[mine, k] > 0).mean() > 0.7, defect
    assert (logits[evidence.fair] > 0).any(axis=1).mean() < 0.1


def test_the_head_orders_people_and_pairs_and_blames_the_right_dimension(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    vectors = vectors_of(model, evidence)
    head = fit_base_head(vectors, evidence, version="t")
    output = head.predict(vectors.astype(np.float32))
    scored = np.isfinite(evidence.people)
    assert srcc(output.overall[scored], evidence.people[scored]) > 0.8
    harmed = np.flatnonzero(~evidence.untouched)
    before, after = (head.unclipped(vectors[rows]) for rows in (evidence.source[harmed], harmed))
    assert (after < before).mean() > 0.95
    noisy = np.array([k for k in harmed if evidence.fault[k] is Defect.COLOUR_CAST])
    falls = (output.dimensions[evidence.source[noisy]] - output.dimensions[noisy]).mean(axis=0)
    assert list(Dimension)[int(falls.argmax())] is Dimension.COLOUR


def test_noise_is_told_by_rows_left_out_and_intervals_are_wide_enough(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    head = fit_base_head(vectors_of(model, evidence), evidence, version="t")
    assert 1.2 < head.interval_factor < 2.6
    assert head.noise_var > 4


def test_without_people_the_first_head_still_knows_falls(evidence: Evidence) -> None:
    alone = replace(evidence, people=np.full(len(evidence.people), np.nan))
    model = fit_features(alone, version="t", size=200)
    vectors = vectors_of(model, alone)
    head = fit_base_head(vectors, alone, version="t")
    harmed = np.flatnonzero(~alone.untouched)
    falls = head.unclipped(vectors[alone.source[harmed]]) - head.unclipped(vectors[harmed])
    assert (falls > 0).mean() > 0.95


def test_a_projection_keeps_how_photos_differ_and_how_faults_move_them(evidence: Evidence) -> None:
    centre, components = projection_of(evidence, size=240)
    reduced = (evidence.raw[evidence.untouched] - centre) @ components.T
    assert components.shape == (240, RAW)
    assert reduced[:, 0].std() == pytest.approx(1, abs=0.02)
    harmed = np.flatnonzero(~evidence.untouched)
    falls = evidence.raw[harmed] - evidence.raw[evidence.source[harmed]]
    unit = components / np.linalg.norm(components, axis=1, keepdims=True)
    assert ((falls @ unit.T) ** 2).sum() > 0.999 * (falls**2).sum()


def test_no_more_shop_photos_are_accused_than_allowed(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    weights, bias = fit_defects(seen_of(model, evidence), evidence)
    logits = seen_of(model, evidence)[evidence.shop] @ weights.T + bias
    assert (logits > 0).any(axis=1).mean() <= 0.06


def test_joint_logistic_models_are_those_fitted_one_by_one() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 5))
    truth = np.stack([x[:, 0] + rng.normal(size=200) > 0, x[:, 1] - x[:, 2] > 1], axis=1)
    share = np.ones((200, 2))
    share[:50, 1] = 0
    weights, bias = fit_logistics(x, truth, share)
    for k in (0, 1):
        rows = share[:, k] > 0
        alone, level = fit_logistics(x[rows], truth[rows][:, [k]], np.ones((int(rows.sum()), 1)))
        assert weights[k] == pytest.approx(alone[0], abs=2e-3)
        assert bias[k] == pytest.approx(level[0], abs=2e-3)


def test_a_fault_is_felt_little_when_it_is_not_there_and_about_in_proportion_when_it_is() -> None:
    told = felt(np.array([-50.0, -5.0, 0.0, 4.0, 8.0], dtype=np.float32))
    assert told[:2].max() < 0.002
    assert told[4] == pytest.approx(2 * told[3], rel=0.02)


def test_every_fault_costs_something_and_nothing_more_than_blur() -> None:
    assert set(OVERALL_HARM) == set(Defect)
    assert all(0 < harm <= OVERALL_HARM[Defect.DEFOCUS_BLUR] for harm in OVERALL_HARM.values())


def test_a_feature_model_survives_its_file(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    again = model_from_tensors(model_to_tensors(model), version="t")
    assert np.abs(again.components - model.components).max() < 1e-3 * np.abs(model.components).max()
    assert (again.defect_bias == model.defect_bias).all()


def test_directions_an_encoder_was_taught_are_kept_and_count_as_one_along_each(evidence: Evidence) -> None:
    taught = np.random.default_rng(0).normal(size=(3, RAW)).astype(np.float32) * [[1], [20], [0.01]]
    model = fit_features(evidence, version="t", size=40, taught=taught)
    along = (evidence.raw[evidence.untouched] - model.centre) @ model.components[-3:].T
    assert along.std(axis=0) == pytest.approx(np.ones(3), rel=1e-3)
    assert model.defect_weights.shape[1] == len(model.components) + len(MEASURE_NAMES)


def test_rows_left_out_take_nothing_else_with_them(evidence: Evidence) -> None:
    gone = np.array([0, 5, SCORED - 1])
    rest = evidence.without(gone)
    assert len(rest.source) == len(evidence.source) - 3
    harmed = np.flatnonzero(rest.source >= 0)
    old = np.setdiff1d(np.arange(len(evidence.source)), gone)
    assert np.array_equal(old[rest.source[harmed]], evidence.source[old[harmed]])
    assert np.isfinite(rest.people).sum() == SCORED - 3


def test_intervals_are_as_wide_as_models_that_left_the_picture_out_were_wrong(evidence: Evidence) -> None:
    model = fit_features(evidence, version="t", size=200)
    vectors, people = vectors_of(model, evidence), evidence.people[:SCORED]
    wrong = LeftOut(people + np.where(np.arange(SCORED) % 2, 20.0, -20.0), np.full(SCORED, 1.0))
    head = fit_base_head(vectors, evidence, version="t", left_out=wrong)
    assert head.noise_var == pytest.approx(399, abs=1)
    assert head.interval_factor * np.sqrt(head.noise_var + 1) == pytest.approx(20, abs=0.1)


def test_falls_weigh_the_same_together_however_many_a_photo_has(evidence: Evidence) -> None:
    falls = np.flatnonzero(~evidence.untouched)
    assert rarity_of(evidence) == pytest.approx(FALLS / 8)
    assert rarity_of(evidence.without(falls[::2])) == pytest.approx(1.0)
    assert rarity_of(evidence.without(falls[10:])) == 1.0  # few do not weigh more than they say


def evidence_of(logits: Mapping[str, Sequence[tuple[float, Defect | None]]]) -> Evidence:
    """Rows by home whose one number is what a head should go by."""
    rows = [(home, at, fault) for home, each in logits.items() for at, fault in each]
    faults = [fault for _, _, fault in rows]
    return Evidence(
        raw=np.array([[at] for _, at, _ in rows], dtype=np.float32),
        measures=np.zeros((len(rows), 1), dtype=np.float32),
        source=np.array([-1 if fault is None else 0 for fault in faults]),
        fault=faults,
        severity=np.array([0.0 if fault is None else 0.8 for fault in faults]),
        people=np.full(len(rows), np.nan),
        is_shop=np.zeros(len(rows), dtype=bool),
        group=[f"{home}/{number}" for number, (home, _, _) in enumerate(rows)],
        told=np.zeros((len(rows), len(Defect)), dtype=np.int8),
    )


def test_a_limit_stands_in_the_middle_of_the_gap_between_faulty_and_clean() -> None:
    rng = np.random.default_rng(3)
    clean = [(float(at), None) for at in rng.uniform(-3, -2, 200)]
    noisy = [(float(at), Defect.NOISE) for at in rng.uniform(4, 5, 100)]
    evidence = evidence_of({"shop": [*clean, *noisy]})
    weights, bias = fit_defects(evidence.raw.astype(np.float64), evidence)
    k = list(Defect).index(Defect.NOISE)
    assert -bias[k] / weights[k, 0] == pytest.approx(1, abs=0.7)


def test_homes_have_an_equal_say_however_many_their_photos_are() -> None:
    few, many = [(0.0, None), (1.0, Defect.NOISE)], [(0.0, None)] * 60 + [(1.0, Defect.NOISE)] * 30
    evidence = evidence_of({"studio": few, "shop": many})
    truth, tells = _defect_table(evidence)
    share = _shares(truth, tells, evidence)
    k = list(Defect).index(Defect.NOISE)
    for answer, count in ((truth[:, k], 31), (~truth[:, k], 61)):
        sums = [share[(evidence.home == home) & answer, k].sum() for home in ("studio", "shop")]
        assert sums == pytest.approx([count / 2, count / 2])
    shop = replace(evidence, is_shop=evidence.home == "shop")
    dearer = _shares(truth, tells, shop)[:, k] / share[:, k]
    assert dearer[shop.shop] == pytest.approx(SHOP_WEIGHT)
    assert dearer[~shop.shop] == pytest.approx(1)


def test_where_people_looked_for_a_fault_only_what_they_looked_at_tells() -> None:
    evidence = evidence_of({"shop": [(0.0, None)] * 4 + [(1.0, Defect.NOISE)] * 3, "home": [(0.0, None)]})
    cluttered = list(Defect).index(Defect.CLUTTERED_BACKGROUND)
    evidence.told[:2, cluttered] = (1, -1)
    evidence.source[4:7] = (0, 1, 2)
    truth, tells = _defect_table(evidence)
    assert truth[:, cluttered].tolist() == [True] + [False] * 7
    assert tells[:, cluttered].tolist() == [1, 1, 0, 0, 0, 1, 0, 1]
    assert tells[:, list(Defect).index(Defect.BORDER)].all()
