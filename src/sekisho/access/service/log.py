"""Writes the log of decisions, one evidence record each, and lets people read it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sekisho.access.model import (
    AccessRequest,
    AccessSession,
    Cut,
    Decision,
    DecisionID,
    Outcome,
    Reason,
)
from sekisho.access.store import decisions as store
from sekisho.access.store.decisions import Entry, EntryFilter
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg, pack_text, unpack_text
from sekisho.kernel.ids import new_id

COALESCED = timedelta(minutes=10)
"""The same denial again within this time counts on one line and leaves no new record."""
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log for reading; ``names`` of the list has who and what is meant."""

    id: DecisionID
    at: datetime
    last_at: datetime
    times: int
    outcome: Outcome
    person_id: str
    device_id: str | None
    resource_id: str
    door: str
    address: str
    trust: int
    policy_version: int
    reasons: tuple[Reason, ...]
    signals: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the log; ``total`` counts all pages."""

    entries: list[Logged]
    total: int
    page: int
    page_size: int


def log_opened(tx: Transaction, opened: Sequence[tuple[AccessSession, Decision]]) -> None:
    """Write down that sessions were opened."""
    told = [(session.request, decision, session) for session, decision in opened]
    _write(tx, told, Outcome.ALLOW, "access.opened")


def log_denied(tx: Transaction, request: AccessRequest, decision: Decision) -> None:
    """Write down a denial; one like it within ten minutes is counted on."""
    same = _digest(request, decision)
    if not store.repeat_entry(tx, same, tx.now - COALESCED):
        _write(tx, [(request, decision, None)], Outcome.DENY, "access.denied")


def count_denied(tx: Transaction, entry: Entry) -> None:
    """Write down a denial that is no decision, or count it on the line of those like it."""
    if not store.repeat_entry(tx, entry.same, tx.now - COALESCED, entry.times):
        _save(tx, [entry], "access.denied")


def log_cuts(tx: Transaction, cuts: Sequence[Cut], outcome: Outcome) -> None:
    """Write down that sessions were cut."""
    told = [(cut.session.request, cut.decision, cut.session) for cut in cuts]
    _write(tx, told, outcome, "access.cut")


_Told = tuple[AccessRequest, Decision, AccessSession | None]


def _write(tx: Transaction, told: Sequence[_Told], outcome: Outcome, kind: str) -> None:
    entries = [_entry(tx, request, decision, session, outcome)
               for request, decision, session in told]  # fmt: skip
    _save(tx, entries, kind)


def _save(tx: Transaction, entries: Sequence[Entry], kind: str) -> None:
    store.insert_entries(tx, entries)
    evidence.record_many(tx, [
        NewRecord(kind, _subject(entry), _detail(entry), entry.person_id or None)
        for entry in entries
    ])  # fmt: skip


def _subject(entry: Entry) -> str:
    if entry.session_id:
        return f"session:{entry.session_id}"
    if entry.person_id:
        return f"person:{entry.person_id}"
    return f"device:{entry.device_id}" if entry.device_id else "gate"


def _entry(
    tx: Transaction, request: AccessRequest, decision: Decision, session: AccessSession | None,
    outcome: Outcome,
) -> Entry:  # fmt: skip
    return Entry(
        id=new_id("acd"),
        at=tx.now,
        last_at=tx.now,
        times=1,
        outcome=outcome.value,
        person_id=request.person_id,
        device_id=request.device_id,
        resource_id=request.resource_id,
        session_id=session.id if session else None,
        door=request.door.value,
        address=request.address[:64],
        trust=int(decision.trust),
        policy_version=decision.policy_version,
        reason=decision.reasons[0].id[:100] if decision.reasons else "",
        reasons=[pack_reason(reason) for reason in decision.reasons],
        signals=dict(decision.signals),
        same=_digest(request, decision) if outcome is Outcome.DENY else "",
    )


def _detail(entry: Entry) -> dict[str, object]:
    return {
        "decision": entry.id, "outcome": entry.outcome, "resource": entry.resource_id,
        "device": entry.device_id, "door": entry.door, "address": entry.address,
        "policies": entry.policy_version, "reasons": [each["id"] for each in entry.reasons],
        "signals": entry.signals,
    }  # fmt: skip


def _digest(request: AccessRequest, decision: Decision) -> str:
    parts = (
        request.person_id, request.device_id or "", request.resource_id, request.door.value,
        *(reason.id for reason in decision.reasons), str(decision.policy_version),
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def find_cut_reasons(tx: Transaction, sessions: Sequence[AccessSession]) -> dict[str, list[Reason]]:
    """Return session id → why it was cut; for the gate, which asks no right."""
    people = sorted({session.person_id for session in sessions})
    found = store.list_cut_reasons(tx, people, [session.id for session in sessions])
    return {name: [unpack_reason(each) for each in packed] for name, packed in found.items()}


def pack_reason(reason: Reason) -> dict[str, Any]:
    """Return a reason as plain data."""
    return {
        "id": reason.id, "text": pack_text(reason.text), "fix": pack_text(reason.fix),
        "controls": list(reason.controls), "missing": list(reason.missing),
        "fix_at": reason.fix_at,
    }  # fmt: skip


def unpack_reason(raw: Mapping[str, Any]) -> Reason:
    """Make the reason again that ``pack_reason`` made plain."""
    return Reason(
        raw["id"], unpack_text(raw["text"]), unpack_text(raw["fix"]), tuple(raw["controls"]),
        tuple(raw["missing"]), raw["fix_at"],
    )  # fmt: skip


def list_decisions(
    tx: Transaction, wanted: EntryFilter, *, sort: str = "-at", page: int = 1, page_size: int = 50
) -> LogPage:
    """Return one page of the log. Needs ``access.read``."""
    tx.principal.require("access.read")
    return _page(tx, wanted, sort, page, page_size)


def list_own_decisions(
    tx: Transaction, *, resource_id: str = "", page: int = 1, page_size: int = 20
) -> LogPage:
    """Return what was decided about the person who asks, the newest first."""
    tx.principal.require("self.read")
    mine = EntryFilter(person_id=tx.principal.person_id or "-", resource_id=resource_id)
    return _page(tx, mine, "-at", page, page_size)


def get_decision(tx: Transaction, decision_id: str) -> Logged:
    """Return one line: one's own, or any with ``access.read``; raise NotFoundError."""
    found = store.find_entry(tx, decision_id)
    mine = found is not None and found.person_id == tx.principal.person_id
    if not mine:
        tx.principal.require("access.read")
    if found is None:
        raise NotFoundError(msg("There is no decision %(id)s.", id=decision_id[:40]))
    return _logged(found)


def find_by_search(tx: Transaction, search: str) -> Sequence[str]:
    """Return the people that a search names."""
    return identity.search_ids(tx, search) if search else ()


def _page(tx: Transaction, wanted: EntryFilter, sort: str, page: int, page_size: int) -> LogPage:
    if sort.removeprefix("-") not in store.SORTS or page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Pages count from 1, hold at most %(most)s lines and are sorted by %(known)s.",
                most=MOST_LISTED, known=", ".join(store.SORTS))
        )  # fmt: skip
    found = store.list_entries(tx, wanted, sort, (page - 1) * page_size, page_size)
    return LogPage(
        [_logged(entry) for entry in found], store.count_entries(tx, wanted), page, page_size
    )


def _logged(entry: Entry) -> Logged:
    return Logged(
        DecisionID(entry.id), entry.at, entry.last_at, entry.times, Outcome(entry.outcome),
        entry.person_id, entry.device_id, entry.resource_id, entry.door, entry.address,
        entry.trust, entry.policy_version,
        tuple(unpack_reason(each) for each in entry.reasons), entry.signals,
    )  # fmt: skip
