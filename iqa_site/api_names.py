"""What the API's schema calls the choices of the models, where two of them share a field's name."""

from __future__ import annotations

ENUM_NAMES = {
    "ImportKindEnum": "scoring.models.ImportJob.Kind",
    "ImportStateEnum": "scoring.models.ImportJob.State",
    "ImportRowStateEnum": "scoring.models.ImportRow.State",
    "ImportFromFilesEnum": "scoring.api.ingest.FROM_FILES",
    "TrainingKindEnum": "scoring.models.TrainingRun.Kind",
    "TrainingStateEnum": "scoring.models.TrainingRun.State",
    "ExportFormEnum": "labeling.models.ExportJob.Form",
    "ExportStateEnum": "labeling.models.ExportJob.State",
    "ModelKindEnum": "scoring.models.ModelVersion.Kind",
    "ModelStateEnum": "scoring.models.ModelVersion.State",
}
