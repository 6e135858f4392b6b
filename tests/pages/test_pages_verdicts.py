"""How verdicts become rows, answers and a strip of days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.engine import start_verdict
from sekisho.devices.web.verdicts import (
    DAYS,
    Change,
    Client,
    arrange_verdicts,
    draw_strip,
    trace_days,
)
from sekisho.kernel.ids import ControlID

TODAY = date(2026, 11, 24)
KINDS = ["pass", "fail", "unknown", "exempt"]


def at(days_ago: int, hour: int = 12) -> datetime:
    day = datetime(2026, 11, 24, hour, tzinfo=UTC)
    return day - timedelta(days=days_ago)


def test_nothing_is_known_without_a_change() -> None:
    assert trace_days([], TODAY) == [""] * DAYS


def test_a_day_shows_its_worst_and_the_next_what_was_last() -> None:
    changes = [Change(at(2, 9), "pass", "fail"), Change(at(2, 10), "fail", "pass")]
    traced = trace_days(changes, TODAY)
    assert traced[-3:] == ["fail", "pass", "pass"]
    assert traced[:-3] == ["pass"] * (DAYS - 3)


def test_days_before_the_first_verdict_are_empty_and_not_fine() -> None:
    traced = trace_days([Change(at(5), "", "unknown"), Change(at(4), "unknown", "pass")], TODAY)
    assert traced[: DAYS - 6] == [""] * (DAYS - 6)
    assert traced[-6:] == ["unknown", "unknown", "pass", "pass", "pass", "pass"]


def test_a_change_long_ago_still_holds() -> None:
    assert trace_days([Change(at(90), "pass", "fail")], TODAY) == ["fail"] * DAYS


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(KINDS)), max_size=20))
def test_the_last_day_never_looks_better_than_the_verdict_in_force(
    steps: list[tuple[int, str]],
) -> None:
    ordered = sorted(steps, key=lambda step: -step[0])
    kinds = ["", *(kind for _, kind in ordered)]
    changes = [Change(at(ago), kinds[n], kind) for n, (ago, kind) in enumerate(ordered)]
    traced = trace_days(changes, TODAY)
    rank = {"fail": 0, "unknown": 1, "exempt": 2, "pass": 3, "": 4}
    assert len(traced) == DAYS
    assert rank[traced[-1]] <= rank[kinds[-1]]


@pytest.mark.parametrize(("traces", "shown"), [
    ({"a": ["pass"] * DAYS}, []),
    ({"a": ["pass"] * 29 + ["fail"], "b": ["unknown"] * DAYS, "c": ["pass"] * DAYS}, ["A", "B"]),
    ({"gone": ["fail"] * DAYS}, []),
])  # fmt: skip
def test_the_strip_shows_only_rules_that_were_not_quiet(
    traces: dict[str, list[str]], shown: list[str]
) -> None:
    titles = {key: {"en": key.upper(), "ja": key} for key in "abc"}
    lines, chart = draw_strip(titles, traces, TODAY, "en")
    assert [line.title["en"] for line in lines] == shown
    assert bool(chart) is bool(shown)
    assert all(sum(days for _, days in line.runs) == DAYS for line in lines)


@pytest.mark.parametrize(
    ("client", "fallback"),
    [
        (Client(agent=True, private=False), False),
        (Client(agent=True, private=True), True),
        (Client(agent=False, private=False), True),
    ],
)
def test_a_row_shows_what_this_client_was_really_asked(*, client: Client, fallback: bool) -> None:
    catalogue = load_catalogue()
    firewall = ControlID("firewall")
    check = catalogue.controls[firewall].checks["linux"]  # type: ignore[index] # by its name
    assert check.fallback is not None
    verdict = start_verdict(catalogue.controls[firewall], at(0))
    (row,) = arrange_verdicts(catalogue, [verdict], "linux", "ja", client)
    assert row.sql == (check.fallback if fallback else check.probe).sql.strip()
