"""Findings as pages: the inbox of what is wrong, and one finding with its history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect, Stream
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.model import Catalogue, VerdictKind
from sekisho.controls.service import ExceptionFilter, imports
from sekisho.devices.service import many
from sekisho.devices.web.listing import list_units
from sekisho.findings.model import DayCount, Finding, FindingKind, NoteKind
from sekisho.identity import service as identity
from sekisho.kernel import sheets
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.kept import Kept
from sekisho.kernel.pages import Page, say
from sekisho.kernel.principal import Principal
from sekisho.ui import charts
from sekisho.worklists.engine.marks import stamp_finding
from sekisho.worklists.service import findings as service
from sekisho.worklists.service import trends
from sekisho.worklists.service.findings import FindingSearch
from sekisho.worklists.web.people import Candidate, find_candidates, name_people

PER_PAGE = 50
DAYS = 30
MOST_RULES = 8
_HISTORY_DAYS = 90
Form = URLEncodedBody[dict[str, Any]]
WORDS_OF_KIND: Mapping[FindingKind, Text] = {
    FindingKind.COMPLIANCE: msg("Rule not kept"),
    FindingKind.DETECTION: msg("Attack seen"),
    FindingKind.VULNERABILITY: msg("Vulnerability"),
    FindingKind.EXPOSURE: msg("Open to the outside"),
}
_VERDICTS: Mapping[str, Text] = {
    VerdictKind.PASS: msg("The rule passed"),
    VerdictKind.FAIL: msg("The rule failed"),
    VerdictKind.UNKNOWN: msg("The rule was not proven any more"),
    VerdictKind.EXEMPT: msg("The rule was excepted"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a line."""

    id: str
    title: Mapping[str, str]
    severity: str
    kind: Text
    device: str
    device_id: str
    person: str
    person_id: str
    first: datetime
    seen: datetime
    due: datetime | None
    late: bool
    times: int
    open: bool
    owner: str
    closed: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a finding's history."""

    at: datetime
    words: Text
    who: str = ""
    text: str = ""


