"""Features and a head give predictions: the last step of scoring and the whole of rescoring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.core.head import FeatureVersionError, Head
from scoring.core.types import Dimension, ImageFeatures, Prediction


def predict_pictures(*, head: Head, features: Sequence[ImageFeatures]) -> list[Prediction]:
    """Predictions in the order of ``features``; all must be of the head's feature version."""
    if not features:
        return []
    strange = {each.version for each in features} - {head.feature_version}
    if strange:
        raise FeatureVersionError(f"head of {head.feature_version} was given {sorted(strange)}")
    output = head.predict(np.stack([each.vector for each in features]))
    stds = output.overall_std
    half = head.interval_factor * stds
    return [
        Prediction(
            overall_score=float(output.overall[n]),
            overall_std=float(stds[n]),
            interval_low=float(max(0.0, output.overall[n] - half[n])),
            interval_high=float(min(100.0, output.overall[n] + half[n])),
            dimensions={d: float(output.dimensions[n, k]) for k, d in enumerate(Dimension)},
            findings=each.findings,
            measures=each.measures,
        )
        for n, each in enumerate(features)
    ]
