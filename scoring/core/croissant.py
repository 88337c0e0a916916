"""Croissant metadata of an exported dataset, so that catalogues of datasets can read what it holds."""

from __future__ import annotations

from typing import Any

from scoring.core.exports import ROW_COLUMNS
from scoring.core.types import Defect, Dimension

CROISSANT_VERSION = "http://mlcommons.org/croissant/1.0"


def croissant(
    *, name: str, description: str, digest: str, csv_name: str, url: str, published: str
) -> dict[str, Any]:
    """Croissant 1.0 metadata (JSON-LD) of a dataset whose rows stand in ``csv_name``.

    ``digest`` is the SHA-256 of that file, ``published`` a date as YYYY-MM-DD.
    Source: MLCommons Croissant format specification 1.0.
    """
    numbers = {"target_score", "target_std", "weight", *map(str, Dimension), *map(str, Defect)}
    whole = {"image_id", "width", "height", "vote_count", *(f"votes_{grade}" for grade in range(1, 6))}

    def data_type(column: str) -> str:
        return "sc:Float" if column in numbers else "sc:Integer" if column in whole else "sc:Text"

    fields = [
        {
            "@type": "cr:Field",
            "@id": f"rows/{column}",
            "name": column,
            "dataType": data_type(column),
            "source": {"fileObject": {"@id": csv_name}, "extract": {"column": column}},
        }
        for column in ROW_COLUMNS
    ]
    return {
        "@context": _CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": CROISSANT_VERSION,
        "license": "https://spdx.org/licenses/LicenseRef-private",
        "url": url,
        "version": "1.0.0",
        "datePublished": published,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": csv_name,
                "name": csv_name,
                "contentUrl": csv_name,
                "encodingFormat": "text/csv",
                "sha256": digest,
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}],
    }


_CROISSANT_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
