"""Static files with digests in their names, ES module imports rewritten too."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Hashed and compressed files; ``import "./x.js"`` inside modules points at the hashed names."""

    support_js_module_import_aggregation = True
