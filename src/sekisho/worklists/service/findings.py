"""The inbox of what is wrong, within the reach of whoever looks: search, counts, one finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sekisho.controls import service as controls
from sekisho.devices.service import inventory, many
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.findings import service
from sekisho.findings.model import (
    DayCount,
    Finding,
    FindingFilter,
    FindingKind,
    FindingPage,
    FindingStatus,
    Note,
    Severity,
)
from sekisho.identity import service as identity
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.worklists.store.subjects import select_subjects

STATES = ("open", "overdue", "closed", "all")
AGES = (7, 30, 90)


@dataclass(frozen=True, slots=True)
class FindingSearch:
    """What the address of the list asks for; "" does not narrow it.

    ``who`` is "me", "nobody" or a person's id; ``age`` is days; ``rule`` is a topic.
    """

    q: str = ""
    state: str = ""
    severity: str = ""
    kind: str = ""
    rule: str = ""
    unit: str = ""
    who: str = ""
    age: str = ""
    sort: str = "severity"


def search_findings(
    tx: Transaction,
    search: FindingSearch,
    *,
    page: int = 1,
    page_size: int = 50,
) -> FindingPage:
    """Return one page of the findings that the caller's ``findings.read`` reaches."""
    wanted = make_filter(tx, search)
    return service.list_findings(tx, wanted, page=page, page_size=page_size, sort=_sort(search))


def _sort(search: FindingSearch) -> str:
    return search.sort if search.sort.removeprefix("-") in service.SORTS else "severity"


def make_filter(tx: Transaction, search: FindingSearch) -> FindingFilter:
    """Turn the address into what the room of findings understands; unknown values do not narrow."""
    words = search.q.strip()[:200]
    called, not_called = controls.search_titles(words) if words else ((), ())
    wanted = FindingFilter(
        status=_status(search.state),
        kind=search.kind if search.kind in set(FindingKind) else "",
        severity=search.severity if search.severity in set(Severity) else "",
        owner=_owner(tx, search.who),
        search=words,
        topic=search.rule[:100],
        subjects=_subjects(tx, search.unit),
        found=_found(tx, words),
        called=called,
        not_called=not_called,
    )
    if search.age.isdecimal() and int(search.age) in AGES:
        wanted = replace(wanted, begun_before=tx.now - timedelta(days=int(search.age)))
    return replace(wanted, overdue=tx.now) if search.state == "overdue" else wanted


def _status(state: str) -> FindingStatus | None:
    if state == "all":
        return None
    return FindingStatus.CLOSED if state == "closed" else FindingStatus.OPEN


def _owner(tx: Transaction, who: str) -> str | None:
    if who == "me":
        return tx.principal.person_id or "-"
    return {"nobody": "", "": None}.get(who, who[:64])


def _subjects(tx: Transaction, unit: str) -> tuple[object, ...]:
    """Return what narrows to the unit that was asked for, and to what the caller may see."""
    reach = tx.principal.require_reach("findings.read")
    asked = standing.units_below(tx, [unit]) if unit else None
    found = []
    for units in (asked, reach):
        if units is not None:
            people = standing.select_people_in(units)
            found.append(select_subjects(many.select_subjects(people), people))
    return tuple(found)


def _found(tx: Transaction, words: str) -> Sequence[str]:
    """Return the subjects that are called so: devices by name or person, people by name."""
    if not words:
        return ()
    people = identity.search_ids(tx, words) if tx.principal.holds("identity.read") else []
    found = [f"person:{person}" for person in people]
    if tx.principal.holds("devices.read"):
        narrow = DeviceFilter(search=words, owner_ids=tuple(people))
        found += [f"device:{name}" for name in inventory.list_device_ids(tx, narrow)]
    return found


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """How many a search lists; by topic, whatever topic it asks for; all open ones by severity.

    ``by_severity`` is None where the same pass does not tell: ask ``count_severities``.
    """

    total: int
    by_topic: Mapping[str, int]
    by_severity: Mapping[Severity, int] | None