@get("/findings", sync_to_thread=True)
def show_findings(  # noqa: PLR0917 - the address's own names
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    language: NamedDependency[str],
    counted: NamedDependency[Kept],
    q: FromQuery[str] = "",
    wanted: Annotated[str, QueryParameter(name="state")] = "",
    severity: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    unit: FromQuery[str] = "",
    who: FromQuery[str] = "",
    age: FromQuery[str] = "",
    sort: FromQuery[str] = "severity",
    page: FromQuery[int] = 1,
) -> Page:
    """List what is wrong. Needs ``findings.read``, in a unit or in all."""
    search = FindingSearch(q.strip(), wanted, severity, kind, rule, unit, who, age, sort)
    page = max(1, page)
    with database.read(principal) as tx:
        found, counts = service.read_inbox(tx, search, page=page, page_size=PER_PAGE)
        days = trends.read_days(counted, tx, search, DAYS)
        context = {
            "rows": make_rows(tx, found.findings), "filters": search, "total": found.total,
            "severities": counts.by_severity or trends.read_severities(counted, tx),
            "rules": _top_rules(counts.by_topic, catalogue, search),
            "units": list_units(tx), "who_name": _who(tx, who), "kinds": WORDS_OF_KIND,
            "controls": catalogue.controls, "days": days,
        }  # fmt: skip
    return Page("worklists/findings.html", {
        **context, "chart": draw_days(days, language), "page": page,
        "pages": -(-found.total // PER_PAGE), "first": (page - 1) * PER_PAGE + 1,
        "last": (page - 1) * PER_PAGE + len(found.findings),
        "may_act": principal.holds("findings.write"), "kept": _kept(search),
    })  # fmt: skip


def _kept(search: FindingSearch) -> list[tuple[str, str]]:
    """Return what a new search keeps."""
    names = ("state", "severity", "kind", "rule", "unit", "who", "age", "sort")
    return [(name, getattr(search, name)) for name in names if getattr(search, name)]


def _who(tx: Transaction, who: str) -> str:
    return "" if who in {"", "me", "nobody"} else name_people(tx, [who]).get(who, who)


def _top_rules(
    counts: Mapping[str, int], catalogue: Catalogue, search: FindingSearch
) -> list[tuple[str, Mapping[str, str], int]]:
    """Return the rules with most findings in this search, and the one that is chosen."""
    known = [(t, n) for t, n in counts.items() if t in catalogue.controls]
    most = sorted(known, key=lambda item: (-item[1], item[0]))
    shown = [
        item for place, item in enumerate(most) if place < MOST_RULES or item[0] == search.rule
    ]
    titles = {str(name): control.title for name, control in catalogue.controls.items()}
    return [(topic, titles[topic], number) for topic, number in shown]


def draw_days(days: Sequence[DayCount], language: str) -> Markup:
    """Draw how many findings were open on each day."""
    drawn = [charts.Day(f"{d.day.month}/{d.day.day}", d.open, 0, 0) for d in days]
    label = say(
        language, msg("Open findings on each of the last %(n)s days, from %(first)s to %(last)s",
                      n=len(days), first=days[0].open, last=days[-1].open)
    )  # fmt: skip
    return charts.draw_trend(drawn, label, 132)


def make_rows(tx: Transaction, found: Sequence[Finding]) -> list[FindingRow]:
    """Make the lines of a page: findings, their devices, and the names of people."""
    ids = [f.subject.removeprefix("device:") for f in found if f.subject.startswith("device:")]
    devices, people = many.find_known(tx, ids), service.find_people(tx, found)
    alone = imports.name_imported(tx, ids)
    names = name_people(tx, [*people.values(), *(finding.owner for finding in found)])
    rows = []
    for finding in found:
        device_id = finding.subject.removeprefix("device:")
        device = devices.get(device_id)
        person = people[finding.subject] or ""
        rows.append(FindingRow(
            finding.id, finding.title, finding.severity.value, WORDS_OF_KIND[finding.kind],
            device.title if device else alone.get(device_id, ""), device.id if device else "",
            names.get(person, ""), person, finding.first_seen_at, finding.last_seen_at,
            finding.due_at, finding.due_at is not None and finding.due_at < tx.now, finding.times,
            finding.status.value == "open", names.get(finding.owner or "", ""), finding.closed_at,
        ))  # fmt: skip
    return rows


@get("/findings.csv", sync_to_thread=True)
def export_findings(  # noqa: PLR0917 - the address's own names
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    language: NamedDependency[str],
    q: FromQuery[str] = "",
    wanted: Annotated[str, QueryParameter(name="state")] = "",
    severity: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    unit: FromQuery[str] = "",
    who: FromQuery[str] = "",
    age: FromQuery[str] = "",
    sort: FromQuery[str] = "severity",
) -> Stream:
    """Give every finding that matches as CSV; assignee and note can be filled in and come back."""
    principal.require_reach("findings.read")
    search = FindingSearch(q.strip(), wanted, severity, kind, rule, unit, who, age, sort)
    return Stream(
        write_csv(database, principal, search, language), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="findings.csv"'},
    )  # fmt: skip


def write_csv(
    database: Database, principal: Principal, search: FindingSearch, language: str
) -> Iterator[str]:
    """Write what a search lists, line by line."""
    yield sheets.start([
        "id", "title", "severity", "state", "rule", "device", "person", "first_seen", "last_seen",
        "due", "times", "assignee_email", "note", "version",
    ])  # fmt: skip
    page, step = 1, 500
    with database.read(principal) as tx:
        while True:
            found = service.search_findings(tx, search, page=page, page_size=step)
            owners = identity.find_people(tx, [f.owner for f in found.findings if f.owner])
            for finding, row in zip(found.findings, make_rows(tx, found.findings), strict=True):
                owner = owners.get(finding.owner or "")
                yield sheets.line([
                    finding.id, finding.title.get(language, ""), row.severity,
                    finding.status.value, finding.topic, row.device, row.person,
                    row.first.isoformat(), row.seen.isoformat(),
                    row.due.isoformat() if row.due else "", row.times,
                    owner.email if owner else "", "", stamp_finding(finding),
                ])  # fmt: skip
            page += 1
            if page * step - step >= found.total:
                return


@get("/findings/{finding_id:str}", sync_to_thread=True)
def show_finding(
    finding_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
) -> Page:
    """Show one finding with what it is about, whose it is and what happened."""
    with database.read(principal) as tx:
        return finding_page(tx, catalogue, finding_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form about the assignee held, and whom it may have meant."""

    words: str = ""
    candidates: Sequence[Candidate] = ()
    fault: SekishoError | None = None
    note: str = ""


def finding_page(
    tx: Transaction, catalogue: Catalogue, finding_id: str, asked: Asked | None = None
) -> Page:
    """Return the page of one finding."""
    finding = service.get_finding(tx, finding_id)
    row = make_rows(tx, [finding])[0]
    unit = service.find_units(tx, [finding])[finding.subject]
    titles = {str(name): control for name, control in catalogue.controls.items()}
    status = asked.fault.status if asked and asked.fault else 200
    return Page("worklists/finding.html", {
        "finding": finding, "row": row, "control": titles.get(finding.topic),
        "steps": read_steps(tx, finding), "asked": asked or Asked(),
        "may_write": tx.principal.allows("findings.write", unit),
        "me": tx.principal.person_id or "", "exceptions": _exceptions(tx, finding),
    }, status)  # fmt: skip


def _exceptions(tx: Transaction, finding: Finding) -> Sequence[Any]:
    """Return what was asked or granted for this rule on this very device, if it may be seen."""
    if not finding.topic or not tx.principal.holds("exceptions.read"):
        return []
    device = finding.subject.removeprefix("device:")
    narrow = ExceptionFilter(control_id=finding.topic, scope_kind="device", scope_id=device)
    return controls.list_exceptions(tx, narrow, limit=5).exceptions


def read_steps(tx: Transaction, finding: Finding) -> list[Step]:
    """Return what happened to a finding, the latest first."""
    notes = service.list_notes(tx, finding.id)
    names = name_people(tx, [note.words for note in notes if note.kind is NoteKind.GIVEN])
    steps = [Step(finding.first_seen_at, msg("Found for the first time") if finding.times == 1
                  else msg("Came back"))]  # fmt: skip
    if finding.closed_at is not None:
        steps.append(Step(finding.closed_at, msg("Put right"), text=finding.closed_because))
    for note in notes:
        if note.kind is NoteKind.NOTE:
            steps.append(Step(note.at, msg("Note"), note.author_name, note.words))
            continue
        given = msg("Given to %(name)s", name=names.get(note.words, note.words))
        steps.append(Step(note.at, given if note.words else msg("Given to nobody"),
                          note.author_name))  # fmt: skip
    return sorted([*steps, *_turns(tx, finding)], key=lambda step: step.at, reverse=True)


def _turns(tx: Transaction, finding: Finding) -> list[Step]:
    """Return how the rule turned on the device lately."""
    if finding.kind is not FindingKind.COMPLIANCE or not finding.topic:
        return []
    device = DeviceID(finding.subject.removeprefix("device:"))
    return [
        Step(change.at, _VERDICTS[change.after])
        for change in controls.list_changes(tx, device, _HISTORY_DAYS)
        if change.control_id == finding.topic and change.after in _VERDICTS
    ]


@post("/findings/{finding_id:str}/assign", sync_to_thread=True)
def assign_finding(
    finding_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
) -> Redirect | Page:
    """Give a finding to oneself, to nobody, or to whoever is named."""
    words, person = str(data.get("who_words", "")), str(data.get("person", ""))
    asked = Asked(words)
    try:
        with database.write(principal) as tx:
            service.get_finding(tx, finding_id)
            if data.get("act") == "me":
                person = principal.person_id or ""
            elif data.get("act") == "find" and not person:
                found = find_candidates(tx, words)
                person = found[0].id if len(found) == 1 else ""
                asked = replace(asked, candidates=found)
            if person or data.get("act") == "nobody":
                service.assign_finding(tx, finding_id, person or None, data.get("seen"))
                return Redirect(f"/findings/{finding_id}", status_code=303)
    except SekishoError as error:
        asked = replace(asked, fault=error)
    with database.read(principal) as tx:
        return finding_page(tx, catalogue, finding_id, asked)


@post("/findings/{finding_id:str}/note", sync_to_thread=True)
def note_finding(
    finding_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
) -> Redirect | Page:
    """Add a note to a finding; an empty one is said on the same page."""
    words = str(data.get("note", ""))
    try:
        with database.write(principal) as tx:
            service.note_finding(tx, finding_id, words)
    except SekishoError as error:
        with database.read(principal) as tx:
            return finding_page(tx, catalogue, finding_id, Asked(fault=error, note=words))
    return Redirect(f"/findings/{finding_id}", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_findings, export_findings, show_finding, assign_finding, note_finding,
]  # fmt: skip
