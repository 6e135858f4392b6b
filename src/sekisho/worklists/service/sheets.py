"""Spreadsheets brought back: a plan first, every fault by its line, and all of it or nothing.

The file waits for an hour. Its plan is made anew whenever it is looked at and once more in the
transaction that carries it out; what is done is what was shown, or nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sekisho.devices import engine as device_engine
from sekisho.devices.model import Device, DeviceState, Ownership
from sekisho.devices.service import many
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.findings.model import Finding
from sekisho.identity import service as identity
from sekisho.identity.model import Person
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID, new_id
from sekisho.worklists.engine import sheets as engine
from sekisho.worklists.engine.marks import stamp_finding
from sekisho.worklists.engine.orders import read_tags
from sekisho.worklists.model import Listing, SheetChange, SheetFault, SheetLine, SheetPlan
from sekisho.worklists.service.findings import find_units
from sekisho.worklists.store import sheets as store

KEPT = timedelta(hours=1)
_BEYOND = msg("It is gone, or lies outside the units you may act in.")
_CHANGED = msg("Somebody changed it after the file was saved. Save the list again and repeat it.")


@dataclass(slots=True)
class _Draft:
    """What is gathered line by line: changes, what is wrong, and what is to be written."""

    people: Mapping[str, Person]
    changes: list[SheetChange] = field(default_factory=list)
    faults: list[SheetFault] = field(default_factory=list)
    conflicts: list[SheetFault] = field(default_factory=list)
    owners: dict[str, str | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)

    def fault(self, line: SheetLine, words: Text) -> None:
        """Note what is wrong with a line."""
        self.faults.append(SheetFault(line.line, words))

    def change(self, line: SheetLine, title: str, column: str, turn: tuple[str, str]) -> None:
        """Note what a line changes."""
        self.changes.append(SheetChange(line.line, line.id, title, column, *turn))

    def person(self, line: SheetLine, column: str) -> tuple[str | None, str] | None:
        """Return id and address of the person a cell names; None after noting a fault."""
        email = line.cells[column].lower()
        if not email:
            return None, ""
        person = self.people.get(email)
        if person is None:
            self.fault(line, msg("Nobody has the address “%(got)s”.", got=email[:100]))
            return None
        return person.id, person.email


def put_sheet(tx: Transaction, listing: Listing, name: str, content: bytes) -> str:
    """Keep a file for an hour and return its id. Needs the right to write in the list."""
    tx.principal.require_reach(_right(listing))
    engine.read_sheet(listing, content)
    store.delete_ended(tx)
    sheet_id = new_id("sht")
    store.insert_sheet(tx, sheet_id, listing, name.replace("\0", "")[:200], content, tx.now + KEPT)
    return sheet_id


def _right(listing: Listing) -> str:
    if listing not in engine.COLUMNS:
        raise InvalidInputError(msg("There is no list “%(got)s”.", got=listing.value))
    return "devices.write" if listing is Listing.DEVICES else "findings.write"


def plan_sheet(tx: Transaction, sheet_id: str) -> tuple[SheetPlan, str]:
    """Return what a file would change, and the mark to carry out just that."""
    plan, _ = _plan(tx, *_waiting(tx, sheet_id))
    return plan, engine.stamp_changes(plan.changes)


def _waiting(tx: Transaction, sheet_id: str) -> tuple[Listing, bytes]:
    found = store.find_sheet(tx, sheet_id, tx.principal.reference)
    if found is None:
        raise NotFoundError(msg("The file is not here any more."), hint=msg("Choose it once more."))
    tx.principal.require_reach(_right(found[0]))
    return found[0], found[2]


def apply_sheet(tx: Transaction, sheet_id: str, mark: str) -> SheetPlan:
    """Carry out the plan that was shown, whole; raise ConflictError if it is another by now."""
    listing, content = _waiting(tx, sheet_id)
    plan, draft = _plan(tx, listing, content)
    if not plan.fine or engine.stamp_changes(plan.changes) != mark:
        raise ConflictError(
            msg("The list has changed since the plan was shown; nothing was done."),
            hint=msg("Look at the plan again."),
        )
    _WRITERS[listing](tx, draft)
    store.delete_sheet(tx, sheet_id)
    evidence.record(
        tx, kind=f"sheet.{listing}_changed", subject=f"sheet:{sheet_id}",
        detail={"lines": plan.lines, "changes": [
            {"id": c.id, "column": c.column, "before": c.before, "after": c.after}
            for c in plan.changes
        ]},
    )  # fmt: skip
    return plan


def _plan(tx: Transaction, listing: Listing, content: bytes) -> tuple[SheetPlan, _Draft]:
    lines, faults = engine.read_sheet(listing, content)
    column = "owner_email" if listing is Listing.DEVICES else "assignee_email"
    emails = {line.cells[column] for line in lines if line.cells.get(column)}
    draft = _Draft(identity.find_by_emails(tx, emails), faults=list(faults))
    _READERS[listing](tx, lines, draft)
    plan = SheetPlan(
        listing, len(lines) + len(faults), tuple(draft.changes),
        tuple(sorted(draft.faults, key=lambda fault: fault.line)), tuple(draft.conflicts),
    )  # fmt: skip
    return plan, draft


def _read_devices(tx: Transaction, lines: Sequence[SheetLine], draft: _Draft) -> None:
    ids = [line.id for line in lines]
    found, tags = many.find_devices(tx, ids, "devices.write"), many.find_tags(tx, ids)
    owners = identity.find_people(tx, [d.owner_id for d in found.values() if d.owner_id])
    for line in lines:
        device = found.get(line.id)
        if device is None or device.state is DeviceState.WITHDRAWN:
            draft.fault(line, _BEYOND)
            continue
        stamp = device_engine.stamp_device(device, tags.get(line.id, ()))
        if line.cells.get("version", stamp) not in {stamp, ""}:
            draft.conflicts.append(SheetFault(line.line, _CHANGED))
            continue
        owner = owners.get(device.owner_id or "")
        _read_owner(tx, line, device, owner.email if owner else "", draft)
        _read_tags(line, device, tags.get(line.id, ()), draft)
        _read_note(line, device, draft)


def _read_owner(
    tx: Transaction, line: SheetLine, device: Device, email: str, draft: _Draft
) -> None:
    if line.cells.get("ownership", device.ownership) not in {device.ownership.value, ""}:
        draft.fault(line, msg("Company or private is said by the kit: enrol the device anew."))
    named = draft.person(line, "owner_email") if "owner_email" in line.cells else None
    if named is None or named[0] == device.owner_id:
        return
    if device.ownership is Ownership.PRIVATE:
        draft.fault(line, msg("The owner of a private PC cannot be changed; enrol it anew."))
    elif named[0] and not tx.principal.allows("devices.write", standing.unit_of(tx, named[0])):
        draft.fault(line, msg("%(email)s lies outside the units you may act in.", email=named[1]))
    else:
        draft.owners[line.id] = named[0]
        draft.change(line, device.title, "owner_email", (email, named[1]))


def _read_tags(line: SheetLine, device: Device, held: Sequence[str], draft: _Draft) -> None:
    if "tags" not in line.cells:
        return
    wanted = []
    for word in read_tags(line.cells["tags"]):
        tag = device_engine.clean_tag(word)
        if not tag:
            draft.fault(line, msg("“%(got)s” cannot be a tag.", got=word[:60]))
            return
        wanted.append(tag)
    if len(wanted) > many.MOST_TAGS:
        draft.fault(line, msg("It would have more than 20 tags."))
    elif set(wanted) != set(held):
        add = [tag for tag in wanted if tag not in held]
        draft.tags[line.id] = add, [tag for tag in held if tag not in wanted]
        turn = "; ".join(sorted(held)), "; ".join(sorted(wanted))
        draft.change(line, device.title, "tags", turn)


def _read_note(line: SheetLine, device: Device, draft: _Draft) -> None:
    note = device_engine.clean_note(line.cells.get("note", device.note))
    if note != device.note:
        draft.notes[line.id] = note
        draft.change(line, device.title, "note", (device.note, note))


def _write_devices(tx: Transaction, draft: _Draft) -> None:
    wanted = [*draft.owners, *draft.tags, *draft.notes]
    found = many.find_devices(tx, wanted, "devices.write")
    for owner in dict.fromkeys(draft.owners.values()):
        given = [found[name] for name, one in draft.owners.items() if one == owner]
        many.give_devices(tx, given, PersonID(owner) if owner else None)
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Device]] = {}
    for name, (add, remove) in draft.tags.items():
        alike.setdefault((tuple(add), tuple(remove)), []).append(found[name])
    for (add, remove), some in alike.items():
        many.change_tags(tx, some, add=add, remove=remove)
    many.note_devices(tx, {name: (found[name], note) for name, note in draft.notes.items()})


def _read_findings(tx: Transaction, lines: Sequence[SheetLine], draft: _Draft) -> None:
    reach = tx.principal.require_reach("findings.write")
    found = {str(f.id): f for f in findings.find_findings(tx, [line.id for line in lines])}
    units = {} if reach is None else find_units(tx, list(found.values()))
    owners = identity.find_people(tx, [f.owner for f in found.values() if f.owner])
    for line in lines:
        finding = found.get(line.id)
        if finding is None or not (reach is None or units.get(finding.subject) in reach):
            draft.fault(line, _BEYOND)
        elif line.cells.get("version", "") not in {stamp_finding(finding), ""}:
            draft.conflicts.append(SheetFault(line.line, _CHANGED))
        else:
            owner = owners.get(finding.owner or "")
            _read_finding(line, finding, owner.email if owner else "", draft)


def _read_finding(line: SheetLine, finding: Finding, email: str, draft: _Draft) -> None:
    title = finding.title.get("ja", finding.key)
    named = draft.person(line, "assignee_email") if "assignee_email" in line.cells else None
    if named is not None and named[0] != finding.owner:
        draft.owners[line.id] = named[0]
        draft.change(line, title, "assignee_email", (email, named[1]))
    note = line.cells.get("note", "")[: findings.LONGEST_NOTE]
    if note:
        draft.notes[line.id] = note
        draft.change(line, title, "note", ("", note))


def _write_findings(tx: Transaction, draft: _Draft) -> None:
    found = findings.find_findings(tx, list(draft.owners))
    for owner in dict.fromkeys(draft.owners.values()):
        given = [finding for finding in found if draft.owners[finding.id] == owner]
        findings.give_findings(tx, given, owner, find_units)
    findings.write_notes(tx, draft.notes, find_units)


_READERS: Mapping[Listing, Callable[[Transaction, Sequence[SheetLine], _Draft], None]] = {
    Listing.DEVICES: _read_devices,
    Listing.FINDINGS: _read_findings,
}
_WRITERS: Mapping[Listing, Callable[[Transaction, _Draft], None]] = {
    Listing.DEVICES: _write_devices,
    Listing.FINDINGS: _write_findings,
}
