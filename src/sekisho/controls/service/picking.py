"""Devices picked out of a list for one exception: what each of them needs, and the scope."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from sekisho.controls import engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import Scope, ScopeKind, latest_end
from sekisho.controls.model import VerdictKind
from sekisho.controls.service.exceptions import require_control
from sekisho.controls.store import laid, selections, verdicts
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID, new_id


def make_selection(tx: Transaction, devices: Iterable[str]) -> Scope:
    """Return the scope of devices picked out of a list, to ask for one exception for them all.

    Whoever asks for it is judged by its devices, so making one needs no right.
    """
    made = Scope(ScopeKind.SELECTION, new_id("sel"))
    selections.insert_selection(tx, made.id, devices)
    return made


def find_kinds(
    tx: Transaction, control_id: ControlID, devices: Sequence[DeviceID]
) -> dict[DeviceID, VerdictKind]:
    """Return how devices stand with one rule now; those to which it does not apply are left out."""
    stored = verdicts.find_verdicts_of_control(tx, control_id, devices)
    exemptions = laid.find_exemptions_of_control(tx, control_id, devices)
    return {
        device: engine.settle(verdict, exemptions.get(device), tx.now).kind
        for device, verdict in stored.items()
    }


def find_asked(
    tx: Transaction, control_id: ControlID, devices: Sequence[DeviceID]
) -> set[DeviceID]:
    """Return the devices for which the same exception waits for a decision already."""
    return selections.find_asked(tx, control_id, devices)


def may_last(tx: Transaction, control_id: ControlID, until: datetime, zone: tzinfo | None) -> bool:
    """Tell whether an exception from a rule may end then: later than now, within what it allows."""
    severity = require_control(control_id).severity
    return tx.now < until <= latest_end(severity, load_rules(), tx.now, zone)
