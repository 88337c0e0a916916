"""Between core records and table rows, both ways."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from scoring.core.types import Box, Defect, Dimension, Finding, ImageFeatures, Prediction
from scoring.models import Score, StoredFeatures

PROBABILITY_DIGITS = 4
PACKED = ("image_id", "version", "embedding", "measures", "findings")


def features_row(image_id: int, features: ImageFeatures) -> StoredFeatures:
    """Row of an image's features, unsaved."""
    return StoredFeatures(
        image_id=image_id,
        version=features.version,
        vector=np.asarray(features.vector, dtype="<f4").tobytes(),
        embedding=features.embedding.tolist(),
        measures={name: round(float(value), 5) for name, value in features.measures.items()},
        findings=[finding_record(finding) for finding in features.findings],
    )


def features_of_row(row: StoredFeatures) -> ImageFeatures:
    """Core record of a stored row."""
    return ImageFeatures(
        version=row.version,
        vector=np.frombuffer(row.vector, dtype="<f4").copy(),
        embedding=np.asarray(row.embedding, dtype=np.float32),
        measures=row.measures,
        findings=tuple(finding_of_record(record) for record in row.findings),
    )


def features_pack(features: Mapping[int, ImageFeatures]) -> str:
    """Features by image id as text, to be kept beside a job; numbers as a row would hold them."""
    rows = [features_row(pk, each) for pk, each in features.items()]
    return json.dumps(
        [
            {name: getattr(row, name) for name in PACKED} | {"vector": base64.b64encode(row.vector).decode()}
            for row in rows
        ]
    )


def features_unpack(text: str) -> dict[int, ImageFeatures]:
    """What ``features_pack`` made."""
    rows = [
        StoredFeatures(**each | {"vector": base64.b64decode(each["vector"])}) for each in json.loads(text)
    ]
    return {row.image_id: features_of_row(row) for row in rows}


def score_row(image_id: int, model_id: int, prediction: Prediction) -> Score:
    """Row of one model's prediction, unsaved."""
    dimensions = {f"{d}_score": round(prediction.dimensions[d], 3) for d in Dimension}
    return Score(
        image_id=image_id,
        model_id=model_id,
        overall_score=round(prediction.overall_score, 3),
        overall_std=round(prediction.overall_std, 3),
        interval_low=round(prediction.interval_low, 3),
        interval_high=round(prediction.interval_high, 3),
        findings=[finding_record(finding) for finding in prediction.findings],
        **dimensions,
    )


def dimensions_of(score: Score) -> dict[Dimension, float]:
    """Dimension scores of a row."""
    return {dimension: float(getattr(score, f"{dimension}_score")) for dimension in Dimension}


def finding_record(finding: Finding) -> dict[str, Any]:
    """JSON form of a finding."""
    box = finding.box
    return {
        "defect": str(finding.defect),
        "probability": round(finding.probability, PROBABILITY_DIGITS),
        "cause": finding.cause,
        "value": round(finding.value, 4),
        "unit": finding.unit,
        "box": [round(v, 4) for v in (box.left, box.top, box.right, box.bottom)] if box else None,
    }


def finding_of_record(record: dict[str, Any]) -> Finding:
    """Finding of its JSON form."""
    return Finding(
        defect=Defect(record["defect"]),
        probability=float(record["probability"]),
        cause=record.get("cause", ""),
        value=float(record.get("value", 0.0)),
        unit=record.get("unit", ""),
        box=Box(*record["box"]) if record.get("box") else None,
    )
