"""Figures are held against those of a week ago, and never against nothing."""

from datetime import timedelta

import pytest

from pages.conftest import Town
from pages.test_pages_whole import read
from sekisho.controls import service as controls
from sekisho.controls.pages.selfchecks import read_weeks
from sekisho.controls.service.reading import read_day
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.server.pages.overview import say_change, say_changes, say_shift


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [(3, None, "—"), (3, 3, "±0"), (5, 3, "+2"), (3, 5, "−2"), (0, 1200, "−1,200")],
)
def test_a_change_has_a_sign_and_is_a_dash_without_a_before(
    now: int, before: int | None, said: str
) -> None:
    assert say_change(now, before) == said


def test_shares_shift_in_points_and_only_with_a_before() -> None:
    assert say_shift({"machine": 3, "unknown": 1}, {"machine": 1, "unknown": 1}) == {
        "machine": "+25.0", "unknown": "−25.0",
    }  # fmt: skip
    assert say_shift({"machine": 10000, "unknown": 1}, {"machine": 9999, "unknown": 1}) == {
        "machine": "±0", "unknown": "±0",
    }  # fmt: skip
    assert say_shift({"machine": 1}, None) == {}
    assert say_shift({"machine": 1}, {"machine": 0}) == {}
    assert say_changes({"fail": 1}, {}) == {}


def test_the_overview_tells_what_a_week_has_changed(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("mnt-l-0231")
    town.answer(device, failing=2)
    assert "7日前との差" not in read(town, "/", guard)
    with town.house.database.write(SYSTEM) as tx:
        controls.write_trend(tx)
    town.clock.advance(seconds=timedelta(days=7).total_seconds())
    town.answer(device, failing=0)
    other = town.enrol("mnt-l-0232")
    town.answer(other, failing=1)
    with town.house.database.read(SYSTEM) as tx:
        week = read_day(tx, 7)
        assert read_day(tx, 3) is None
        total = sum(controls.count_verdicts(tx).by_kind.values())
    assert week is not None
    assert week.devices == {"fail": 1, "unknown": 0, "pass": 0}
    assert week.verdicts.by_kind["fail"] == 2
    assert sum(kinds["fail"] for kinds in week.by_control.values()) == 2
    assert week.verdicts.total < total
    later = town.sign_in(town.add_person("三浦 千尋", Role.SECURITY))
    page = read(town, "/", later)
    assert page.count("7日前との差") >= 2 * 3


def test_the_days_of_the_trend_count_verdicts_and_not_devices(town: Town) -> None:
    town.answer(town.enrol("mnt-l-0231"), failing=2)
    with town.house.database.write(SYSTEM) as tx:
        controls.write_trend(tx)
        (today,) = controls.list_trend(tx, 30)
        assert sum(today.by_kind.values()) == controls.count_verdicts(tx).total


def test_how_rules_are_proven_is_told_week_by_week_beside_the_survey(town: Town) -> None:
    device = town.enrol("mnt-l-0231")
    with town.house.database.write(SYSTEM) as tx:
        controls.write_trend(tx)  # a week in which nothing is known
    town.clock.advance(seconds=timedelta(days=7).total_seconds())
    town.answer(device, failing=1)
    with town.house.database.read(SYSTEM) as tx:
        before, now = read_weeks(tx, "ja")
        counts = controls.count_verdicts(tx)
    assert (before.shares["machine"], before.shares["unknown"]) == ("0.0%", "100.0%")
    known = counts.by_proof["machine"]
    assert now.shares["machine"] == f"{100 * known / counts.total:.1f}%"
    assert now.self_share == "0.0%"
    chief = town.sign_in(town.add_person("相沢 誠一", Role.EXECUTIVE))
    page = read(town, "/selfchecks", chief)
    assert page.index(now.day) < page.index(before.day), "the latest first"
    for said in (now.shares["machine"], "35.5%", "49.5%", "情報セキュリティ10大脅威 2023"):
        assert said in page
