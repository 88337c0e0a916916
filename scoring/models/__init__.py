"""Tables of the machine's room."""

from scoring.models.dataset import DatasetRow, DatasetVersion
from scoring.models.event import Event
from scoring.models.image import Image, Product
from scoring.models.ingest import ImportJob, ImportRow
from scoring.models.model_version import ModelVersion, Serving
from scoring.models.outside import OutsideLabel
from scoring.models.score import Score, ScoringJob, ShadowScore, StoredFeatures
from scoring.models.training_run import TrainingRun

__all__ = [
    "DatasetRow",
    "DatasetVersion",
    "Event",
    "Image",
    "ImportJob",
    "ImportRow",
    "ModelVersion",
    "OutsideLabel",
    "Product",
    "Score",
    "ScoringJob",
    "Serving",
    "ShadowScore",
    "StoredFeatures",
    "TrainingRun",
]
