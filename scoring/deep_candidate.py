"""Station 8, train: a tuned network becomes a candidate, with its features, its head and their trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring import device
from scoring.candidate import Made
from scoring.core.calibrate import category_factors, conformal_factor
from scoring.core.checkpoint import read_tensor_file, write_tensors, write_whole
from scoring.core.decode import PictureError, decode_picture
from scoring.core.features import views_of
from scoring.core.head import NOISE_FLOOR, Head, head_to_tensors
from scoring.core.promotion import Trial
from scoring.core.quantise import measured_ranges, without_ranges
from scoring.core.splits import CALIBRATION, HOLDOUT, TRAIN
from scoring.core.types import ByteArray, ImageFeatures
from scoring.errors import NotThereError
from scoring.models import DatasetRow, Image, ModelVersion, TrainingRun
from scoring.records import features_pack, features_unpack
from scoring.registry import encoder_of, head_of, models_folder
from scoring.run_lease import Beat
from scoring.storage import picture_bytes
from scoring.trial import Evaluation, Labels, labels_of_rows, root_of

FEWEST_TO_CALIBRATE = 8
EXTRACT_AT_ONCE = 16
CALIBRATION_PICTURES = 60
TAUGHT, TRIED = 0.75, 0.88  # of the progress bar when the network is tuned, and when its features are made


def usual_error(champion: ModelVersion) -> float | None:
    """The champion's RMSE on the holdout it was let in by; None where it never had one."""
    told = champion.metrics
    return float(told["candidate"]["rmse"]["value"]) if told and not told["provisional"] else None


def deep_candidate(
    *,
    run: TrainingRun,
    rows: Sequence[DatasetRow],
    base: ModelVersion,
    champion: ModelVersion,
    pupil: Any,
    folder: Path,
    beat: Beat,
) -> Made:
    """Weights, features and trial of a tuned network that started from ``base``; features made so far are
    kept in ``folder``, so that another worker need not make them again."""
    tensors = _with_ranges(_with_encoder(base, pupil), rows, beat)
    draft = write_tensors(models_folder(), tensors, {"draft of run": run.pk})
    weights = models_folder() / f"{draft}.safetensors"
    features = _features_of(rows, weights, folder, beat)
    beat("evaluating", TRIED)
    rows = [row for row in rows if row.image_id in features]
    old = labels_of_rows(rows, feature_version=champion.feature_version)
    new = replace(old, vectors=np.stack([features[row.image_id].vector for row in rows]))
    head = _head(base, pupil, new)
    told = {"run": run.pk, "dataset": run.dataset.digest}
    digest = write_tensors(models_folder(), _with_head(weights, head), told)
    final = models_folder() / f"{digest}.safetensors"
    device.graph_adopt(draft=weights, weights=final)
    for path in (weights, weights.with_suffix(".json")):
        path.unlink(missing_ok=True)
    version = device.feature_version(final)
    return Made(
        parent=root_of(base),
        feature_version=version,
        weights_digest=digest,
        evaluation=_tried(old, new, head, champion),
        curve=TrainingRun.objects.values_list("curve", flat=True).get(pk=run.pk),
        features=[(pk, replace(each, version=version)) for pk, each in features.items()],
    )


def _features_of(
    rows: Sequence[DatasetRow], weights: Path, folder: Path, beat: Beat
) -> dict[int, ImageFeatures]:
    """Features of every labelled picture that can be read, through the code that serves."""
    images = Image.objects.in_bulk([row.image_id for row in rows])
    found: dict[int, ImageFeatures] = {}
    ids = [row.image_id for row in rows]
    for start in range(0, len(ids), EXTRACT_AT_ONCE):
        beat("extracting", TAUGHT + (TRIED - TAUGHT) * start / len(ids))
        kept = folder / "features" / f"{weights.stem}-{start}.json"
        if not kept.exists():
            told = _extracted([images[pk] for pk in ids[start : start + EXTRACT_AT_ONCE]], weights)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, features_pack(told).encode())
            beat.gained("extracting", beat.last)
        found |= features_unpack(kept.read_text())
    return found


