"""What the worker does about exceptions: remind, end, lay anew where people have moved."""

from dataclasses import replace
from datetime import timedelta

from sekisho.controls import exceptions as engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import RuleException, ScopeKind
from sekisho.controls.service import telling
from sekisho.controls.service.exceptions import describe
from sekisho.controls.service.laying import compare_laid
from sekisho.controls.service.settling import settle_control
from sekisho.controls.store import exceptions as store
from sekisho.controls.store import laid
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction

_MOST_AT_ONCE = 200
_MOVING = (ScopeKind.PERSON, ScopeKind.GROUP, ScopeKind.UNIT)
KEEP_LAID = timedelta(days=90)
"""How long after its end a list tells whether the rule of an exception is kept by now."""


def turn_exceptions(tx: Transaction) -> int:
    """Remind of what ends soon, end what is over; return how many were looked at.

    What an exception covered fails again the very second of its end whenever it is read; this
    writes it down, brings the findings back and tells the people.
    """
    due = store.list_due(tx, tx.now, _MOST_AT_ONCE)
    rules = load_rules()
    for exception in due:
        if not engine.is_in_force(exception, tx.now):
            _expire(tx, exception)
        elif engine.is_reminder_due(exception, rules, tx.now):
            _remind(tx, exception)
    return len(due)


def relay_exceptions(tx: Transaction) -> int:
    """Lay exceptions over whoever came, lift them from whoever left; return how many devices."""
    moved = 0
    for exception in store.list_in_force(tx, tx.now, _MOVING):
        changes = compare_laid(tx, exception)
        if changes:
            laid.lay(tx, [(device, exception) for device, to_lay in changes.items() if to_lay])
            laid.lift(
                tx, exception.id, [device for device, to_lay in changes.items() if not to_lay]
            )
            settle_control(tx, exception.control_id, list(changes))
            moved += len(changes)
    laid.lift_ended(tx, tx.now - KEEP_LAID)
    return moved


def _expire(tx: Transaction, exception: RuleException) -> None:
    ended = engine.expire(exception)
    if store.save_exception(tx, ended, None, exception.state):
        _record(tx, "exception.expired", ended)
        settle_control(tx, ended.control_id, laid.list_laid(tx, ended.id))
        telling.tell_ended(tx, ended)


def _remind(tx: Transaction, exception: RuleException) -> None:
    told = replace(exception, reminded_at=tx.now)
    if store.save_exception(tx, told, engine.next_turn(told, load_rules()), exception.state):
        _record(tx, "exception.reminded", told)
        telling.tell_near(tx, told)


def _record(tx: Transaction, kind: str, exception: RuleException) -> None:
    evidence.record(
        tx,
        kind=kind,
        subject=f"exception:{exception.id}",
        detail=describe(exception),
        person=exception.requested_by or None,
    )
