"""What the gate said, in the reader's language: every check as a sentence with its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scoring.core.promotion import Check
from scoring.templatetags.vitrine import number

CHECK_WORDS: dict[str, Promise] = {
    Check.ENOUGH_LABELS: gettext_lazy("Enough labels"),
    Check.RANKING: gettext_lazy("Ranks like people do"),
    Check.ERROR: gettext_lazy("Error in points"),
    Check.CATEGORIES: gettext_lazy("No category suffers"),
    Check.CALIBRATION: gettext_lazy("Intervals are honest"),
    Check.LABELS: gettext_lazy("Labels as sound as before"),
    Check.SPEED: gettext_lazy("Fast enough"),
}


WHOLE = (Check.ENOUGH_LABELS, Check.RANKING, Check.ERROR)  # looked at before the categories
MOST_NAMED = 40  # of the categories not judged; the API names all


@dataclass(frozen=True, slots=True)
class Line:
    """One check of a verdict in words. ``passed`` is None where nothing was judged."""

    passed: bool | None
    name: str
    text: str


def verdict_lines(verdict: Mapping[str, Any]) -> list[Line]:
    """The checks of a stored verdict, in the order the gate made them; after those of the categories, which
    ones had too few pictures for a check of their own."""
    reasons = verdict.get("reasons", [])
    lines = [Line(bool(each["passed"]), check_words(each), reason_words(each)) for each in reasons]
    unjudged = verdict.get("unjudged")
    if not unjudged:
        return lines
    place = sum(each["check"] in (*WHOLE, Check.CATEGORIES) for each in reasons)
    return [*lines[:place], Line(None, _("Categories not judged"), unjudged_words(unjudged)), *lines[place:]]


def check_words(reason: Mapping[str, Any]) -> str:
    """The name of a check; one of a category names it."""
    name = str(CHECK_WORDS.get(reason["check"], reason["check"]))
    if reason["check"] == Check.CATEGORIES:
        return f"{name}: {reason.get('detail') or _('no category')}"
    return f"{name}: {reason['detail']}" if reason.get("detail") else name


def unjudged_words(unjudged: Sequence[Mapping[str, Any]]) -> str:
    """Which categories the gate passed over, how many pictures they had, how many are needed."""
    named = [f"{each['category'] or _('no category')} ({each['pictures']})" for each in unjudged[:MOST_NAMED]]
    rest = len(unjudged) - len(named)
    if rest:
        named.append(ngettext("{n} more", "{n} more", rest).format(n=rest))
    words = ngettext(
        "{n} category has fewer pictures to judge by than the {bar} needed, so a loss in it would not be "
        "seen: {names}.",
        "{n} categories have fewer pictures to judge by than the {bar} each needs, so a loss in one of them "
        "would not be seen: {names}.",
        len(unjudged),
    )
    return words.format(n=len(unjudged), bar=unjudged[0]["needed"], names=", ".join(named))


def reason_words(reason: Mapping[str, Any]) -> str:
    """What was measured, its interval, and the bar it was held to."""
    value, low, high, bar = (float(reason[key]) for key in ("value", "low", "high", "bar"))
    span = (value, low, high)
    match reason["check"]:
        case Check.ENOUGH_LABELS:
            return _("{n} labelled pictures to judge by; at least {bar} are needed.").format(
                n=number(value, 0), bar=number(bar, 0)
            )
        case Check.RANKING:
            return _(
                # xgettext:no-python-format
                "SRCC {change} against the champion (95 % interval {low} to {high}); "
                "a loss of more than {bar} is refused."
            ).format(**_signed_span(span, 3), bar=number(-bar, 2))
        case Check.ERROR | Check.CATEGORIES:
            return _(
                # xgettext:no-python-format
                "RMSE {change} points against the champion (95 % interval {low} to {high}); "
                "more than {bar} worse is refused."
            ).format(**_signed_span(span, 2), bar=number(bar, 1))
        case Check.CALIBRATION:
            return _(
                # xgettext:no-python-format
                "{share} of people's scores lie inside the 90 % intervals (95 % interval {low} to {high}); "
                "refused where even {high} is below {bar}."
            ).format(share=_percent(value), low=_percent(low), high=_percent(high), bar=_percent(bar))
        case Check.LABELS:
            return _(
                # xgettext:no-python-format
                "The new labels are predicted {change} points worse than the champion's were "
                "(95 % interval {low} to {high}); more than {bar} suggests that some are wrong."
            ).format(**_signed_span(span, 2), bar=number(bar, 1))
        case Check.SPEED:
            return _("Takes {ratio} times as long as the champion; at most {bar} times is allowed.").format(
                ratio=number(value, 2), bar=number(bar, 1)
            )
    return _("Measured {value}, held to {bar}.").format(value=number(value, 3), bar=number(bar, 3))


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "−"
    return sign + number(abs(rounded), decimals)


def _signed_span(span: tuple[float, float, float], decimals: int) -> dict[str, str]:
    change, low, high = (_signed(value, decimals) for value in span)
    return {"change": change, "low": low, "high": high}


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)} %"
