"""Who is connected to what since when, for those who may see it; and how it is ended by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.access.model import AccessSession, Cut, Outcome
from sekisho.access.service import telling
from sekisho.access.service.deciding import BY_HAND, end_by_hand_decision
from sekisho.access.service.log import log_cuts
from sekisho.access.store import requests as order_store
from sekisho.access.store import sessions as store
from sekisho.access.store.requests import CutOrder
from sekisho.access.store.sessions import SessionFilter
from sekisho.devices.service import front
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.changes import note_changes
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id

MOST_LISTED = 200
_LONGEST_REASON = 1_000
_ORDER_MINUTES = 15


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of live sessions with the names of people and devices in it."""

    sessions: list[AccessSession]
    people: dict[str, str]
    devices: dict[str, str]
    total: int
    page: int
    page_size: int


def list_sessions(
    tx: Transaction, wanted: SessionFilter, *, sort: str = "-since", language: str = "en",
    page: int = 1, page_size: int = 50,
) -> SessionPage:  # fmt: skip
    """Return one page of live sessions, resources sorted in ``language``. Needs ``access.read``."""
    tx.principal.require("access.read")
    return _page(tx, wanted, sort, page, page_size, language)


def list_own_sessions(tx: Transaction) -> SessionPage:
    """Return the live sessions of the person who asks."""
    tx.principal.require("self.read")
    mine = SessionFilter(person_id=tx.principal.person_id or "-")
    return _page(tx, mine, "-since", 1, MOST_LISTED)


def count_sessions(tx: Transaction) -> int:
    """Count live sessions. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.count_live(tx)


def count_by_resource(tx: Transaction) -> dict[str, int]:
    """Return resource → live sessions. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.count_by_resource(tx)


def _page(
    tx: Transaction, wanted: SessionFilter, sort: str, page: int, page_size: int,
    language: str = "en",
) -> SessionPage:  # fmt: skip
    if sort.removeprefix("-") not in store.SORTS or page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Pages count from 1, hold at most %(most)s lines and are sorted by %(known)s.",
                most=MOST_LISTED, known=", ".join(store.SORTS))
        )  # fmt: skip
    found = store.list_page(
        tx, wanted, names=identity.select_names(), language=language, sort=sort,
        offset=(page - 1) * page_size, limit=page_size,
    )  # fmt: skip
    devices = front.find_devices(tx, {s.device_id for s in found if s.device_id})
    return SessionPage(
        found,
        identity.find_names(tx, [s.person_id for s in found]),
        {key: device.title for key, device in devices.items()},
        store.count_live(tx, wanted),
        page,
        page_size,
    )


def cut_session(tx: Transaction, session_id: str, reason: str) -> None:
    """End one session: one's own, or anybody's with ``access.cut``; raise NotFoundError."""
    session = store.find_session(tx, session_id)
    mine = session is not None and session.person_id == tx.principal.person_id
    if not mine:
        tx.principal.require("access.cut")
    if session is None or session.ended_at is not None:
        raise NotFoundError(msg("There is no such connection any more."))
    _cut(tx, [session], reason or ("✓" if mine else ""))


def cut_of(tx: Transaction, *, person_id: str = "", device_id: str = "", reason: str) -> int:
    """End every session of a person or a device; return how many. Needs ``access.cut``."""
    tx.principal.require("access.cut")
    sessions = store.list_live(
        tx,
        people=[person_id] if person_id else [],
        devices=[device_id] if device_id else [],
    )
    _cut(tx, sessions, reason)
    return len(sessions)


def ask_to_cut_all(tx: Transaction, reason: str) -> CutOrder:
    """Ask to cut every session; somebody else must confirm within 15 minutes.

    Needs ``access.cut`` and a fresh proof.
    """
    tx.principal.require("access.cut")
    tx.principal.require_fresh(tx.now)
    order = CutOrder(new_id("cut"), _reason(reason), "waiting", _who(tx), tx.now)
    order_store.insert_order(tx, order)
    _record_order(tx, "access.cut_all_asked", order)
    telling.tell_cut_all(tx, order.reason)
    return order


def confirm_cut_all(tx: Transaction, order_id: str) -> int:
    """Cut every session as somebody else asked; return how many. Needs ``access.cut``, fresh."""
    tx.principal.require("access.cut")
    tx.principal.require_fresh(tx.now)
    order = _waiting(tx, order_id)
    if order.asked_by == _who(tx):
        raise NotPermittedError(
            msg("You asked for this; a second person must confirm it."),
            hint=msg("Call a colleague who may cut connections."),
        )
    sessions = store.list_live(tx, everything=True)
    _cut(tx, sessions, order.reason)
    order_store.update_order(
        tx, order.id, state="done", decider=_who(tx), decided_at=tx.now, count=len(sessions)
    )
    _record_order(tx, "access.cut_all_confirmed", order, count=len(sessions))
    return len(sessions)


def withdraw_cut_all(tx: Transaction, order_id: str) -> None:
    """Take an order back. Needs ``access.cut``."""
    tx.principal.require("access.cut")
    order = _waiting(tx, order_id)
    order_store.update_order(tx, order.id, state="withdrawn", decider=_who(tx), decided_at=tx.now)
    _record_order(tx, "access.cut_all_withdrawn", order)


def list_orders(tx: Transaction) -> list[CutOrder]:
    """List orders that may still be confirmed. Needs ``access.read``."""
    tx.principal.require("access.read")
    return [each for each in order_store.list_orders(tx, "waiting") if not _is_over(tx, each)]


def _cut(tx: Transaction, sessions: Sequence[AccessSession], reason: str) -> None:
    why = _reason(reason)
    live = set(store.end_sessions(tx, [(session.id, BY_HAND) for session in sessions]))
    ended = [session for session in sessions if session.id in live]
    log_cuts(tx, [Cut(s, d) for s, d in end_by_hand_decision(tx, ended, why)], Outcome.CUT)
    note_changes(tx, [f"session:{session.id}" for session in ended])


def _reason(reason: str) -> str:
    words = reason.strip()
    if not words or len(words) > _LONGEST_REASON:
        raise InvalidInputError(
            msg("Say why, in 1 to %(n)s characters.", n=_LONGEST_REASON),
            hint=msg("The reason stands in the record and is shown to the person."),
        )
    return words


def _waiting(tx: Transaction, order_id: str) -> CutOrder:
    order = order_store.find_order(tx, order_id)
    if order is None:
        raise NotFoundError(msg("There is no such order."))
    if order.state != "waiting" or _is_over(tx, order):
        raise ConflictError(
            msg("This order was decided already, or its 15 minutes are over."),
            hint=msg("Ask anew if it is still needed."),
        )
    return order


def _is_over(tx: Transaction, order: CutOrder) -> bool:
    return (tx.now - order.asked_at).total_seconds() > _ORDER_MINUTES * 60


def _who(tx: Transaction) -> str:
    return tx.principal.person_id or tx.principal.reference


def _record_order(tx: Transaction, kind: str, order: CutOrder, **more: int) -> None:
    detail: dict[str, object] = {"order": order.id, "reason": order.reason,
                                 "asked_by": order.asked_by, **more}  # fmt: skip
    evidence.record(tx, kind=kind, subject="access", detail=detail)
