"""The chart over the log of decisions: what was refused, and nothing where nothing was."""

from datetime import UTC, datetime

from sekisho.access.service.lists import TrendDay
from sekisho.access.web.decisions import draw_refusals

DAY = datetime(2026, 11, 29, tzinfo=UTC)


def test_what_is_refused_is_drawn_and_said() -> None:
    drawn = draw_refusals([TrendDay(DAY, allow=900), TrendDay(DAY, 5, deny=3, cut=1)], "ja")
    assert "計4回" in drawn
    assert drawn.count("<rect") == 2


def test_nothing_is_drawn_where_nothing_was_refused() -> None:
    assert draw_refusals([TrendDay(DAY, allow=900)], "en") == ""
