"""The documents tell the truth about the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATION_ROW = re.compile(r"^\| \d+ \| (\w+) \|.*\| ([^|]+) \|$", re.MULTILINE)
STATIONS = (
    "ingest",
    "score",
    "queue",
    "annotate",
    "consensus",
    "review",
    "dataset",
    "train",
    "promote",
    "rescore",
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_map_lists_the_ten_stations_in_order_and_each_stands_in_its_file() -> None:
    rows = STATION_ROW.findall(text_of("docs/architecture.md"))
    assert [word for word, _ in rows] == list(STATIONS)
    for word, places in rows:
        for place in re.findall(r"`([^`]+)`", places):
            assert (ROOT / place).is_file(), place
            assert Path(place).stem == word


README_CLAIMS = (  # the rows of docs/performance.md that the README's speak of, in its order
    "share of the labels to 95% of the SRCC that a plain ridge has with all, from ruin, queue",
    "labels saved to reach what plain ridge, random has with 100%, from ruin, queue",
    "key to next picture on screen, p95",
    "next and submit requests",
    "votes lost while web workers are killed",
    "full score of 1000 x 1000 JPEG, 2 processes",
    "one picture, warm, median",
    "SRCC on real photos, mean of five folds",
    "SRCC of the first head on real photos, mean of five folds",
    "untouched photos accused of anything: catalogue",
    "poisoned retrains let in that are worse on the truth",
)


def test_every_figure_of_the_readme_was_measured_by_the_script_it_names() -> None:
    shown = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `bench\.(\w+)` \|$", text_of("README.md"), re.MULTILINE)
    assert len(shown) == len(README_CLAIMS)
    for (what, figure, script), claim in zip(shown, README_CLAIMS, strict=True):
        assert (ROOT / "bench" / f"{script}.py").is_file(), script
        (row,) = re.findall(rf"^\| {re.escape(claim)} \|.*$", text_of("docs/performance.md"), re.MULTILINE)
        for told in numbers_of(figure):
            digits = len(told.partition(".")[2])
            near = {f"{float(each) * by:.{digits}f}" for each in numbers_of(row) for by in (1, 100)}
            assert told in near, f"{what}: {told} is not what was measured"


def numbers_of(text: str) -> list[str]:
    return [each.replace(",", "") for each in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)]


def test_every_table_of_the_map_names_a_model_that_exists() -> None:
    import labeling.models
    import scoring.models

    known = set(labeling.models.__all__) | set(scoring.models.__all__)
    leaves = re.findall(
        r"^\| \d+ \| \w+ \| [^|]+ \| ([^|]+) \|", text_of("docs/architecture.md"), re.MULTILINE
    )
    named = {name for cell in leaves for name in re.findall(r"`(\w+)`", cell)}
    assert named <= known, named - known


def test_every_file_the_documents_point_at_exists() -> None:
    rooms = "scoring|labeling|iqa_site|static|templates|docs|bench|docker|tests"
    pages = ("docs/architecture.md", "docs/operations.md", "docs/api.md", "CONTRIBUTING.md", "SECURITY.md")
    for page in pages:
        for path in re.findall(rf"`((?:{rooms})/[\w./-]+)`", text_of(page)):
            assert (ROOT / path).exists(), f"{page} names {path}"


def test_the_settings_page_lists_exactly_the_settings_the_code_reads() -> None:
    code = set(re.findall(r'env_\w+\(\s*"([A-Z_]+)"', text_of("iqa_site/settings.py")))
    page = set(re.findall(r"^\| `([A-Z_]+)` \|", text_of("docs/settings.md"), re.MULTILINE))
    assert page == code


def test_the_readme_shows_both_commands_and_the_map() -> None:
    readme = text_of("README.md")
    assert "make run" in readme
    assert "make test" in readme
    assert "docs/architecture.md" in readme


def test_every_picture_and_page_the_readme_links_exists() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text_of("README.md")):
        assert (ROOT / target).exists(), target
