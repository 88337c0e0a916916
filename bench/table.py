"""Write the claims of a bench run into docs/performance.md, between its two marks.

python -m bench.table claims.jsonl docs/performance.md
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
PACKAGES = ("torch", "onnxruntime", "django", "celery", "pillow", "numpy")


def table(claims: list[dict[str, Any]], machine: str) -> str:
    """The table as Markdown, with the machine and the versions above it."""
    rows = [f"{machine}\n", "| claim | figure | bar | met | compared with |", "|---|---|---|---|---|"]
    for claim in claims:
        met = {True: "yes", False: "**no**", None: ""}[claim["passed"]]
        figure = f"{claim['value']} {claim['unit']}".strip()
        cells = (claim["claim"], figure, claim["bar"], met, claim["compared_with"])
        rows.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def with_table(page: str, text: str) -> str:
    """``page`` with what stood between the marks replaced; marks are added at its end when missing."""
    if BEGIN not in page or END not in page:
        return f"{page.rstrip()}\n\n{BEGIN}\n{text}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def machine_line() -> str:
    """Where and when the figures were taken."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    day = datetime.now(UTC).date().isoformat()
    cores = os.cpu_count()
    return f"{day}, {_processor()}, {cores} cores, Python {platform.python_version()}, {versions}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(claims_file: str, page_file: str) -> None:
    lines = Path(claims_file).read_text(encoding="utf-8").splitlines()
    claims = [json.loads(line) for line in lines if line.startswith('{"claim"')]
    page = Path(page_file)
    before = page.read_text(encoding="utf-8") if page.exists() else "# What was measured\n"
    page.write_text(with_table(before, table(claims, machine_line())), encoding="utf-8")
    missed = [claim["claim"] for claim in claims if claim["passed"] is False]
    if missed:
        raise SystemExit("Bars not met: " + "; ".join(missed))


if __name__ == "__main__":
    main(*sys.argv[1:])
