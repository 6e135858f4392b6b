"""How times and zones are said."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from sekisho.kernel.times import say_zone

NOW = datetime(2026, 11, 24, 0, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (ZoneInfo("Asia/Tokyo"), "JST (UTC+09:00)"),
        (ZoneInfo("America/New_York"), "EST (UTC-05:00)"),
        (ZoneInfo("Asia/Kathmandu"), "UTC+05:45"),  # its own name is only the number
        (ZoneInfo("Europe/London"), "GMT (UTC)"),
        (timezone(timedelta(hours=-3)), "UTC-03:00"),
        (UTC, "UTC"),
    ],
)
def test_a_zone_is_said_by_name_and_distance(zone: tzinfo, expected: str) -> None:
    assert say_zone(NOW, zone) == expected
