"""Bringing in people by a CSV: a file is kept, looked at as a plan, and then brought in as shown.

Needs identity.write in the whole organisation. Roles are not brought in by a file (but teleworker
for newcomers); whoever holds more than the caller is not touched. Leavers are told, not ended: the
server ends them over all rooms.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity.engine import roster as engine
from sekisho.identity.engine import units as tree
from sekisho.identity.engine.rights import holds_all, missing_for
from sekisho.identity.engine.roster import BETWEEN, Entry, Fault, Known, Plan
from sekisho.identity.model import Person, PersonState, Purpose, Role, Unit
from sekisho.identity.service.people import require_write
from sekisho.identity.service.standing import NOWHERE, places_in
from sekisho.identity.service.units import UnitDraft, create_unit
from sekisho.identity.store import doorway, people, rosters
from sekisho.identity.store import units as unit_store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, UnitID, new_id

_WAITS = timedelta(days=1)
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class WaitingRoster:
    """A file that waits: what it would do now, and the digest of just that plan."""

    id: str
    name: str
    encoding: str
    columns: Sequence[engine.Column]
    plan: Plan
    digest: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What was brought in, and who is missing from the file."""

    added: int
    changed: int
    units: int
    missing: tuple[str, ...]


def hold_roster(tx: Transaction, name: str, content: bytes) -> str:
    """Keep a file for a day and return its id; raise if it cannot be read at all."""
    require_write(tx)
    _read(content)
    roster_id = new_id("ros")
    plain = "".join(c for c in name if c.isprintable())[:_LONGEST_NAME]
    rosters.insert_roster(tx, roster_id, plain or "people.csv", content, tx.now + _WAITS)
    return roster_id


def read_waiting(tx: Transaction, roster_id: str) -> WaitingRoster:
    """Return a file of the caller's that waits, with what it would do now (identity.write)."""
    tx.principal.require("identity.write")
    found = rosters.find_roster(tx, roster_id)
    if found is None or found[0] != tx.principal.reference:
        raise NotFoundError(
            msg("No such file waits to be brought in."), hint=msg("Choose the file again.")
        )
    read = _read(found[2])
    plan = _spare_stronger(tx, engine.make_plan(read, list_known(tx), unit_paths(tx)))
    return WaitingRoster(roster_id, found[1], read.encoding, read.columns, plan, _digest(plan))


@functools.lru_cache(maxsize=1)  # read when it comes, when its plan is shown and when it is done
def _read(content: bytes) -> engine.Roster:
    return engine.read_roster(content)


def _digest(plan: Plan) -> str:
    return hashlib.sha256(msgspec.json.encode(plan)).hexdigest()


def list_known(tx: Transaction) -> list[Known]:
    """List everybody who has not left, in the words of a roster (identity.read everywhere)."""
    tx.principal.require("identity.read")
    rows = rosters.list_columns(tx)
    emails, paths = {row[0]: row[2] for row in rows}, {v: k for k, v in unit_paths(tx).items()}
    return [
        Known(
            key,
            Entry(name, email, paths.get(unit, ""), emails.get(lead, ""), language, number),
            state,
        )
        for key, name, email, unit, lead, language, number, state in rows
    ]


def unit_paths(tx: Transaction) -> dict[str, str]:
    """Return path → unit id (for this room's services)."""
    known: dict[str, Unit] = {unit.id: unit for unit in unit_store.list_units(tx)}
    return {tree.say_path(known, key, BETWEEN): key for key in known}


def _spare_stronger(tx: Transaction, plan: Plan) -> Plan:
    """Turn changes of people whom the caller must not touch into faults."""
    if holds_all(tx.principal.rights):
        return plan
    held = people.find_people(tx, (change.known.id for change in plan.changed))
    may, faults = [], list(plan.faults)
    for change in plan.changed:
        person = held[change.known.id]
        if missing_for(person.assignments, tx.principal.rights, tx.principal.scoped):
            why = msg("%(name)s has rights you do not have yourself.", name=person.name)
            faults.append(Fault(change.line, why))
        else:
            may.append(change)
    faults.sort(key=lambda fault: fault.line)
    return replace(plan, changed=tuple(may), faults=tuple(faults))


