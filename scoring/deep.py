"""Station 8, train, the deep half: the network itself is tuned on the pictures of a frozen dataset.

Prepared views and checkpoints lie in a folder of the run, so that another worker goes on where one was
killed: half a minute of work is lost (deep_keep.py). The holdout is neither learned from nor looked at before
the trial. What comes out is a new encoder with its head, whose features the rescore makes anew.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from scoring.candidate import Made
from scoring.core.ahead import read_ahead
from scoring.core.checkpoint import WeightsError, read_tensor_file
from scoring.core.decode import PictureError, decode_picture
from scoring.core.features import Views, views_of
from scoring.core.head import Head
from scoring.core.recipes import USUAL, Recipe, losses_told, usual_recipe
from scoring.core.splits import CALIBRATION, HOLDOUT, TRAIN
from scoring.deep_candidate import TAUGHT, deep_candidate
from scoring.errors import BadInputError, NotThereError
from scoring.models import DatasetRow, DatasetVersion, Image, ModelVersion, StoredFeatures, TrainingRun
from scoring.registry import encoder_of, head_of, serving
from scoring.run_lease import Beat, run_beat
from scoring.storage import picture_bytes
from scoring.trial import FEWEST_HOLDOUT, Labels, labels_of_rows, root_of, straight_on

FEWEST_TAUGHT = 40
TAUGHT_SHARE = 0.8125  # of labels that are not held back; the rest set the intervals
MOST_READERS = 8  # threads that make views where a card waits for them
PREPARED = 0.15  # of the progress bar when the views are kept
SECONDS_PER_VIEW, SECONDS_PER_LESSON = 0.12, 0.4  # a picture on one core, before any run has told


def deep_require(dataset: DatasetVersion) -> None:
    """Refuse a deep retrain that could not be taught or judged, in words that say what is missing."""
    if importlib.util.find_spec("torch") is None:
        words = _("This installation cannot train networks: torch is not there.")
        raise BadInputError(words, code="no_torch")
    taught, held = taught_and_held(dataset)
    missing = deep_missing(taught=taught, held=held)
    if missing:
        raise BadInputError(missing, code="too_few_labels")


def deep_missing(*, taught: int, held: int) -> str:
    """Why so many labels are too few for a deep retrain; empty where they are enough."""
    if taught >= FEWEST_TAUGHT and held >= FEWEST_HOLDOUT:
        return ""
    words = _(
        "A deep retrain needs {taught} labels to learn from and {held} held back to judge it by;"
        " there are {have} and {kept}."
    )
    return words.format(taught=FEWEST_TAUGHT, held=FEWEST_HOLDOUT, have=taught, kept=held)


def taught_and_held(dataset: DatasetVersion) -> tuple[int, int]:
    """Rows a deep retrain learns from, and rows held back."""
    told = DatasetRow.objects.filter(dataset=dataset).aggregate(
        taught=Count("id", filter=Q(split=TRAIN)), held=Count("id", filter=Q(split=HOLDOUT))
    )
    return told["taught"], told["held"]


def deep_seconds(*, labels: int) -> float:
    """About how long a deep retrain on so many labels takes: by the last one's own clock, else a guess for
    one core."""
    lesson, epochs = SECONDS_PER_LESSON, settings.DEEP_EPOCHS or USUAL["cpu"].epochs
    last = TrainingRun.objects.filter(kind=TrainingRun.Kind.DEEP, state="evaluated").first()
    seconds = [point["seconds"] for point in last.curve if "seconds" in point] if last else []
    if last and seconds:
        lesson = float(np.mean(seconds)) / max(1, taught_and_held(last.dataset)[0])
        epochs = len(seconds)
    return labels * (2 * SECONDS_PER_VIEW + epochs * lesson * 0.8 * TAUGHT_SHARE)  # a fifth is held back


def deep_made(run: TrainingRun, token: UUID) -> Made:
    """Tune the network, make the head that goes with it, and try both on the holdout."""
    from scoring.deep_course import card_release

    try:
        return _made(run, token)
    finally:
        card_release()


def _made(run: TrainingRun, token: UUID) -> Made:
    from scoring.deep_course import course_read

    folder, beat = _folder(run), Beat(run, token)
    _tidy(run)
    try:
        course, _start, facts = course_read(folder)
    except WeightsError:  # nobody has begun it yet
        _prepare(run, folder, serving().champion, beat)
        course, _start, facts = course_read(folder)
    base, champion = ModelVersion.objects.get(pk=facts["base"]), serving().champion
    pupil = _taught(run, token, folder, course.recipe, beat)
    rows = _rows(run.dataset, base, champion)
    return deep_candidate(
        run=run, rows=rows, base=base, champion=champion, pupil=pupil, folder=folder, beat=beat
    )


def deep_forget(run: TrainingRun) -> None:
    """Drop what an ended run kept to be resumed."""
    shutil.rmtree(_folder(run), ignore_errors=True)


def _folder(run: TrainingRun) -> Path:
    return Path(settings.DATA_DIR) / "training" / f"run-{run.pk}"


def _tidy(run: TrainingRun) -> None:
    """One runs at a time, so whatever else lies about belongs to a run that was given up."""
    waiting = TrainingRun.objects.filter(state=TrainingRun.State.QUEUED).values_list("pk", flat=True)
    kept = {_folder(run).name, *(f"run-{pk}" for pk in waiting)}
    for folder in _folder(run).parent.glob("run-*"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _rows(dataset: DatasetVersion, *models: ModelVersion) -> list[DatasetRow]:
    """Rows that have features for all of these models, in image order."""
    rows = DatasetRow.objects.filter(dataset=dataset)
    for model in models:
        have = StoredFeatures.objects.filter(version=model.feature_version).values("image_id")
        rows = rows.filter(image_id__in=have)
    return list(rows.order_by("image_id"))


def _prepare(run: TrainingRun, folder: Path, base: ModelVersion, beat: Beat) -> None:
    """Write the course: the views of every lesson as serving sees them, then what to learn of them."""
    from scoring.deep_course import best_device, course_write

    kept = _views_kept(folder, _rows(run.dataset, base), beat)
    if len(kept) < FEWEST_TAUGHT:
        words = _("Only {count} of the labelled pictures can be read.")
        raise BadInputError(words.format(count=len(kept)))
    recipe = usual_recipe(
        best_device(), seed=run.seed, epochs=settings.DEEP_EPOCHS, losses=settings.DEEP_LOSSES
    )
    labels = labels_of_rows(kept, feature_version=base.feature_version)
    head = straight_on(labels, labels.splits == TRAIN, head_of(root_of(base)))
    course_write(
        folder,
        recipe=recipe,
        lessons=_lessons(labels, kept, head, base),
        facts={
            "weights": str(encoder_of(base)),
            "level": float(head.intercepts[0]),
            "base": base.pk,
            "dataset": run.dataset.digest,
        },
    )


def _views_kept(folder: Path, rows: Sequence[DatasetRow], beat: Beat) -> list[DatasetRow]:
    """Keep the views of every lesson whose picture can be read; the rest cannot teach."""
    from scoring.deep_course import best_device, views_are_of, views_write

    threads = min(MOST_READERS, os.cpu_count() or 1) if best_device() == "cuda" else 1
    lessons = [row for row in rows if row.split in (TRAIN, CALIBRATION)]
    images = Image.objects.in_bulk([row.image_id for row in lessons])
    kept: list[DatasetRow] = []
    for row in lessons:  # of a run that is resumed: what is kept is not read again
        if not views_are_of(folder, len(kept), image=row.image_id):
            break
        kept.append(row)
    rest = lessons[len(kept) :]
    for row, views in read_ahead(lambda row: _views(images[row.image_id]), rest, threads=threads):
        beat("preparing", PREPARED * len(kept) / len(lessons))
        if views is None:
            continue
        views_write(folder, len(kept), whole=views.whole, crop=views.crop, image=row.image_id)
        kept.append(row)
        beat.gained("preparing", beat.last)
    return kept


def _views(image: Image) -> Views | None:
    """The views of a picture; None where it cannot be read. Asks no database: it runs in a thread."""
    try:
        return views_of(decode_picture(picture_bytes(image), jpeg_quality=image.jpeg_quality))
    except (NotThereError, PictureError):
        return None


def _lessons(
    labels: Labels, rows: Sequence[DatasetRow], head: Head, base: ModelVersion
) -> Mapping[str, npt.NDArray[Any]]:
    """Arrays of the course; the serving path of the model it starts from, with a head fitted to labels."""
    tensors = read_tensor_file(encoder_of(base))
    arrays = {name: tensors[f"features.{name}"] for name in ("centre", "components", "defect_weights")}
    arrays |= {"mean": head.mean, "std": head.std, "coefficients": head.coefficients[0]}
    arrays |= {"vectors": labels.vectors, "targets": labels.targets}
    arrays["histograms"] = np.array([_histogram(row) for row in rows])
    single = {name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()}
    return single | {"is_judged": labels.splits == CALIBRATION}


def _histogram(row: DatasetRow) -> list[float]:
    """Shares of the grades 1-5; without votes, those next to the target."""
    votes = [float(count) for count in row.histogram]
    if len(votes) == 5 and sum(votes) > 0:
        return [count / sum(votes) for count in votes]
    place = row.target_score / 25.0
    return [max(0.0, 1.0 - abs(grade - place)) for grade in range(5)]


def _taught(run: TrainingRun, token: UUID, folder: Path, recipe: Recipe, beat: Beat) -> Any:
    """Go through what is left of the course, on every GPU there is; returns the tuned pupil."""
    import torch

    from scoring.deep_course import best_device, course_run, ranks_run

    where, epochs = best_device(), recipe.epochs
    how = {"device": where, "epochs": epochs, "losses": losses_told(recipe.losses)}
    TrainingRun.objects.filter(pk=run.pk, token=token).update(environment={**run.environment, **how})

    def told(line: Mapping[str, Any]) -> None:
        if "curve" in line:
            run_beat(run, token, step="training", progress=beat.last, curve=line["curve"], attempts=0)
        if "step" not in line:
            beat.gained("training", beat.last)
            return
        share = (line["epoch"] - 1 + line["step"] / line["steps"]) / epochs
        beat("training", PREPARED + (TAUGHT - PREPARED) * share)

    torch.manual_seed(run.seed)
    if where == "cuda" and torch.cuda.device_count() > 1:
        ranks_run(folder, ranks=torch.cuda.device_count(), told=told)
    return course_run(folder, told=told, device=where)
