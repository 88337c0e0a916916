"""Features and a head give predictions: the last step of scoring and the whole of rescoring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.core.head import Array, FeatureVersionError, Head
from scoring.core.types import Dimension, FloatArray, ImageFeatures, Prediction


def score_table(head: Head, vectors: FloatArray, categories: Sequence[str] | None = None) -> Array:
    """Scores (N, 9) of vectors (N, F): overall, std, interval low and high, then the five dimensions.

    ``categories`` of the products, where known, choose the interval calibrated for them.
    """
    output = head.predict(vectors)
    factors = head.interval_factor if categories is None else head.factors(categories)
    half = factors * output.overall_std
    columns = (
        output.overall,
        output.overall_std,
        np.maximum(0.0, output.overall - half),
        np.minimum(100.0, output.overall + half),
    )
    return np.round(np.column_stack([*columns, output.dimensions]), 3)


def predict_pictures(
    *, head: Head, features: Sequence[ImageFeatures], categories: Sequence[str] | None = None
) -> list[Prediction]:
    """Predictions in the order of ``features``; all must be of the head's feature version."""
    if not features:
        return []
    strange = {each.version for each in features} - {head.feature_version}
    if strange:
        raise FeatureVersionError(f"head of {head.feature_version} was given {sorted(strange)}")
    table = score_table(head, np.stack([each.vector for each in features]), categories)
    return [
        Prediction(
            overall_score=row[0],
            overall_std=row[1],
            interval_low=row[2],
            interval_high=row[3],
            dimensions=dict(zip(Dimension, row[4:], strict=True)),
            findings=each.findings,
            measures=each.measures,
        )
        for row, each in zip(table.tolist(), features, strict=True)
    ]