def read_inbox(
    tx: Transaction, search: FindingSearch, *, page: int = 1, page_size: int = 50
) -> tuple[FindingPage, FindingCounts]:
    """Return one page and what a list shows beside its rows; the words are looked up once."""
    found, kinds = service.read_page(
        tx, make_filter(tx, search), page=page, page_size=page_size, sort=_sort(search)
    )
    by_topic: dict[str, int] = {}
    for (topic, severity), number in kinds.items():
        if search.severity in {"", severity.value} or search.severity not in set(Severity):
            by_topic[topic] = by_topic.get(topic, 0) + number
    return found, FindingCounts(found.total, by_topic, _sum_severities(search, kinds))


def _sum_severities(
    search: FindingSearch, found: Mapping[tuple[str, Severity], int]
) -> Mapping[Severity, int] | None:
    """Sum up where the pass was over all open ones that the caller reaches."""
    if replace(search, rule="", severity="", sort="", state="") != FindingSearch(sort=""):
        return None
    if _status(search.state) is not FindingStatus.OPEN or search.state == "overdue":
        return None
    return {s: sum(n for (_, kind), n in found.items() if kind is s) for s in Severity}


def count_days(tx: Transaction, search: FindingSearch, days: int = 30) -> Sequence[DayCount]:
    """Count what was open on each of the last days within the unit, rule and kind of a search."""
    kept = FindingSearch(
        rule=search.rule, unit=search.unit, kind=search.kind, severity=search.severity
    )
    return service.count_days(tx, make_filter(tx, kept), days)


def count_findings(tx: Transaction, search: FindingSearch) -> int:
    """Count what a search lists."""
    return service.count_findings(tx, make_filter(tx, search))


def count_severities(tx: Transaction) -> Mapping[Severity, int]:
    """Count the open findings by severity within the caller's reach."""
    if tx.principal.allows("findings.read"):
        return service.count_open_by_severity(tx)
    counted = service.count_open_by_severity(tx, make_filter(tx, FindingSearch()))
    return {severity: counted.get(severity, 0) for severity in Severity}


def find_units(tx: Transaction, found: Sequence[Finding]) -> dict[str, str | None]:
    """Return subject → unit of its person; None for what belongs to no unit."""
    people = find_people(tx, found)
    units = standing.units_of(tx, people.values())
    return {subject: units.get(person or "") for subject, person in people.items()}


def find_people(tx: Transaction, found: Sequence[Finding]) -> dict[str, str | None]:
    """Return subject → the person concerned: the owner of a device, or whom it is about."""
    subjects = list(dict.fromkeys(finding.subject for finding in found))
    ids = [s.removeprefix("device:") for s in subjects if s.startswith("device:")]
    devices = many.find_known(tx, ids)
    owners: dict[str, str | None] = {f"device:{d.id}": d.owner_id for d in devices.values()}
    for subject in subjects:
        kind, _, name = subject.partition(":")
        if kind == "person":
            owners[subject] = name
    return {subject: owners.get(subject) for subject in subjects}


def get_finding(tx: Transaction, finding_id: str) -> Finding:
    """Return one finding within the caller's reach; raise NotFoundError."""
    return service.get_finding(tx, finding_id, find_units)


def list_notes(tx: Transaction, finding_id: str) -> Sequence[Note]:
    """Return the notes of a finding and to whom it was given, the latest first."""
    return service.list_notes(tx, finding_id, find_units)


def assign_finding(
    tx: Transaction, finding_id: str, person_id: str | None, seen: str | None = None
) -> Finding:
    """Give a finding to a person or to nobody. Needs ``findings.write`` where it belongs.

    Raises ConflictError if it is no longer with whom the form showed (``seen``, "" for nobody).
    """
    require_assignee(tx, person_id)
    return service.assign_finding(tx, finding_id, person_id or None, find_units, seen)


def note_finding(tx: Transaction, finding_id: str, words: str) -> Finding:
    """Add a note to a finding. Needs ``findings.write`` where it belongs."""
    return service.note_finding(tx, finding_id, words, find_units)


def require_assignee(tx: Transaction, person_id: str | None) -> None:
    """Return if this is an active person, or nobody; raise NotFoundError."""
    if person_id and not identity.list_reachable(tx, [person_id]):
        raise NotFoundError(
            msg("There is no active person %(id)s.", id=person_id[:60]),
            hint=msg("Choose somebody from the list of people."),
        )