def apply_roster(tx: Transaction, roster_id: str, digest: str) -> Applied:
    """Bring a file in just as its plan with this digest said; lines with faults are left out.

    Raises ConflictError if people were changed meanwhile, so that the plan is another now.
    """
    require_write(tx)
    waiting = read_waiting(tx, roster_id)
    if waiting.digest != digest or not rosters.delete_roster(tx, roster_id):
        raise ConflictError(
            msg("People were changed since you looked; the file would do something else now."),
            hint=msg("Look at the new plan and bring it in then."),
        )
    plan = waiting.plan
    units = _make_units(tx, plan.units)
    added = _add(tx, plan, units)
    _change(tx, plan, units)
    _lead(tx, plan, added)
    missing = tuple(known.id for known in plan.missing)
    counts = {"file": waiting.name, "added": len(added), "changed": len(plan.changed),
              "missing": len(missing), "faults": len(plan.faults)}  # fmt: skip
    evidence.record(tx, kind="identity.roster_applied", subject="identity", detail=counts)
    return Applied(len(added), len(plan.changed), len(plan.units), missing)


def _make_units(tx: Transaction, wanted: Sequence[str]) -> dict[str, str]:
    """Make the units that are not there yet, from the top down; return path → id of all."""
    paths = unit_paths(tx)
    for path in wanted:
        names = path.split(BETWEEN)
        for depth in range(1, len(names) + 1):
            here, above = BETWEEN.join(names[:depth]), BETWEEN.join(names[: depth - 1])
            if here not in paths:
                draft = UnitDraft(names[depth - 1])
                paths[here] = create_unit(tx, draft, paths.get(above)).id
    return paths


def _add(tx: Transaction, plan: Plan, units: Mapping[str, str]) -> dict[str, str]:
    """Add the newcomers, invited; return e-mail → id."""
    places = places_in(tx, {units[entry.unit] for _, entry in plan.added if entry.unit})
    made = [
        Person(
            PersonID(new_id("per")), entry.name, entry.email,
            entry.language or places.get(_unit(entry, units) or "", NOWHERE).language or "ja",
            PersonState.INVITED, frozenset({Role.TELEWORKER}), tx.now, _unit(entry, units),
            external_id=entry.external_id or "",
        )
        for _, entry in plan.added
    ]  # fmt: skip
    people.insert_people(tx, made)
    evidence.record_many(tx, [
        NewRecord("identity.person_added", f"person:{person.id}", {
            "name": person.name, "email": person.email, "roles": sorted(person.roles),
            "unit": person.unit_id, "by": "file",
        }, person.id)
        for person in made
    ])  # fmt: skip
    return {person.email: person.id for person in made}


def _unit(entry: Entry, units: Mapping[str, str]) -> UnitID | None:
    return UnitID(units[entry.unit]) if entry.unit else None


def _change(tx: Transaction, plan: Plan, units: Mapping[str, str]) -> None:
    whole = {change.known.id: _merged(change) for change in plan.changed}
    rosters.update_many(tx, [
        {"key": key, "new_name": entry.name, "new_email": entry.email,
         "new_unit_id": _unit(entry, units), "new_language": entry.language,
         "new_external_id": entry.external_id or ""}
        for key, entry in whole.items()
    ])  # fmt: skip
    for change in plan.changed:
        if "email" in change.names:  # its link went to the former address
            doorway.delete_unused_links(tx, Purpose.INVITE, PersonID(change.known.id))
    evidence.record_many(tx, [
        NewRecord("identity.person_changed", f"person:{change.known.id}", {
            "before": {name: getattr(change.known.entry, name) for name in change.names},
            "after": {name: getattr(change.after, name) for name in change.names}, "by": "file",
        }, change.known.id)
        for change in plan.changed
    ])  # fmt: skip


def _merged(change: engine.Change) -> Entry:
    """Return what a person becomes: the file's word where it has one, else what was."""
    after = {name: getattr(change.after, name) for name in change.names}
    return replace(change.known.entry, **after)


def _lead(tx: Transaction, plan: Plan, added: Mapping[str, str]) -> None:
    """Set managers last: they may be newcomers of the same file."""
    ids = {known.entry.email: known.id for known in list_known(tx)}
    leads = {added[entry.email]: ids.get(entry.manager or "") for _, entry in plan.added}
    leads |= {
        change.known.id: ids.get(change.after.manager or "")
        for change in plan.changed
        if "manager" in change.names
    }
    rosters.set_managers(tx, leads)


def export_roster(tx: Transaction, heads: Mapping[engine.Column, str]) -> str:
    """Return everybody who has not left as a CSV that can be brought in again (identity.read)."""
    return engine.write_roster(list_known(tx), heads)
