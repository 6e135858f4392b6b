"""Verdicts as pages show them: rows, the answer behind one, 30 days as a strip. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from sekisho.controls.exceptions import last_day
from sekisho.controls.model import Catalogue, Check, Control, Localized, Verdict, VerdictKind
from sekisho.controls.pictures import draw_picture
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.ui import charts

DAYS = 30
WORST_FIRST = (VerdictKind.FAIL, VerdictKind.UNKNOWN, VerdictKind.EXEMPT, VerdictKind.PASS)
STRIP_ROWS = 8


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One rule on one device as a line, with the words a person needs to fix it.

    ``proven`` is None while nothing is known; ``due`` is when a period of grace ends; ``until``
    when an exception does; ``fix`` holds the steps for the device's system, ``picture``
    what they look like.
    """

    control: str
    title: Localized
    outcome: str
    proven: str | None
    at: datetime | None
    since: datetime
    first_failed: datetime | None
    due: datetime | None
    until: datetime | None
    judged: str
    why: Localized
    fix: Sequence[str]
    picture: Markup
    sql: str
    version: int
    device_time: datetime | None
    answer: Text | str
    reason: Text | None


@dataclass(frozen=True, slots=True)
class Client:
    """What decides which question of a check a device gets: Sekisho's agent, a private device."""

    agent: bool
    private: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that changed; ``before`` is "" for the very first one."""

    at: datetime
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One rule over the last days, as runs of (verdict or "", number of days), oldest first."""

    title: Localized
    runs: Sequence[tuple[str, int]]


def arrange_verdicts(
    catalogue: Catalogue, verdicts: Iterable[Verdict], platform: str, language: str, client: Client
) -> list[VerdictRow]:
    """Make the rows of one device, worst first; a control that is no longer there is left out."""
    rows = [
        _row(control, verdict, platform, language, client)
        for verdict in verdicts
        if (control := catalogue.controls.get(verdict.control_id)) is not None
    ]
    order = {kind.value: place for place, kind in enumerate(WORST_FIRST)}
    return sorted(rows, key=lambda row: (order[row.outcome], row.due or row.since, row.control))


def count_outcomes(rows: Iterable[VerdictRow]) -> dict[str, int]:
    """Count rows by verdict; every verdict is there."""
    counts = {kind.value: 0 for kind in VerdictKind}
    for row in rows:
        counts[row.outcome] += 1
    return counts


def _row(
    control: Control, verdict: Verdict, platform: str, language: str, client: Client
) -> VerdictRow:
    known = verdict.kind is not VerdictKind.UNKNOWN
    return VerdictRow(
        control=control.id,
        title=control.title,
        outcome=verdict.kind.value,
        proven=verdict.proof.value if known else None,
        at=verdict.received_at,
        since=verdict.since,
        first_failed=verdict.first_failed_at,
        due=verdict.fix_by if verdict.kind is VerdictKind.FAIL else None,
        until=_last_day(verdict),
        judged=verdict.judged.value,
        why=control.why,
        fix=control.fix_steps(platform, language),
        picture=draw_picture(control.fix_picture(platform), language),
        sql=_question(control.find_check(platform), client),
        version=verdict.control_version,
        device_time=verdict.checked_at,
        answer=_answer(verdict),
        reason=verdict.message,
    )


def _last_day(verdict: Verdict) -> datetime | None:
    """Return a moment of the last day on which an exception holds."""
    until = verdict.exempt_until if verdict.kind is VerdictKind.EXEMPT else None
    return last_day(until) if until is not None else None


def _question(check: Check | None, client: Client) -> str:
    """Return the question that this kind of client is really asked."""
    probe = (
        check.choose_probe(sekisho_agent=client.agent, private=client.private) if check else None
    )
    return probe.sql.strip() if probe else ""


def _answer(verdict: Verdict) -> Text | str:
    """Say what the device replied: its own rows if they are kept, else yes, no or nothing."""
    if verdict.rows:
        return "\n".join(json.dumps(dict(row), ensure_ascii=False) for row in verdict.rows)
    if verdict.judged is VerdictKind.PASS:
        return msg("Yes (at least one row)")
    if verdict.judged is VerdictKind.FAIL:
        return msg("No (0 rows)")
    return verdict.message or msg("No answer yet")


def trace_days(
    changes: Sequence[Change], today: date, begin: date = date.min, days: int = DAYS
) -> list[str]:
    """Return the worst verdict of each of the last ``days`` days, oldest first.

    ``changes`` are in order of time, in the zone whose days are meant; what was before the first
    of them is its ``before``. A day of which nothing is known, and every day before ``begin``
    (the enrolment), is "".
    """
    worst = {kind.value: place for place, kind in enumerate(WORST_FIRST)}
    by_day: dict[date, list[str]] = {}
    for change in changes:
        by_day.setdefault(change.at.date(), []).append(change.after)
    first = today - timedelta(days=days - 1)
    earlier = [change.after for change in changes if change.at.date() < first]
    held = earlier[-1] if earlier else (changes[0].before if changes else "")
    traced = []
    for day in (first + timedelta(days=n) for n in range(days)):
        new = by_day.get(day, [])
        shown = min([k for k in [held, *new] if k], key=worst.__getitem__, default="")
        traced.append(shown if day >= begin else "")
        held = new[-1] if new else held
    return traced


def draw_strip(
    titles: Mapping[str, Localized], traces: Mapping[str, Sequence[str]], today: date, language: str
) -> tuple[list[HistoryLine], Markup | str]:
    """Draw the rules that changed or did not pass in the last days; nothing if all were quiet."""
    restless = {c: t for c, t in traces.items() if c in titles and set(t) - {"", "pass"}}
    chosen = sorted(restless, key=lambda c: (-sum(s == "fail" for s in restless[c]), c))[
        :STRIP_ROWS
    ]
    if not chosen:
        return [], ""
    days = [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    lines = [
        HistoryLine(titles[c], [(state, len(list(run))) for state, run in groupby(restless[c])])
        for c in chosen
    ]
    label = translate(
        msg("Verdicts of %(n)s rules by day; the table below says the same.", n=len(chosen)),
        language,
    )
    chart = charts.draw_history(
        [restless[c] for c in chosen], [f"{d.month}/{d.day}" for d in days], label
    )
    return lines, chart
