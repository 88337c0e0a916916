"""Text found on a picture: laid over it afterwards, or printed on the product, which is nobody's fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.core.foreground import Foreground
from scoring.core.types import Box, Defect, Finding, ImageFeatures

# A reader sees letters in roof tiles too: with fewer letters or less confidence a line says nothing.
FEWEST_LETTERS = 3
SURE_FROM = 0.9
ON_PRODUCT_SHARE = 0.85  # of the line's box that lies on the product
WIDEST_PRINT = 0.8  # of the product's width: what is printed on a thing is narrower than the thing
EDGE_SHARE = 0.12  # where the product is not known, only text near an edge of the picture is told apart
READ = "text_laid_over"  # the cause of such a finding: the area of the lines
LAID_OVER, CLEAR = 0.97, 0.1  # probabilities once the text was read, or none was


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text that was read: ``confidence`` 0-1, ``box`` in fractions of width and height."""

    text: str
    confidence: float
    box: Box

    @property
    def is_sure(self) -> bool:
        letters = sum(character.isalnum() for character in self.text)
        return self.confidence >= SURE_FROM and letters >= FEWEST_LETTERS


def laid_over(lines: Sequence[Line], foreground: Foreground) -> list[Line]:
    """The sure lines that were put over the picture. Before a busy background: those near its edges."""
    sure = [line for line in lines if line.is_sure]
    if not foreground.plain_background:
        return [line for line in sure if _is_near_an_edge(line.box)]
    width = foreground.box.right - foreground.box.left
    return [
        line
        for line in sure
        if _share_on(foreground, line.box) < ON_PRODUCT_SHARE
        or line.box.right - line.box.left > WIDEST_PRINT * width
    ]


def with_text(features: ImageFeatures, lines: Sequence[Line], foreground: Foreground) -> ImageFeatures:
    """Features whose finding about text says what was read; what the network only guessed gives way."""
    found = laid_over(lines, foreground)
    if not found and any(line.is_sure for line in lines):
        return features  # printed on the product, or laid over just there: the network has seen such before
    said = tuple(
        _said(finding, found) if finding.defect is Defect.TEXT_OVERLAY else finding
        for finding in features.findings
    )
    return replace(features, findings=said)


def _said(finding: Finding, found: Sequence[Line]) -> Finding:
    if not found:
        return replace(finding, probability=min(finding.probability, CLEAR))
    box = Box(
        min(line.box.left for line in found),
        min(line.box.top for line in found),
        max(line.box.right for line in found),
        max(line.box.bottom for line in found),
    )
    area = sum((b.right - b.left) * (b.bottom - b.top) for b in (line.box for line in found))
    return Finding(Defect.TEXT_OVERLAY, LAID_OVER, cause=READ, value=min(1.0, area), box=box)


def _is_near_an_edge(box: Box) -> bool:
    return min(box.left, box.top, 1 - box.right, 1 - box.bottom) < EDGE_SHARE


def _share_on(foreground: Foreground, box: Box) -> float:
    """Share 0-1 of a box that lies on the product."""
    height, width = foreground.mask.shape
    rows = slice(int(box.top * height), max(int(box.top * height) + 1, round(box.bottom * height)))
    columns = slice(int(box.left * width), max(int(box.left * width) + 1, round(box.right * width)))
    part = foreground.mask[rows, columns]
    return float(np.mean(part)) if part.size else 0.0
