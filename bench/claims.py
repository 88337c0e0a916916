"""One JSON line per claim: what every script in bench/ ends with, and what docs/performance.md is made of."""

from __future__ import annotations

import json


def report(
    claim: str, value: float | str, unit: str, bar: str, passed: bool | None, compared_with: str = ""
) -> None:
    """Print one claim. ``passed`` is None where there is no bar, only a figure worth knowing."""
    shown = round(value, 4) if isinstance(value, float) else value
    line = {
        "claim": claim,
        "value": shown,
        "unit": unit,
        "bar": bar,
        "passed": passed,
        "compared_with": compared_with,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)
