"""The SVG makers: every figure is drawn where and as large as it should be, and safely."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.ui import charts
from sekisho.ui.charts import Day, Part

SIZES = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)
STATES = st.lists(st.sampled_from(["pass", "fail", "unknown", "exempt", ""]), max_size=40)


def rects(svg: str) -> list[dict[str, str]]:
    return [node.attrib for node in ET.fromstring(svg).iter("rect")]  # noqa: S314 - our own SVG


def per_cent(text: str) -> float:
    return float(text.removesuffix("%"))


@given(SIZES)
def test_shares_fill_the_bar_exactly(sizes: list[int]) -> None:
    drawn = rects(charts.draw_shares([Part("f-machine", size) for size in sizes], "x"))
    if sum(sizes):
        assert sum(per_cent(r["width"]) for r in drawn) == pytest.approx(100, abs=0.1)
        assert len(drawn) == sum(size > 0 for size in sizes)
    else:
        assert [r["class"] for r in drawn] == ["f-track"]


@given(st.integers(0, 10**9))
def test_axis_ends_above_the_highest_value_and_wastes_little(highest: int) -> None:
    limit = charts.pick_limit(highest)
    assert limit >= highest
    assert limit <= max(3, highest * 2)
    assert limit % charts.GRID_LINES == 0


def test_trend_stacks_fail_unknown_exempt_from_the_baseline() -> None:
    svg = charts.draw_trend([Day("11/24", 30, 15, 15, off=True)], "x", height=244)
    found = {r["class"]: r for r in rects(svg)}
    fail, unknown, exempt = (found[c] for c in ("f-fail", "f-unknown", "f-exempt"))
    bottom = float(fail["y"]) + float(fail["height"]) + 1
    assert bottom == pytest.approx(208)  # the baseline
    assert float(fail["height"]) + 1 == pytest.approx(2 * (float(unknown["height"]) + 1), abs=0.2)
    assert float(exempt["y"]) < float(unknown["y"]) < float(fail["y"])
    assert float(found["f-off"]["y"]) > bottom


def test_a_day_without_trouble_draws_nothing_and_pass_is_never_in_a_trend_of_problems() -> None:
    assert rects(charts.draw_trend([Day("11/24", 0, 0, 0)], "x")) == []


@given(st.lists(STATES, max_size=5))
def test_history_draws_each_cell_once_and_unknown_never_as_a_passing_line(
    rows: list[list[str]],
) -> None:
    drawn = rects(charts.draw_history(rows, ["11/1"] * 30, "x"))
    states = [state for row in rows for state in row]
    assert len(drawn) == len(states)
    tall = [r for r in drawn if float(r["height"]) == charts.BLOCK]
    assert len(tall) == sum(state in {"fail", "unknown", "exempt"} for state in states)
    assert sum(r["class"] == "h-pass" for r in drawn) == states.count("pass")


def test_a_label_from_outside_cannot_become_markup() -> None:
    hostile = '"><script>alert(1)</script>'
    for svg in (
        charts.draw_shares([Part("f-fail", 1)], hostile),
        charts.draw_trend([Day(hostile, 1, 0, 0)], hostile),
        charts.draw_history([["fail"]], [hostile], hostile),
        charts.draw_meter(7, 3, hostile),
    ):
        assert "<script" not in svg
        ET.fromstring(svg)  # noqa: S314 - our own SVG


@pytest.mark.parametrize(("total", "left"), [(7, 3), (7, 0), (0, 0), (400, 2)])
def test_meter_fills_the_days_that_are_left(total: int, left: int) -> None:
    filled = [r for r in rects(charts.draw_meter(total, left, "x")) if r["class"] == "f-left"]
    assert len(filled) == left


def test_charts_carry_no_inline_style() -> None:
    svg = charts.draw_trend([Day("11/24", 1, 2, 3)], "x")
    assert not re.search(r"\sstyle=", svg)
