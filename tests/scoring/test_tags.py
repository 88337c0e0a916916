"""What templates draw: numbers with words and shapes, times as people say them, charts that can be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from scoring.templatetags import charts
from scoring.templatetags.vitrine import ago, duration, number, percent, plain, signed


def drawn(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("value", "words", "pips"),
    [
        (100, "excellent", 5),
        (80, "excellent", 5),
        (79.9, "good", 4),
        (40, "fair", 3),
        (20, "poor", 2),
        (0, "bad", 1),
    ],
)
def test_a_score_is_a_number_a_word_and_pips_by_its_grade(value: float, words: str, pips: int) -> None:
    html = drawn("{% score value %}", value=value)
    assert f">{words}<" in html
    assert html.count('class="is-on"') == pips
    assert f'<span class="score-number">{round(value)}' in html


def test_what_has_no_score_says_so() -> None:
    assert "not scored yet" in drawn("{% score none %}", none=None)
    assert ">–<" in drawn('{% bar none "Sharpness" %}', none=None)


def test_a_defect_names_its_cause_and_escapes_what_it_does_not_know() -> None:
    finding = {"defect": "noise", "probability": 0.71, "cause": "noise_sigma", "value": 5.0, "unit": "levels"}
    html = drawn("{% defect finding %}", finding=finding)
    assert "Noise" in html
    assert "71 %" in html
    assert "&lt;b&gt;" in drawn("{% defect finding %}", finding=finding | {"defect": "<b>"})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0 s"), (59.4, "59 s"), (75, "1 min 15 s"), (3599, "60 min"), (7260, "2 h 1 min")],
)
def test_lengths_of_time_come_in_one_or_two_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_numbers_are_grouped_signed_and_shared() -> None:
    assert number(12345) == "12,345"
    assert number(None) == "–"
    assert signed(-0.25) == "−0.25"
    assert signed(0.5, 1) == "+0.5"
    assert percent(0.935, 1) == "93.5 %"
    with translation.override("zh-hans"):
        assert plain(1234.5) == "1234.5"


def test_moments_are_told_from_now() -> None:
    now = timezone.now()
    assert ">just now<" in ago(now)
    assert ">1 minute ago<" in ago(now - timedelta(seconds=61))
    assert ">3 hours ago<" in ago(now - timedelta(hours=3, minutes=5))
    assert ">2 days ago<" in ago(now - timedelta(days=2))
    assert ago(None) == "never"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 4, [0, 1, 2, 3, 4]), (0.71, 0.93, [0.7, 0.8, 0.9, 1.0]), (5, 5, [4.5, 4.75, 5, 5.25, 5.5])],
)
def test_axes_have_round_marks_around_the_numbers(low: float, high: float, ticks: list[float]) -> None:
    found = charts.nice_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert len(found) <= 7


def test_a_curve_carries_its_figures_as_a_table_and_leaves_out_what_is_no_number() -> None:
    lines = [{"name": "people", "points": [(50, 0.8), (100, 0.9)], "low": [0.7, 0.85], "high": [0.9, 0.95]}]
    html = drawn('{% curve lines "Learning" x_label="labels" y_label="SRCC" %}', lines=lines)
    assert html.count("<circle") == 2
    assert "<polygon" in html
    assert "0.900</td>" in html
    assert drawn('{% curve lines "Learning" %}', lines=[{"name": "people", "points": []}]).strip() == ""
    assert charts.finite([1, None, float("nan"), float("inf"), 2]) == [1.0, 2.0]


def test_what_is_counted_has_no_mark_at_a_half() -> None:
    frame = charts.frame_of([{"name": "loss", "points": [(1, 0.4), (2, 0.3)]}])
    assert frame is not None
    assert [tick.words for tick in frame.x_ticks] == ["1", "2"]
    assert len(frame.y_ticks) > 2
    frame = charts.frame_of([{"name": "loss", "points": [(1, 0.4)]}])
    assert frame is not None
    assert [tick.words for tick in frame.x_ticks] == ["0", "1", "2"]


def test_a_histogram_says_how_many_votes_each_grade_got() -> None:
    html = drawn('{% histogram counts "Votes" %}', counts=[0, 0, 1, 4, 2])
    assert "3 fair × 1, 4 good × 4, 5 excellent × 2" in html


def test_a_histogram_of_shares_says_them_as_per_cent() -> None:
    html = drawn('{% histogram shares "Votes" True %}', shares=(0.004, 0.1, 0.396, 0.5, 0.0))
    assert "1 bad 0 %, 2 poor 10 %, 3 fair 40 %, 4 good 50 %, 5 excellent 0 %" in html


def test_a_lean_reaches_to_its_side_and_not_beyond_its_frame() -> None:
    assert 'x="25.0" y="3" width="8.0"' in drawn("{% lean value %}", value=0.5)
    assert 'x="1.0" y="3" width="24.0"' in drawn("{% lean value %}", value=-9)
    assert drawn("{% lean value %}", value=None) == ""


def test_charts_of_nothing_draw_nothing_and_do_not_fall() -> None:
    assert "–" in drawn('{% spark none "Votes" %}', none=[])
    assert drawn('{% bars none "Votes" %}', none=[]).count("listitem") == 0
    assert drawn('{% histogram counts "Votes" %}', counts=[0] * 5).count("<rect") == 10