def _extracted(images: Sequence[Image], weights: Path) -> dict[int, ImageFeatures]:
    blobs: dict[int, bytes] = {}
    for image in images:
        try:
            blobs[image.pk] = picture_bytes(image)
        except NotThereError:
            continue
    qualities = [image.jpeg_quality for image in images if image.pk in blobs]
    told = device.extract_each(list(blobs.values()), jpeg_qualities=qualities, weights=weights)
    return {pk: each for pk, each in zip(blobs, told, strict=True) if isinstance(each, ImageFeatures)}


def _with_encoder(base: ModelVersion, pupil: Any) -> dict[str, npt.NDArray[Any]]:
    """The weights file it started from with the tuned encoder in it, in the number format of the old one."""
    tensors = dict(read_tensor_file(encoder_of(base)))
    for name, value in pupil.encoder.state_dict().items():
        key = f"{device.ENCODER_PREFIX}{name}"
        if key in tensors:
            tensors[key] = value.detach().float().cpu().numpy().astype(tensors[key].dtype)
    return tensors


def _with_ranges(
    tensors: dict[str, npt.NDArray[Any]], rows: Sequence[DatasetRow], beat: Beat
) -> dict[str, npt.NDArray[Any]]:
    """With the tuned encoder's ranges on pictures it learned from; without any it serves in float."""
    tensors = without_ranges(tensors)
    if device.ENCODER_PREFIX + device.CONFIG in tensors:
        return tensors  # another's network, which runs in float alone
    taught = [row.image_id for row in rows if row.split == TRAIN]
    views: list[ByteArray] = []
    for image in Image.objects.in_bulk(taught[:: 1 + len(taught) // CALIBRATION_PICTURES]).values():
        with suppress(NotThereError, PictureError):
            seen = views_of(decode_picture(picture_bytes(image)))
            views += [seen.whole, seen.crop]
    if views:
        start = len(device.ENCODER_PREFIX)
        encoder = {n[start:]: value for n, value in tensors.items() if n.startswith(device.ENCODER_PREFIX)}
        tensors |= measured_ranges(encoder, _beating(views, beat)).tensors()
    return tensors


def _beating(views: Sequence[ByteArray], beat: Beat) -> Iterator[ByteArray]:
    for view in views:
        beat("extracting", TAUGHT)
        yield view


def _with_head(weights: Path, head: Head) -> dict[str, npt.NDArray[Any]]:
    """The draft with the head that goes with its network."""
    tensors = {
        name: value
        for name, value in read_tensor_file(weights).items()
        if not name.startswith(device.HEAD_PREFIX)
    }
    return tensors | {f"{device.HEAD_PREFIX}{name}": value for name, value in head_to_tensors(head).items()}


def _head(base: ModelVersion, pupil: Any, labels: Labels) -> Head:
    """What the pupil learned of the overall score, its doubt measured on labels it did not learn from."""
    prior = replace(head_of(root_of(base)), correction=None)
    coefficients, intercepts = prior.coefficients.copy(), prior.intercepts.copy()
    coefficients[0] = pupil.coefficients.detach().cpu().double().numpy()
    intercepts[0] = float(pupil.level.detach())
    head = replace(prior, coefficients=coefficients, intercepts=intercepts)
    apart = labels.splits == CALIBRATION
    if int(apart.sum()) < FEWEST_TO_CALIBRATE:
        return head
    output = head.predict(labels.vectors[apart])
    error = (output.overall - labels.targets[apart]) ** 2 - output.epistemic_var
    head = replace(head, noise_var=max(NOISE_FLOOR, float(np.mean(error))))
    output = head.predict(labels.vectors[apart])
    known = (output.overall, labels.targets[apart], output.overall_std)
    return replace(
        head,
        interval_factor=conformal_factor(*known),
        category_factors=category_factors(*known, labels.categories_of(apart)),
    )


def _tried(old: Labels, new: Labels, head: Head, champion: ModelVersion) -> Evaluation:
    """Candidate and champion on the same holdout, each from its own network's features."""
    held = new.splits == HOLDOUT
    output, categories = head.predict(new.vectors[held]), new.categories_of(held)
    trial = Trial(
        candidate=output.overall,
        champion=head_of(champion).predict(old.vectors[held]).overall,
        people=new.targets[held],
        categories=categories,
        half_widths=head.factors(categories) * output.overall_std,
        usual_error=usual_error(champion),
    )
    return Evaluation(trial, provisional=False)
