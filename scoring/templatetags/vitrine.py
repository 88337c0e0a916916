"""Scores, defects, figures, times and charts as templates write them.

Everything here draws values it is given; nothing asks the database. Each drawing carries its number as
text, so that neither colour nor sight is needed to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scoring import words
from scoring.core.types import Dimension, Grade, grade_of, nearest_vote
from scoring.templatetags import charts
from scoring.templatetags.icons import ICONS

register = template.Library()


# --- drawings ----------------------------------------------------------------------------------------
@register.simple_tag
def icon(name: str) -> SafeString:
    """A line drawing, silent for screen readers: the words stand beside it."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>', ICONS[name]
    )


@register.simple_tag
def key(words_on_it: str) -> SafeString:
    """A key cap."""
    return format_html('<kbd class="key">{}</kbd>', words_on_it)


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field with label, help and errors, tied together for screen readers."""
    described = [f"{bound.id_for_label}-help"] if bound.help_text else []
    described += [f"{bound.id_for_label}-error"] if bound.errors else []
    attrs: dict[str, str | bool] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attrs),
        "is_check": isinstance(bound.field.widget, CheckboxInput),
    }


# --- scores ------------------------------------------------------------------------------------------
@register.inclusion_tag("components/score.html")
def score(value: Any, std: Any = None, size: str = "") -> dict[str, Any]:
    """A score 0-100 as number, grade word and one to five pips; ``std`` adds ± beside it."""
    if not _is_known(value):
        return {"value": None, "size": size}
    return {
        "value": round(value),
        "std": round(std) if _is_known(std) else None,
        "grade": grade_of(value),
        "grade_words": words.GRADE_WORDS[grade_of(value)],
        "pips": [(i * 12, i < _level(grade_of(value))) for i in range(5)],
        "size": size,
    }


@register.inclusion_tag("components/bar.html")
def bar(value: Any, label: str) -> dict[str, Any]:
    """One score 0-100 as a bar with its name and number."""
    if not _is_known(value):
        return {"value": None, "label": label, "width": 0}
    return {
        "value": round(value),
        "width": f"{max(0.0, min(100.0, value)):.1f}",
        "label": label,
        "grade": grade_of(value),
    }


@register.inclusion_tag("components/dimensions.html")
def dimensions(of: Any) -> dict[str, Any]:
    """The five bars of a Score row, or of a mapping from dimension to score 0-100."""
    values = (
        of if isinstance(of, Mapping) else {str(one): getattr(of, f"{one}_score", None) for one in Dimension}
    )
    return {"bars": [(values.get(str(one)), words.DIMENSION_WORDS[one]) for one in Dimension]}


@register.inclusion_tag("components/defect.html")
def defect(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A chip for a stored finding: the defect, how sure the model is, and the measured cause."""
    return {
        "code": finding["defect"],
        "name": words.defect_words(str(finding["defect"])),
        "percent": round(100 * float(finding.get("probability", 0.0))),
        "cause": words.cause_words(finding),
        "has_place": finding.get("box") is not None,
    }


@register.filter
def grade(value: float | None) -> str:
    """The grade's code, for a class or an attribute."""
    return str(grade_of(value)) if value is not None and _is_known(value) else ""


@register.filter
def grade_words(value: float | None) -> str:
    """The grade of a score 0-100 in words."""
    return str(words.GRADE_WORDS[grade_of(value)]) if value is not None and _is_known(value) else ""


@register.filter
def vote_words(rating: int | None) -> str:
    """What a vote 1-5 means."""
    return "" if rating is None else str(words.VOTE_WORDS[int(rating)])


@register.filter
def nearest(value: float | None) -> int | None:
    """The vote 1-5 a score 0-100 stands for."""
    return None if value is None else nearest_vote(value)


register.filter("defect_words", words.defect_words)
register.filter("dimension_words", words.dimension_words)
register.filter("cause_words", words.cause_words)
register.filter("measure_words", words.measure_words)


def _is_known(value: object) -> bool:
    """Whether there is a number; a path that leads nowhere in a template is an empty string."""
    return value is not None and value != ""


def _level(grade_: Grade) -> int:
    return len(Grade) - list(Grade).index(grade_)


# --- numbers and times -------------------------------------------------------------------------------
@register.filter
def number(value: float | str | None, decimals: int = 0) -> str:
    """A number as both languages write it, thousands apart; a dash where there is none."""
    if value is None or value == "":
        return "–"
    return f"{float(value):,.{decimals}f}"


@register.simple_tag(name="sum")
def money_sum(value: float | None, currency: str = "") -> str:
    """A sum of money to the hundredth, with its currency where one is known."""
    return f"{number(value, 2)} {currency}".rstrip()


@register.filter
def signed(value: float | None, decimals: int = 2) -> str:
    """A difference with its sign, + or −."""
    if value is None:
        return "–"
    text = number(abs(value), decimals)
    return ("+" if value >= 0 else "−") + text


