"""Writes down who was turned away before anything could be decided: nobody had signed in by then.

Anybody can be turned away as often as they like, so the gate counts equal ones and tells them
seldom, and here they share a line for ten minutes as other denials do.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sekisho.access.engine import builtin
from sekisho.access.model import Outcome, Reason, Trust
from sekisho.access.service import log
from sekisho.access.store import sessions as session_store
from sekisho.access.store.decisions import Entry
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id

_LONGEST_TARGET = 80


class TurnedAwayFor(StrEnum):
    """Why, by the names of the built-in reasons."""

    NO_CERTIFICATE = "sekisho.no-certificate"
    OTHER_DEVICE = "sekisho.other-device"
    NOT_OURS = "sekisho.not-ours"
    NO_TARGET = "sekisho.no-target"
    NO_LEAVE = "sekisho.no-leave"


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """One way of being turned away. What the caller did not prove is "" or None.

    ``person_id`` is whom a stolen proof names, ``session`` an access session that was proven.
    ``target`` is what was asked for where it is no resource, in the caller's words; who asks for a
    thousand of them is one all the same.
    """

    why: TurnedAwayFor
    door: str
    device_id: str | None = None
    resource_id: str = ""
    person_id: str = ""
    session: str = ""
    target: str = field(default="", compare=False)


def log_turned_away(tx: Transaction, found: Mapping[TurnedAway, tuple[int, str]]) -> None:
    """Write down how often each came about, and the address of its first. Called by the gate."""
    for each, (times, address) in found.items():
        log.count_denied(tx, _entry(tx, each, times, address))


def _entry(tx: Transaction, each: TurnedAway, times: int, address: str) -> Entry:
    session = session_store.find_session(tx, each.session) if each.session else None
    reason = _reason(each)
    return Entry(
        id=new_id("acd"),
        at=tx.now,
        last_at=tx.now,
        times=times,
        outcome=Outcome.DENY.value,
        person_id=session.person_id if session else each.person_id,
        device_id=session.device_id if session else each.device_id,
        resource_id=session.resource_id if session else each.resource_id,
        session_id=session.id if session else None,
        door=session.door.value if session else each.door,
        address=address[:64],
        trust=int(Trust.BROWSER),
        policy_version=0,
        reason=reason.id,
        reasons=[log.pack_reason(reason)],
        signals={},
        same=hashlib.sha256(repr(replace(each, target="")).encode()).hexdigest(),
    )


def _reason(each: TurnedAway) -> Reason:
    reason = builtin.built_in_reason(each.why.value)
    if not each.target:
        return reason
    target = each.target[:_LONGEST_TARGET]
    said = msg("There is no destination “%(target)s” behind this gate.", target=target)
    return replace(reason, text=said)
