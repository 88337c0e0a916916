"""Reads text on pictures, where the extra ``[ocr]`` is installed and VITRINE_OCR asks for it.

Costs about a second of processor time a picture, so only pictures the network suspects are read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from scoring.core.decode import PictureError, decode_picture
from scoring.core.overlay import Line, with_text
from scoring.core.types import Box, Defect, ImageFeatures
from scoring.device import foreground_of

LONGEST = 640  # text that matters on a shop's page is still read at this size
SUSPECTED_FROM = 0.05


@cache
def is_installed() -> bool:
    """Whether the reader is there."""
    return importlib.util.find_spec("rapidocr") is not None


def read_each(
    results: Sequence[ImageFeatures | PictureError], blobs: Sequence[bytes]
) -> list[ImageFeatures | PictureError]:
    """The same results, what was read put in the place of what was guessed."""
    return [
        _read(result, blob) if isinstance(result, ImageFeatures) and _is_suspected(result) else result
        for result, blob in zip(results, blobs, strict=True)
    ]


def _is_suspected(features: ImageFeatures) -> bool:
    said = {finding.defect: finding.probability for finding in features.findings}
    return said.get(Defect.TEXT_OVERLAY, 0.0) >= SUSPECTED_FROM


def _read(features: ImageFeatures, blob: bytes) -> ImageFeatures:
    picture = decode_picture(blob)
    return with_text(features, lines_of(Image.fromarray(picture.rgb)), foreground_of(picture))


def lines_of(image: Image.Image) -> list[Line]:
    """Lines of text on a picture, by PP-OCR models that come with the package."""
    small = image.copy()
    small.thumbnail((LONGEST, LONGEST))
    told = _reader()(np.ascontiguousarray(np.asarray(small)[:, :, ::-1]))  # it expects blue first
    if told.boxes is None:
        return []
    scale = np.array([small.width, small.height], dtype=np.float64)
    return [
        Line(str(text), float(score), _box(np.asarray(corners, dtype=np.float64) / scale))
        for corners, text, score in zip(told.boxes, told.txts, told.scores, strict=True)
    ]


def _box(corners: np.ndarray) -> Box:
    low, high = np.clip(corners.min(axis=0), 0, 1), np.clip(corners.max(axis=0), 0, 1)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


@cache
def _reader() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "error"})
