"""Station 8, train, its other half: what labels teach a head, and candidate against champion.

Both are tried on rows neither has learned from: the frozen holdout, or, while that is small, the folds of
a cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.calibrate import category_factors, conformal_factor
from scoring.core.head import NOISE_FLOOR, Head, fit_head
from scoring.core.metrics import bootstrap, plcc, rmse, srcc
from scoring.core.promotion import Trial
from scoring.core.splits import CALIBRATION, HOLDOUT, grouped_folds
from scoring.core.types import Dimension, FloatArray
from scoring.errors import BadInputError
from scoring.models import DatasetRow, DatasetVersion, ModelVersion, StoredFeatures

FEWEST_HOLDOUT = 30  # below this the trial is a cross-validation over all rows, and says so
FEWEST_CALIBRATION = 30
FEWEST_CROSSED = 10
FEWEST_FITTED = 2
FOLDS = 5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labelled rows in image order: ``vectors`` (N, F), ``targets`` (N,) 0-100, ``dimensions`` (N, 5)."""

    vectors: FloatArray
    targets: Array
    weights: Array
    dimensions: Array
    groups: list[str]
    categories: list[str]
    splits: npt.NDArray[np.str_]

    def categories_of(self, rows: npt.NDArray[np.bool_]) -> list[str]:
        """Categories of some rows, in their order."""
        return [name for name, kept in zip(self.categories, rows, strict=True) if kept]

    def groups_of(self, rows: npt.NDArray[np.bool_]) -> set[str]:
        """Products of some rows."""
        return {group for group, kept in zip(self.groups, rows, strict=True) if kept}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Candidate and champion on the same rows. ``provisional``: by cross-validation, not on a holdout."""

    trial: Trial
    provisional: bool


def fit_on(labels: Labels, rows: npt.NDArray[np.bool_], prior: Head) -> Head:
    """Fit the residual over the prior on these rows; its noise and interval by rows it was fitted without.

    Those are the rows drawn for it. While they are few, all rows by turns (cross-conformal prediction, Vovk,
    arXiv 1208.0806): by its own doubts a fit promises nine in ten, and kept three in four after 40 labels.
    """
    head = fit_head(
        vectors=labels.vectors[rows],
        overall=labels.targets[rows],
        dimensions=labels.dimensions[rows],
        weights=labels.weights[rows],
        prior=prior,
        feature_version=prior.feature_version,
    )
    parts = _asked(labels, rows)
    if not parts:
        return head
    outputs = [_overall_on(labels, rows & ~asked, prior).predict(labels.vectors[asked]) for asked in parts]
    guess = np.concatenate([output.overall for output in outputs])
    doubt = np.concatenate([output.epistemic_var for output in outputs])
    people = np.concatenate([labels.targets[asked] for asked in parts])
    categories = [name for asked in parts for name in labels.categories_of(asked)]
    noise = max(float(((guess - people) ** 2 - doubt).mean()), NOISE_FLOOR)
    stds = np.sqrt(doubt + noise)
    return replace(
        head,
        noise_var=noise,
        interval_factor=conformal_factor(guess, people, stds),
        category_factors=category_factors(guess, people, stds, categories),
    )


def _asked(labels: Labels, rows: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Which of the rows (N,) heads fitted on the others are asked about; none where all are too few."""
    calibration = rows & (labels.splits == CALIBRATION)
    if int(calibration.sum()) >= FEWEST_CALIBRATION:
        return [calibration]
    if int(rows.sum()) < FEWEST_CROSSED:
        return []
    fold = np.full(len(rows), -1)
    fold[rows] = grouped_folds(
        [group for group, kept in zip(labels.groups, rows, strict=True) if kept],
        folds=FOLDS,
        rng=np.random.default_rng(0),
    )
    parts = [fold == number for number in range(FOLDS)]
    return [part for part in parts if part.any() and int((rows & ~part).sum()) >= FEWEST_FITTED]


def straight_on(labels: Labels, rows: npt.NDArray[np.bool_], prior: Head) -> Head:
    """Fit the overall score over the prior's line on these rows, straight: a network that is tuned goes on
    from the coefficients alone, and what is told by pictures nearby means nothing to another network."""
    return _overall_on(labels, rows, replace(prior, correction=None), may_bend=False)


def _overall_on(labels: Labels, rows: npt.NDArray[np.bool_], prior: Head, *, may_bend: bool = True) -> Head:
    return fit_head(
        vectors=labels.vectors[rows],
        overall=labels.targets[rows],
        weights=labels.weights[rows],
        prior=prior,
        feature_version=prior.feature_version,
        may_bend=may_bend,
    )


