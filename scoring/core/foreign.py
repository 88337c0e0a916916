"""What another tool's export says of pictures: people's votes and models' predictions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scoring.core.types import ACR_HIGH, ACR_LOW, score_from_vote

VOTE, PREDICTION = "vote", "prediction"
NAME_CHARS = 150
ABOUT = ("product_id", "title", "category", "seller")
ACR_WORDS = {"bad": 1, "poor": 2, "fair": 3, "good": 4, "excellent": 5}
NO_RATING = "No annotation of this task is a rating from 1 to 5."
NO_IMAGE = "This task has no image."
OWN_LABEL = "This is our own label, which nobody changed there."


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody elsewhere said of a picture.

    ``kind`` is VOTE or PREDICTION, ``who`` the rater or the model, ``score`` 0-100; a vote's is one of 0,
    25, 50, 75, 100, which are the ratings 1 to 5.
    """

    kind: str
    who: str
    score: float


@dataclass(frozen=True, slots=True)
class ForeignTask:
    """One picture of another tool's export; ``error`` is a sentence where it cannot be used."""

    image: str
    told: tuple[Told, ...] = ()
    about: Mapping[str, str] | None = None
    error: str = ""


class UnreadableError(ValueError):
    """The file as a whole is no such export."""


def told_in(values: Mapping[str, Any]) -> tuple[Told, ...]:
    """``votes`` and ``predictions`` of a row of ours; ValueError where one of them cannot be meant.

    A vote is ``{"rater": "ann", "rating": 1-5}``, a prediction ``{"model": "v1", "score": 0-100}``.
    """
    votes = [_vote(each.get("rater"), each.get("rating")) for each in _objects(values.get("votes"))]
    said = [_prediction(each.get("model"), each.get("score")) for each in _objects(values.get("predictions"))]
    return (*votes, *said)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("not a list of objects")
    return value


def _vote(who: Any, rating: Any) -> Told:
    if isinstance(rating, bool) or not isinstance(rating, int) or not ACR_LOW <= rating <= ACR_HIGH:
        raise ValueError("a rating is 1 to 5")
    return Told(VOTE, _name(who), score_from_vote(rating))


def _prediction(who: Any, score: Any) -> Told:
    real = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    if not real or not 0 <= score <= 100:
        raise ValueError("a score is 0 to 100")
    return Told(PREDICTION, _name(who), float(score))


def _name(who: Any) -> str:
    text = "".join(mark for mark in str(who or "").strip() if mark.isprintable())
    if not text or len(text) > NAME_CHARS:
        raise ValueError("a name is missing or too long")
    return text


def read_label_studio(text: str) -> Iterator[ForeignTask]:
    """Tasks of a Label Studio JSON export. Raises UnreadableError before the first.

    Takes ``rating`` results (1-5 stars) and ``choices`` results whose choice is an ACR word, of annotations
    as votes and of predictions as predictions; answers that were skipped there are left out.
    """
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("This is not JSON.") from error
    if not isinstance(tasks, list):
        raise UnreadableError("A Label Studio export is a list of tasks.")
    return map(_task, tasks)


def _task(task: Any) -> ForeignTask:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("image"), str) or not data["image"]:
        return ForeignTask("", error=NO_IMAGE)
    about = {key: str(data.get(key) or "") for key in ABOUT}
    given = [one for one in _listed(task, "annotations") if not one.get("was_cancelled")]
    answers = [one for one in given if not _is_own(one)]
    votes = [_told(VOTE, _rater(one), one) for one in answers]
    said = [_told(PREDICTION, one.get("model_version"), one) for one in _listed(task, "predictions")]
    told = tuple(one for one in (*votes, *said) if one is not None)
    missing = NO_RATING if answers else OWN_LABEL if given else ""
    error = "" if told else missing
    return ForeignTask(data["image"], told, about, error)


def _listed(task: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = task.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _told(kind: str, who: Any, answer: Mapping[str, Any]) -> Told | None:
    rating = _rating_of(answer)
    if rating is None:
        return None
    try:
        name = _name(who or "unknown")
    except ValueError:
        return None
    return Told(kind, name, score_from_vote(rating))


def _rater(answer: Mapping[str, Any]) -> str:
    """Who gave an answer: an address where the export has one, else the number it knows them by."""
    who = answer.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return str(who or "unknown")


def own_mark(rating: int) -> str:
    """What a label of ours is known by when it comes back: Label Studio keeps the ids of results."""
    return f"vitrine-label-{rating}"


def _is_own(answer: Mapping[str, Any]) -> bool:
    """Whether an answer is a label we wrote, unchanged; as a vote it would be counted twice."""
    marks = [result.get("id") for result in _listed(answer, "result")]
    rating = _rating_of(answer)
    return rating is not None and own_mark(rating) in marks


def _rating_of(answer: Mapping[str, Any]) -> int | None:
    for result in _listed(answer, "result"):
        value = result.get("value")
        if not isinstance(value, dict):
            continue
        stars, choices = value.get("rating"), value.get("choices")
        if isinstance(stars, int) and not isinstance(stars, bool) and ACR_LOW <= stars <= ACR_HIGH:
            return stars
        if isinstance(choices, list) and choices and str(choices[0]).lower() in ACR_WORDS:
            return ACR_WORDS[str(choices[0]).lower()]
    return None
