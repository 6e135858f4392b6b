"""What a hunt comes to: entities, log-ons of Windows, summary, histogram, pivots."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cli.hunt_text import Sheet, draw_summary, draw_timeline
from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.entities import find_entities, read_address
from sekisho.detection.engine.logons import WATCHED, Outcome, read_windows, summarise_logons
from sekisho.detection.engine.moments import parse_moment
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.engine.sightings import Sighting, see_correlation
from sekisho.detection.engine.summary import MOST_BINS, Read, make_histogram, summarise
from sekisho.detection.model import Document, Event, Level, Match, Record

NOW = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp()) * 1_000_000
HOUR = 3_600_000_000


def windows(channel: str, event_id: int, **data: Any) -> Event:
    system = {"EventID": event_id, "Channel": channel, "Computer": "GATE-01"}
    return shape_value({"Event": {"System": system, "EventData": data}}, Shaping(), "f", 1)


def sighting(
    time: int | None, level: Level = Level.HIGH, rule: str = "r", host: str = "GATE-01", **more: Any
) -> Sighting:
    record = Record("f", 1)
    match = Match(rule, rule.upper(), level, time, record, (record,), {}, more.get("entities", {}))
    return Sighting(match, more.get("tags", ()), computer=host)


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (
            windows("Security", 4624, LogonType=10, TargetUserName="taro", TargetDomainName="CORP",
                    IpAddress="203.0.113.9"),
            ("RDP", Outcome.SUCCESS, "CORP\\taro", "203.0.113.9"),
        ),
        (
            windows("Security", 4624, LogonType="7", TargetUserName="taro",
                    IpAddress="203.0.113.9"),
            ("RDP", Outcome.SUCCESS, "taro", "203.0.113.9"),
        ),
        (
            windows("security", 4625, LogonType=3, TargetUserName="-", IpAddress="203.0.113.9"),
            ("Windows", Outcome.FAILURE, "", "203.0.113.9"),
        ),
        (
            windows("Security", 4778, AccountName="taro", AccountDomain="-", ClientName="PC1",
                    ClientAddress="LOCAL"),
            ("RDP", Outcome.RECONNECT, "taro", "PC1"),
        ),
        (
            windows("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", 21,
                    User="CORP\\taro", Address="203.0.113.9"),
            ("RDP", Outcome.SUCCESS, "CORP\\taro", "203.0.113.9"),
        ),
        (
            windows("Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational", 1149,
                    Param1="taro", Param2="CORP", Param3="203.0.113.9"),
            ("RDP", Outcome.SUCCESS, "CORP\\taro", "203.0.113.9"),
        ),
        (
            windows("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS/Operational", 131,
                    ClientIP="203.0.113.9:36160"),
            ("RDP", Outcome.ATTEMPT, "", "203.0.113.9"),
        ),
    ],
)  # fmt: skip
def test_windows_tells_of_a_log_on(event: Event, wanted: tuple[str, Outcome, str, str]) -> None:
    (one,) = read_windows(event)
    assert (one.service, one.outcome, one.user, one.source) == wanted
    assert event.channel is not None
    assert (event.channel.lower(), event.event_id) in WATCHED


@pytest.mark.parametrize(
    "event",
    [
        windows("Security", 4624, LogonType=3, TargetUserName="taro", IpAddress="203.0.113.9"),
        windows("Security", 4624, LogonType=7, TargetUserName="taro", IpAddress="127.0.0.1"),
        windows("Security", 4648, TargetUserName="GATE-01$", TargetServerName="localhost"),
        windows("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", 21,
                User="taro", Address="LOCAL"),
    ],
)  # fmt: skip
def test_log_ons_at_the_machine_itself_are_left_out(event: Event) -> None:
    assert not list(read_windows(event))


def test_log_ons_are_grouped_failures_first() -> None:
    bad = windows("Security", 4625, LogonType=10, TargetUserName="taro", IpAddress="203.0.113.9")
    good = windows("Security", 4624, LogonType=10, TargetUserName="taro", IpAddress="203.0.113.9")
    rows = summarise_logons([one for e in (good, bad, bad) for one in read_windows(e)])
    assert [(row.outcome, row.count) for row in rows] == [
        (Outcome.FAILURE, 2),
        (Outcome.SUCCESS, 1),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:3389", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:0DB8:0:0::1", "2001:db8::1"),
        ("5.01.9674", None),
        ("-", None),
        ("LOCAL", None),
    ],
)
def test_addresses_are_written_one_way(text: str, wanted: str | None) -> None:
    assert read_address(text) == wanted


def test_entities_leave_out_the_system_and_the_machine_itself() -> None:
    found = find_entities(
        {
            "TargetUserName": "SYSTEM", "SubjectUserName": "GATE-01$", "User": "CORP\\taro",
            "Computer": "GATE-01", "IpAddress": "127.0.0.1", "SourceIp": "203.0.113.9",
            "FileVersion": "10.0.0.1", "Image": "C:\\x.exe", "ParentImage": "c:\\X.exe",
            "Hashes": "MD5=" + "a" * 32 + ",IMPHASH=" + "b" * 32 + ",SHA1=" + "0" * 40,
            "AttributeSyntaxOID": "2.5.5.15",
        }
    )  # fmt: skip
    assert found == {
        "users": ("taro",),
        "hosts": ("GATE-01",),
        "addresses": ("203.0.113.9",),
        "processes": ("C:\\x.exe",),
        "hashes": ("A" * 32,),
    }


def test_a_summary_ranks_the_worst_first() -> None:
    found = [
        sighting(NOW, Level.LOW, "noisy", "A"),
        sighting(NOW, Level.LOW, "noisy", "A"),
        sighting(NOW - HOUR, Level.CRITICAL, "bad", "B", tags=("attack.t1003", "attack.impact")),
    ]
    summary = summarise(found, Read(), [], NOW, table=own_attack_table())
    assert [row.rule_id for row in summary.rules] == ["bad", "noisy"]
    assert [name for name, _ in summary.hosts] == ["B", "A"]
    assert summary.tactics == (("impact", 1),)
    assert summary.techniques == (("T1003", 1),)
    assert summary.matches == 3


def test_tactics_and_techniques_are_counted_as_they_are_called_today() -> None:
    old = sighting(NOW, tags=("attack.t1562.001", "attack.defense-evasion"))
    new = sighting(NOW, tags=("attack.t1685", "attack.stealth", "attack.g0016"))
    summary = summarise([old, new], Read(), [], NOW, table=own_attack_table())
    assert summary.techniques == (("T1685", 2),)
    assert dict(summary.tactics)["stealth"] == 2
    assert "defense-evasion" not in dict(summary.tactics)


def test_what_a_histogram_leaves_out_is_counted_and_said() -> None:
    found = [sighting(-11_644_473_600_000_000), sighting(None), sighting(NOW)]
    summary = summarise(found, Read(), [], NOW, table=own_attack_table())
    assert summary.out_of_time == 2
    text = "\n".join(draw_summary(summary, Sheet("en", 100)))
    assert "Not shown: 2 matches without a time" in text
    assert "Mon 0001-01-01" in "\n".join(draw_timeline([sighting(_YEAR_1)], Sheet("en", 100)))


_YEAR_1 = -62_135_596_800_000_000


def test_the_axis_of_a_short_time_tells_its_seconds() -> None:
    found = [sighting(NOW - 4_000_000), sighting(NOW)]
    text = "\n".join(
        draw_summary(summarise(found, Read(), [], NOW, table=own_attack_table()), Sheet("en", 100))
    )
    assert "2026-11-27 23:59:56" in text
    assert "2026-11-28 00:00:01" in text


@pytest.mark.parametrize(("hosts", "computer"), [(["A", "A"], "A"), (["A", "B"], ""), ([], "")])
def test_what_was_correlated_on_one_host_stands_under_it(hosts: list[str], computer: str) -> None:
    rule = Document(id="r", title="R", level=Level.HIGH)
    records = [Record("f", n) for n in range(len(hosts))]
    seen = {record: {"hosts": (host,)} for record, host in zip(records, hosts, strict=True)}
    match = Match("r", "R", Level.HIGH, NOW, Record("f", 1), tuple(records))
    assert see_correlation(rule, match, seen).computer == computer


def test_log_ons_of_windows_are_grouped_whatever_the_case() -> None:
    names = ("CORP\\Taro", "corp\\taro")
    found = [windows("Security", 4624, LogonType=10, TargetUserName=n, IpAddress="203.0.113.9")
             for n in names]  # fmt: skip
    rows = summarise_logons([one for event in found for one in read_windows(event)])
    assert [(row.user, row.count) for row in rows] == [("CORP\\Taro", 2)]


def test_clocks_of_1601_and_of_the_future_do_not_stretch_the_histogram() -> None:
    wrong = [sighting(-11_644_473_600_000_000), sighting(NOW + 900 * 24 * HOUR), sighting(None)]
    bins, _ = make_histogram([*wrong, sighting(NOW - HOUR), sighting(NOW)], NOW)
    assert sum(one.total for one in bins) == 2
    assert bins[0].start >= NOW - 2 * HOUR


def test_days_of_the_histogram_begin_at_midnight_of_the_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    bins, step = make_histogram([sighting(NOW - 24 * 20 * HOUR), sighting(NOW)], NOW, tokyo)
    assert step == 24 * HOUR
    assert datetime.fromtimestamp(bins[0].start / 1e6, tokyo).hour == 0


@given(st.lists(st.integers(631_152_000_000_000, NOW), max_size=30))
def test_every_match_stands_in_one_bin(times: list[int]) -> None:
    bins, _ = make_histogram([sighting(time) for time in times], NOW)
    assert sum(one.total for one in bins) == len(times)
    assert len(bins) <= MOST_BINS


def test_pivots_count_each_value_once_a_match_whatever_its_case() -> None:
    found = [
        sighting(NOW - HOUR, Level.LOW, entities={"users": ("Taro",)}),
        sighting(NOW, Level.HIGH, entities={"users": ("taro", "hanako")}),
    ]
    pivots = summarise(found, Read(), [], NOW, table=own_attack_table()).pivots["users"]
    assert [(p.value, p.count, p.worst) for p in pivots] == [
        ("Taro", 2, Level.HIGH),
        ("hanako", 1, Level.HIGH),
    ]
    assert (pivots[0].first, pivots[0].last) == (NOW - HOUR, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T01:20:55Z", "2026-11-23 10:20:55+09:00", "2026/11/23 01:20:55", 1_795_396_855,
        "1795396855000", "23/Nov/2026:01:20:55 +0000", "11/23/2026 1:20:55 AM",
        "/Date(1795396855000)/", "2026-11-23T01:20:55.000000000Z", 134_398_704_550_000_000,
    ],
)  # fmt: skip
def test_a_moment_is_read_in_the_many_ways_of_logs(text: object) -> None:
    assert parse_moment(text) == 1_795_396_855_000_000


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats()))
def test_no_value_makes_reading_a_time_fail(value: object) -> None:
    moment = parse_moment(value)
    assert moment is None or isinstance(moment, int)