def evaluate(
    labels: Labels,
    fitted: Head,
    prior: Head,
    champion: Head,
    *,
    seed: int,
    taught: Labels | None = None,
    usual_error: float | None = None,
) -> Evaluation:
    """Both on the holdout; where that is too small, by grouped cross-validation over all rows.

    ``taught`` are the rows the champion was fitted on over the same prior, if it was: it must not be
    tried on rows it has learned by heart either. ``usual_error`` is its RMSE on the holdout it was let in by.
    """
    holdout = labels.splits == HOLDOUT
    if int(holdout.sum()) >= FEWEST_HOLDOUT:
        trial = _on_holdout(labels, holdout, fitted, champion)
        return Evaluation(replace(trial, usual_error=usual_error), provisional=False)
    folds = grouped_folds(labels.groups, folds=FOLDS, rng=np.random.default_rng(seed))
    new = _out_of_fold(labels, folds, fitted, learned=labels, prior=prior)
    old = _out_of_fold(labels, folds, champion, learned=taught, prior=prior)
    trial = Trial(
        candidate=new.scores,
        champion=old.scores,
        people=labels.targets,
        categories=labels.categories,
        half_widths=new.half_widths,
        candidate_order=new.order,
        champion_order=old.order,
    )
    return Evaluation(trial, provisional=True)


def _on_holdout(labels: Labels, holdout: npt.NDArray[np.bool_], fitted: Head, champion: Head) -> Trial:
    output = fitted.predict(labels.vectors[holdout])
    return Trial(
        candidate=output.overall,
        champion=champion.predict(labels.vectors[holdout]).overall,
        people=labels.targets[holdout],
        categories=labels.categories_of(holdout),
        half_widths=fitted.factors(labels.categories_of(holdout)) * output.overall_std,
    )


@dataclass(frozen=True, slots=True)
class _OutOfFold:
    """Predictions (N,) for rows their head has not seen; ``order`` at the level of the whole head."""

    scores: Array
    half_widths: Array
    order: Array


def _out_of_fold(
    labels: Labels, folds: npt.NDArray[np.int64], whole: Head, *, learned: Labels | None, prior: Head
) -> _OutOfFold:
    """Predict each fold by a head fitted on the ``learned`` rows of other products; ``whole`` without any."""
    out = _OutOfFold(*(np.zeros(len(folds)) for _ in range(3)))
    for fold in np.unique(folds):
        test = folds == fold
        head = whole if learned is None else _without(learned, labels.groups_of(test), prior)
        output = head.predict(labels.vectors[test])
        out.scores[test] = output.overall
        out.half_widths[test] = head.factors(labels.categories_of(test)) * output.overall_std
        # Heads of two folds stand at levels of their own, which say nothing of order: both go to the whole's.
        rest = labels.vectors[~test]
        lift = float((whole.unclipped(rest) - head.unclipped(rest)).mean()) if len(rest) else 0.0
        out.order[test] = np.clip(head.unclipped(labels.vectors[test]) + lift, 0.0, 100.0)
    return out


def _without(learned: Labels, groups: set[str], prior: Head) -> Head:
    """The head these labels teach without some products and, as always, without the holdout."""
    rows = np.array([group not in groups for group in learned.groups]) & (learned.splits != HOLDOUT)
    return fit_on(learned, rows, prior) if int(rows.sum()) >= FEWEST_FITTED else prior


def load_labels(dataset: DatasetVersion, *, feature_version: str) -> Labels:
    """Rows of a dataset that have features of this version, in image order, in two queries."""
    return labels_of_rows(
        list(DatasetRow.objects.filter(dataset=dataset).order_by("image_id")), feature_version=feature_version
    )


def labels_of_rows(rows: Sequence[DatasetRow], *, feature_version: str) -> Labels:
    """Those of some rows that have features of this version, in their order, in one query."""
    vectors = {
        image_id: np.frombuffer(vector, dtype="<f4")
        for image_id, vector in StoredFeatures.objects.filter(
            version=feature_version, image_id__in=[row.image_id for row in rows]
        ).values_list("image_id", "vector")
    }
    rows = [row for row in rows if row.image_id in vectors]
    if not rows:
        raise BadInputError("None of the labelled images has features yet; score them first.")
    return Labels(
        vectors=np.stack([vectors[row.image_id] for row in rows]),
        targets=np.array([row.target_score for row in rows]),
        weights=np.array([row.weight for row in rows]),
        dimensions=np.array([_dimension_scores(row) for row in rows]),
        groups=[row.group for row in rows],
        categories=[row.category for row in rows],
        splits=np.array([row.split for row in rows]),
    )


def _dimension_scores(row: DatasetRow) -> list[float]:
    """Dimension scores 0-100 of a row, NaN where nobody voted."""
    return [float(row.dimensions.get(dimension, "nan")) for dimension in Dimension]


def root_of(model: ModelVersion) -> ModelVersion:
    """The base model a champion descends from: every fast retrain corrects it, not each other."""
    while model.kind == ModelVersion.Kind.FAST and model.parent is not None:
        model = model.parent
    return model


def metrics_of(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, Any]:
    trial = evaluation.trial
    told: dict[str, Any] = {
        "provisional": evaluation.provisional,
        "rows": len(np.asarray(trial.people)),
    }
    sides = {
        "candidate": (trial.candidate, trial.candidate_order),
        "champion": (trial.champion, trial.champion_order),
    }
    for name, (guess, order) in sides.items():
        ranked = guess if order is None else order  # the pages show the SRCC that the gate judged by
        told[name] = {
            metric.__name__: {
                key: round(value, 4)
                for key, value in asdict(
                    bootstrap(metric, shown, trial.people, rng=rng, resamples=400)
                ).items()
            }
            for metric, shown in ((srcc, ranked), (plcc, guess), (rmse, guess))
        }
    return told