@register.filter
def percent(share: float | None, decimals: int = 0) -> str:
    """A share 0-1 as per cent."""
    return "–" if share is None else f"{number(100 * share, decimals)} %"


@register.filter
def rate(per_second: float) -> str:
    """A rate with as many digits as it deserves."""
    return number(per_second, 0 if per_second >= 10 else 1)


@register.filter
def plain(value: float | None) -> str:
    """A number for an attribute a program reads: no grouping, a point."""
    return "0" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@register.filter
def duration(seconds: float | None) -> str:
    """A length of time in its largest one or two units."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return _("%(n)s s") % {"n": whole}
    if whole < 3600:
        return (
            _("%(m)s min %(s)s s") % {"m": whole // 60, "s": whole % 60}
            if whole < 600
            else _("%(m)s min") % {"m": round(whole / 60)}
        )
    return _("%(h)s h %(m)s min") % {"h": whole // 3600, "m": whole % 3600 // 60}


@register.filter
def ago(moment: datetime | None) -> str | SafeString:
    """A moment as people say it, with the exact time for machines and on hover."""
    if moment is None:
        return _("never")
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        date_format(local, "DATETIME_FORMAT"),
        _since(timezone.now() - moment, local),
    )


def _since(gone: Any, local: datetime) -> str:
    seconds = int(gone.total_seconds())
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return ngettext("%(n)s minute ago", "%(n)s minutes ago", seconds // 60) % {"n": seconds // 60}
    if seconds < 86_400:
        return ngettext("%(n)s hour ago", "%(n)s hours ago", seconds // 3600) % {"n": seconds // 3600}
    if seconds < 7 * 86_400:
        return ngettext("%(n)s day ago", "%(n)s days ago", seconds // 86_400) % {"n": seconds // 86_400}
    return date_format(local, "DATE_FORMAT")


# --- charts ------------------------------------------------------------------------------------------
@register.simple_tag
def spark(values: Sequence[float], label: str) -> str:
    """A row of numbers as a small line; its text says first and last."""
    known = charts.finite(values)
    points = charts.spark_points(known) if known else []
    return render_to_string(
        "components/charts/spark.html",
        {
            "points": charts.polyline(points),
            "end": points[-1] if points else None,
            "label": label,
            "first": known[0] if known else None,
            "last": known[-1] if known else None,
        },
    )


@register.simple_tag
def lean(value: float | None, most: float = 1.5) -> str | SafeString:
    """A difference drawn from the middle to its side; the number stands beside it as text."""
    if value is None:
        return ""
    reach = min(abs(value), most) / most * 24
    return format_html(
        '<svg class="lean" viewBox="0 0 50 12" aria-hidden="true"><path class="chart-grid" d="M25 0V12"/>'
        '<rect x="{}" y="3" width="{}" height="6" rx="1"/></svg>',
        f"{25 - reach if value < 0 else 25:.1f}",
        f"{reach:.1f}",
    )


@register.simple_tag
def bars(rows: Sequence[tuple[str, float]], label: str, decimals: int = 0) -> str:
    """Named numbers as horizontal bars, largest full."""
    widths = charts.shares([float(value) for _name, value in rows])
    drawn = [
        {"name": name, "words": number(value, decimals), "width": f"{width:.1f}"}
        for (name, value), width in zip(rows, widths, strict=True)
    ]
    return render_to_string("components/charts/bars.html", {"rows": drawn, "label": label})


@register.simple_tag
def histogram(counts: Sequence[float], label: str, as_shares: bool = False) -> str:
    """How many votes of 1, 2, 3, 4 and 5 there are, or their shares 0-1, as five columns in grade colours."""
    heights = charts.shares([float(count) for count in counts], width=44)
    columns = [
        {
            "x": 24 * i + 2,
            "y": f"{52 - height:.1f}",
            "height": f"{height:.1f}",
            "said": percent(count) if as_shares else f"× {count}",
            "vote": i + 1,
            "grade": list(Grade)[4 - i],
            "middle": 24 * i + 12,
        }
        for i, (count, height) in enumerate(zip(counts, heights, strict=True))
    ]
    return render_to_string("components/charts/histogram.html", {"columns": columns, "label": label})


@register.simple_tag
def curve(lines: Sequence[Mapping[str, Any]], label: str, x_label: str = "", y_label: str = "") -> str:
    """Lines over numbers, with bands where given: ``[{"name", "points", "low", "high"}]``."""
    return render_to_string(
        "components/charts/curve.html",
        {
            "frame": charts.frame_of(lines),
            "label": label,
            "x_label": x_label,
            "y_label": y_label,
            "series": lines,
            "edge": {
                "left": charts.LEFT,
                "right": charts.WIDTH - charts.RIGHT,
                "bottom": charts.HEIGHT - charts.BOTTOM,
            },
        },
    )
