"""Static files with digests in their names, ES module imports rewritten too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # it has no types
    """Hashed and compressed files; ``import "./x.js"`` inside modules points at the hashed names."""

    support_js_module_import_aggregation = True

    def url_converter(self, name: str, hashed_files: Any, template: Any = None) -> Callable[[Any], str]:
        """Leave django-htmx's extensions as they are: their type comments look like imports of a file."""
        if name.startswith("django_htmx/ext/"):
            return _unchanged
        converter: Callable[[Any], str] = super().url_converter(name, hashed_files, template)
        return converter


def _unchanged(match: Any) -> str:
    return str(match.group(0))
