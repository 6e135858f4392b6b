"""Lists that grow old: said before, at and behind their end."""

from datetime import UTC, datetime, timedelta

import pytest

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.dated import SOON, WORDS_OF_LIST, list_dated

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (SOON + timedelta(seconds=1), "pass"),
        (SOON, "unknown"),
        (timedelta(seconds=1), "unknown"),
        (timedelta(), "fail"),
        (-timedelta(days=400), "fail"),
    ],
)
def test_each_list_says_how_it_stands(before: timedelta, state: str) -> None:
    listed = list_dated(CATALOGUE, datetime(2026, 11, 28, tzinfo=UTC))
    (one,) = [each for each in listed if each.name == "minimum_versions"]
    now = one.stale_after - before

    (then,) = [each for each in list_dated(CATALOGUE, now) if each.name == one.name]

    assert then.state == state
    assert then.rules
    assert all(one.name in {d.name for d in CATALOGUE.controls[rule].data} for rule in then.rules)


def test_the_nearest_end_stands_first_and_all_have_words() -> None:
    listed = list_dated(CATALOGUE, datetime(2026, 11, 28, tzinfo=UTC))
    assert [each.stale_after for each in listed] == sorted(each.stale_after for each in listed)
    assert {each.name for each in listed} <= set(WORDS_OF_LIST)


def test_a_list_says_whose_devices_are_asked_by_it() -> None:
    listed = {each.name: each for each in list_dated(CATALOGUE, datetime(2026, 11, 28, tzinfo=UTC))}
    assert listed["xprotect"].platforms == {"darwin"}
    assert listed["windows_builds"].platforms == {"windows"}
    assert "linux" in listed["endoflife"].platforms
