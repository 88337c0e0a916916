"""Votes found in another tool's export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ForeignVote:
    """One rating found in another tool's export: who rated which picture, ACR 1-5."""

    image: str
    rater: str
    rating: int
    product_id: str = ""
    title: str = ""
    category: str = ""
    seller: str = ""


def read_label_studio(text: str) -> Iterator[ForeignVote | str]:
    """Ratings of a Label Studio JSON export; a task that cannot be read yields a plain sentence.

    Takes ``rating`` results (stars 1-5) and ``choices`` results whose choice is an ACR word.
    """
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        yield f"This is not JSON: {error}"
        return
    if not isinstance(tasks, list):
        yield "A Label Studio export is a list of tasks."
        return
    for number, task in enumerate(tasks, start=1):
        yield from _task_votes(number, task)


ACR_WORDS = {"bad": 1, "poor": 2, "fair": 3, "good": 4, "excellent": 5}


def _task_votes(number: int, task: Any) -> Iterator[ForeignVote | str]:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("image"), str):
        yield f"Task {number} has no image."
        return
    about = {key: str(data.get(key) or "") for key in ("product_id", "title", "category", "seller")}
    for annotation in task.get("annotations") or []:
        rating = _rating_of(annotation)
        if rating is None:
            yield f"Task {number} has an annotation without a rating from 1 to 5."
            continue
        yield ForeignVote(data["image"], str(annotation.get("completed_by") or "imported"), rating, **about)


def _rating_of(annotation: Any) -> int | None:
    results = annotation.get("result") if isinstance(annotation, dict) else None
    for result in results or []:
        value = result.get("value") or {}
        stars = value.get("rating")
        if isinstance(stars, int) and 1 <= stars <= 5:
            return stars
        choices = value.get("choices") or []
        if choices and str(choices[0]).lower() in ACR_WORDS:
            return ACR_WORDS[str(choices[0]).lower()]
    return None
