"""The ``vitrine`` command."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.kept import Chosen

DESCRIPTION = "Human-in-the-loop quality assessment of product pictures."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    parser = _parser()
    wanted, extra = parser.parse_known_args(argv)
    if extra and wanted.command not in PASS_THROUGH:
        parser.error(f"unrecognised arguments: {' '.join(extra)}")
    try:
        return int(COMMANDS[wanted.command](wanted, extra) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vitrine", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start everything and print the address to open")
    _add_data(run)
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    run.add_argument("--port", type=int, default=8000, help="port, or the next free one (default 8000)")
    run.add_argument("--images", type=Path, help="folder of pictures to bring in")
    run.add_argument("--no-sample", action="store_true", help="start without the sample catalogue")
    ingest = commands.add_parser("ingest", help="bring in pictures and wait for their scores")
    _add_data(ingest)
    ingest.add_argument("source", help="a folder, .zip, .csv, .jsonl, or .txt of addresses")
    for name, what in (("train", "train a candidate on the labels"), ("export", "write the labels out")):
        _add_data(commands.add_parser(name, help=f"{what} (further options go to the command itself)"))
    score = commands.add_parser("score", help="score a folder into a CSV, without any server")
    score.add_argument("folder", type=Path)
    score.add_argument("--out", type=Path, default=Path("scores.csv"))
    score.add_argument("--model", help="of a house: champion, displayed, or a name (default: what ships)")
    score.add_argument("--house", type=Path, help="its data folder (default: $VITRINE_DATA, else ./var)")
    commands.add_parser("pretrain", help="fit the base head on synthetic damage", add_help=False)
    commands.add_parser("evaluate", help="measure the model against labels", add_help=False)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=_usual_data(),
        help="data folder (default: $VITRINE_DATA, else ./var)",
    )


def _usual_data() -> Path:
    return Path(os.environ.get("VITRINE_DATA", "") or "var")


def _run(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    from iqa_site.house import RunOptions
    from iqa_site.launcher import run

    if wanted.images is not None and not wanted.images.is_dir():
        print(f"There is no folder {wanted.images}", file=sys.stderr)
        return 1
    options = RunOptions(
        data=wanted.data,
        host=wanted.host,
        port=wanted.port,
        images=wanted.images,
        sample=not wanted.no_sample,
    )
    return run(options)


def _ingest(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    source = Path(wanted.source)
    if not source.exists():
        print(f"There is no {source}", file=sys.stderr)
        return 1
    return _management("ingest", wanted.data, [str(source.resolve()), *extra])


def _train(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    return _management("train", wanted.data, extra)


def _export(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    return _management("export", wanted.data, extra)


def _management(name: str, data: Path, words: Sequence[str]) -> int:
    """Call a management command against the running house, or against one opened for the duration."""
    from iqa_site.embedded_server import EmbeddedError
    from iqa_site.house import LaunchError
    from iqa_site.instance import AlreadyRunningError, child_environment, running_instance

    os.environ.setdefault("VITRINE_LOG_LEVEL", "WARNING")
    running = running_instance(data.resolve())
    if running is not None and running.database_url:
        os.environ.update(child_environment(data.resolve(), running.database_url, running.redis_url))
        return _call_here(name, words)
    try:
        return _call_in_own_house(name, data, words)
    except (AlreadyRunningError, EmbeddedError, LaunchError) as error:
        print(error, file=sys.stderr)
        return 1


def _call_here(name: str, words: Sequence[str]) -> int:
    import django
    from django.core.management import CommandError, call_command

    django.setup()
    try:
        call_command(name, *words)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _call_in_own_house(name: str, data: Path, words: Sequence[str]) -> int:
    """Servers and workers are started, watched while the command runs beside them, and stopped."""
    from iqa_site.house import House, RunOptions

    house = House(RunOptions(data=data), tell=lambda line: print(line, file=sys.stderr))
    try:
        house.open_quietly()
        command = [sys.executable, "-m", "django", name, *words]
        child = subprocess.Popen(command, env=house.environment)
        while child.poll() is None:
            house.supervisor.tick(time.monotonic())
            time.sleep(0.1)
        return child.returncode
    finally:
        house.move_out()


def _score(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    from scoring.offline import score_files, score_folder

    if wanted.model is None:
        if wanted.house is not None:
            print("--house belongs to --model: say which model of the house.", file=sys.stderr)
            return 1
        return int(score_folder(wanted.folder, out=wanted.out))
    from iqa_site.borrow import BorrowError

    try:
        chosen = _model_of_house(wanted.model, wanted.house)
    except BorrowError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Model: {chosen.model.name}", file=sys.stderr)
    scorer = partial(score_files, model=chosen.model)
    return int(score_folder(wanted.folder, out=wanted.out, scorer=scorer))


def _model_of_house(name: str, house: Path | None) -> Chosen:
    from iqa_site.borrow import borrow_model

    return borrow_model(name, house or _usual_data())


def _pretrain(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    from scoring.pretrain import main as pretrain

    return pretrain(list(extra)) or 0


def _evaluate(wanted: argparse.Namespace, extra: Sequence[str]) -> int:
    from scoring.evaluate import main as evaluate

    return evaluate(list(extra), choose=_model_of_house) or 0


COMMANDS = {
    "run": _run,
    "ingest": _ingest,
    "train": _train,
    "export": _export,
    "score": _score,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
}
PASS_THROUGH = {"ingest", "train", "export", "pretrain", "evaluate"}


if __name__ == "__main__":
    sys.exit(main())
