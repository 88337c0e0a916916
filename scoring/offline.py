"""``vitrine score``: a folder in, a CSV out, without any server.

Every file below the folder gets a row. A file that is no picture gets its reason in the last column
instead of scores; a file that kills its process gets a row too. Two processes share the work.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scoring.core.exports import safe_cell
from scoring.core.types import ACR_HIGH, ACR_LOW, Defect, Dimension, Prediction

if TYPE_CHECKING:
    from scoring.gate import AdmittedPicture
    from scoring.kept import KeptModel

PROCESSES = 2
BATCH = 8  # files a process takes at once: the network reads them together
TELL_EVERY_S = 2.0
VOTES = tuple(f"votes_{vote}" for vote in range(ACR_LOW, ACR_HIGH + 1))
HEADER = (
    *("path", "overall", "std", "low", "high", "grade", *VOTES),
    *(*map(str, Dimension), *map(str, Defect), "error"),
)
MALLOC_ENVIRONMENT = {
    # Large buffers stay in the process: fewer page faults, 1.3 to 1.6 times the throughput.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}
DIED = "The scoring process died on this file."


@dataclass(frozen=True, slots=True)
class FileScore:
    """What became of one file: scores 0-100 and probabilities 0-1, or a plain reason in ``error``."""

    overall: float | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    grade: str = ""
    votes: tuple[float, ...] | None = None  # expected, shares of 1 to 5
    dimensions: Mapping[str, float] | None = None
    defects: Mapping[str, float] | None = None
    error: str = ""
    is_fault: bool = False  # ours, not the file's

    @staticmethod
    def of(prediction: Prediction) -> FileScore:
        return FileScore(
            overall=prediction.overall_score,
            std=prediction.overall_std,
            interval=(prediction.interval_low, prediction.interval_high),
            grade=str(prediction.grade),
            votes=prediction.votes_expected,
            dimensions={str(name): value for name, value in prediction.dimensions.items()},
            defects={str(name): value for name, value in prediction.defects.items()},
        )


Scorer = Callable[[Sequence[str]], list[FileScore]]


def score_folder(folder: Path, *, out: Path, scorer: Scorer | None = None) -> int:
    """Score every file below ``folder`` into the CSV ``out``. Returns 0 when every file got a row,
    1 when the model could score none of them.

    ``out`` appears only when it is complete. ``scorer`` runs in the worker processes; it is the model's
    unless given. Status 2: no such folder, or ``out`` cannot be written.
    """
    if not folder.is_dir():
        print(f"There is no folder {folder}", file=sys.stderr)
        return 2
    if not out.parent.is_dir() or out.is_dir():
        print(f"Cannot write {out}", file=sys.stderr)
        return 2
    files = list(files_below(folder, leave_out=out))
    progress = _Progress(len(files), sys.stderr)
    results = score_paths([str(path) for path in files], scorer or score_files, told=progress.step)
    rows = (_row(path.relative_to(folder), result) for path, result in zip(files, results, strict=True))
    _write_csv(out, rows)
    progress.end(out, refused=sum(1 for result in results if result.error))
    if results and all(result.is_fault for result in results):
        print(f"Nothing could be scored. The first: {results[0].error}", file=sys.stderr)
        return 1
    return 0


def score_paths(
    paths: Sequence[str], scorer: Scorer, *, told: Callable[[], None] = lambda: None
) -> list[FileScore]:
    """What became of each file, in their order, by two processes; ``told`` is called after each."""
    results = [FileScore(error=DIED, is_fault=True)] * len(paths)
    for index, result in _scored(list(paths), scorer):
        results[index] = result
        told()
    return results


def files_below(folder: Path, *, leave_out: Path) -> Iterator[Path]:
    """Every file below ``folder`` in a stable order, ``leave_out`` apart. Linked folders are not entered."""
    mine = leave_out.resolve()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.resolve() != mine:
                yield path


def score_files(paths: Sequence[str], model: KeptModel | None = None) -> list[FileScore]:
    """Scores of some files by ``model``, else by the base weights, in their order. Runs in a worker process,
    which keeps the model warm."""
    from scoring.core.predict import predict_pictures
    from scoring.core.types import ImageFeatures
    from scoring.device import extract_each
    from scoring.kept import base_kept

    model = model or base_kept()
    admitted = [_admitted(path) for path in paths]
    pictures = [each for each in admitted if not isinstance(each, FileScore)]
    extracted = extract_each(
        [picture.stored for picture in pictures],
        jpeg_qualities=[picture.jpeg_quality for picture in pictures],
        weights=model.encoder,
    )
    good = [each for each in extracted if isinstance(each, ImageFeatures)]
    predictions = iter(predict_pictures(head=model.head(), features=good))
    scored = iter(
        FileScore.of(next(predictions)) if isinstance(each, ImageFeatures) else FileScore(error=f"{each}")
        for each in extracted
    )
    return [each if isinstance(each, FileScore) else next(scored) for each in admitted]


def _admitted(path: str) -> AdmittedPicture | FileScore:
    """The clean picture of a file, or the row that says why there is none."""
    from scoring.gate import Limits, Refusal, admit

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep us waiting for ever
            return FileScore(error="This is not a file of its own (a pipe, socket or device).")
        with open(path, "rb") as file:
            return admit(file.read(Limits().byte_cap + 1))  # one more than the gate allows is enough to know
    except Refusal as refusal:
        return FileScore(error=refusal.reason)
    except OSError as error:
        return FileScore(error=f"The file cannot be read: {error.strerror}.")


def _scored(paths: list[str], scorer: Scorer) -> Iterator[tuple[int, FileScore]]:
    """(index, result) of every path as they come; a batch that failed is tried again file by file."""
    batches = [range(start, min(start + BATCH, len(paths))) for start in range(0, len(paths), BATCH)]
    alone: list[range] = []
    for batch, outcome in _in_processes(batches, paths, scorer, PROCESSES):
        if isinstance(outcome, Exception):
            alone.extend(range(index, index + 1) for index in batch)
        else:
            yield from zip(batch, outcome, strict=True)
    for single, outcome in _in_processes(alone, paths, scorer, 1):
        yield single.start, _fault(outcome) if isinstance(outcome, Exception) else outcome[0]


def _fault(error: Exception) -> FileScore:
    if isinstance(error, BrokenProcessPool):
        return FileScore(error=DIED, is_fault=True)
    return FileScore(error=f"The file could not be scored ({type(error).__name__}: {error}).", is_fault=True)


def _in_processes(
    batches: list[range], paths: list[str], scorer: Scorer, count: int
) -> Iterator[tuple[range, list[FileScore] | Exception]]:
    """Each batch with its results or the exception instead. A pool whose process died is replaced."""
    os.environ.update({**MALLOC_ENVIRONMENT, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))})
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # the first export of the graph is talkative
    ahead = 2 * count if count > 1 else 1  # alone: nothing else may be in the pool that breaks
    waiting = list(reversed(batches))
    context = multiprocessing.get_context("spawn")
    while waiting:
        with ProcessPoolExecutor(min(count, len(waiting)), mp_context=context) as pool:
            running: dict[Future[list[FileScore]], range] = {}
            is_broken = False
            while (waiting and not is_broken) or running:
                while waiting and not is_broken and len(running) < ahead:
                    try:
                        future = pool.submit(scorer, [paths[index] for index in waiting[-1]])
                    except BrokenProcessPool:  # it died since the last look; the next pool takes the batch
                        is_broken = True
                    else:
                        running[future] = waiting.pop()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    error = future.exception()
                    is_broken = is_broken or isinstance(error, BrokenProcessPool)
                    yield running.pop(future), future.result() if error is None else _exception(error)


def _exception(error: BaseException) -> Exception:
    """What a batch failed with; an interruption is not a failure of the batch and goes on up."""
    if isinstance(error, Exception):
        return error
    raise error


def _row(path: Path, result: FileScore) -> list[object]:
    name = safe_cell(os.fsencode(path.as_posix()).decode("utf-8", "replace"))
    if result.error:
        return [name, *[""] * (len(HEADER) - 2), safe_cell(result.error)]
    dimensions, defects = result.dimensions or {}, result.defects or {}
    return [
        name,
        _figure(result.overall, 2),
        _figure(result.std, 2),
        *(_figure(end, 2) for end in result.interval or (None, None)),
        result.grade,
        *(_figure(share, 4) for share in result.votes or [None] * len(VOTES)),
        *(_figure(dimensions.get(str(dimension)), 2) for dimension in Dimension),
        *(_figure(defects.get(str(defect)), 4) for defect in Defect),
        "",
    ]


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _write_csv(out: Path, rows: Iterable[list[object]]) -> None:
    """Beside its place, flushed to the disk, then renamed: nobody ever reads half a file."""
    draft = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


class _Progress:
    """Lines on stderr: how many of how many, how fast, how long it still takes."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.done = total, 0
        self._stream, self._live = stream, stream.isatty()
        self._began = self._told = time.monotonic()

    def step(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self._told >= TELL_EVERY_S:
            self._told = now
            rate = self.done / (now - self._began)
            left_s = (self.total - self.done) / rate
            line = f"{self.done} of {self.total}, {rate:.1f} a second, {_span(left_s)} left"
            print(
                f"\r\033[K{line}" if self._live else line, end="" if self._live else "\n", file=self._stream
            )
            self._stream.flush()

    def end(self, out: Path, *, refused: int) -> None:
        took_s = time.monotonic() - self._began
        rate = self.done / took_s if took_s else 0.0
        lead = "\r\033[K" if self._live else ""
        print(
            f"{lead}{self.done} files in {_span(took_s)}, {rate:.1f} a second; {refused} refused",
            file=self._stream,
        )
        print(f"Written to {out}", file=self._stream)


def _span(seconds: float) -> str:
    """Seconds as ``42 s`` or ``3 min 05 s``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
