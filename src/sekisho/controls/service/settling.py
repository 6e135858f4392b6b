"""One rule on many devices at once: what an exception changes, with few statements.

Judging loads every verdict of a device; for a group of ten thousand devices that is too much when
a single rule is concerned. Here only that rule's verdicts are read and written, and counts, access
and the next deadline of each device are moved along with them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sekisho.controls import access, engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.model import Control, Verdict, VerdictChange, VerdictKind
from sekisho.controls.service.judging import Batch, catalogue_in_force
from sekisho.controls.store import laid, verdicts
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

_MOVED = {
    VerdictKind.PASS: "more_passing",
    VerdictKind.FAIL: "more_failing",
    VerdictKind.UNKNOWN: "more_unknown",
    VerdictKind.EXEMPT: "more_exempt",
}


def settle_control(
    tx: Transaction, control_id: ControlID, devices: Sequence[DeviceID]
) -> list[VerdictChange]:
    """Lay exceptions anew over one rule's verdicts on these devices; return what changed."""
    catalogue = catalogue_in_force()
    stored = verdicts.find_verdicts_of_control(tx, control_id, devices)
    exemptions = laid.find_exemptions_of_control(tx, control_id, devices)
    subjects = verdicts.find_subjects(tx, list(stored))
    after = {
        device: engine.conclude(verdict, verdict, exemptions.get(device), tx.now)
        for device, verdict in stored.items()
    }
    batch = Batch(tx, catalogue)
    for device, verdict in after.items():
        batch.turn(subjects[device], stored[device], verdict)
    changes = batch.write()
    touched = [device for device in after if not engine.is_same(stored[device], after[device])]
    _move_subjects(tx, catalogue.controls, touched, stored, after)
    return changes


def _move_subjects(
    tx: Transaction,
    controls: Mapping[ControlID, Control],
    devices: Sequence[DeviceID],
    before: Mapping[DeviceID, Verdict],
    after: Mapping[DeviceID, Verdict],
) -> None:
    kinds = judge_stored(tx, controls, devices)
    deadlines = laid.find_deadlines(tx, devices)
    rules = load_rules()
    rows = []
    for device in devices:
        moved = Counter(dict.fromkeys(_MOVED.values(), 0))
        moved[_MOVED[before[device].kind]] -= 1
        moved[_MOVED[after[device].kind]] += 1
        turn = access.next_turn([after[device]], controls, rules, tx.now)
        rows.append(
            dict(moved)
            | {
                "of_device": device,
                "new_access": kinds[device].value,
                "new_deadline": _first(turn, deadlines.get(device)),
            }
        )
    laid.move_subjects(tx, rows)


def judge_stored(
    tx: Transaction, controls: Mapping[ControlID, Control], devices: Sequence[DeviceID]
) -> dict[DeviceID, access.AccessKind]:
    """Return the access of devices from what is stored, reading only what is no pass."""
    rules = load_rules()
    counted = [c.id for c in controls.values() if c.proof in rules.required_proofs]
    proven = laid.list_proven(tx, devices, counted)
    worst = dict.fromkeys(devices, access.AccessKind.FINE)
    for row in laid.list_unfine(tx, devices):
        control = controls.get(row.control_id)
        if control is None:
            continue
        verdict = replace(
            engine.start_verdict(control, row.since), kind=VerdictKind(row.kind),
            first_failed_at=row.first_failed_at,
        )  # fmt: skip
        weight = access.weigh(verdict, control, rules, tx.now).kind
        worst[row.device_id] = max(worst[row.device_id], weight, key=_rank)
    return {
        device: kind if device in proven else max(kind, access.AccessKind.UNKNOWN, key=_rank)
        for device, kind in worst.items()
    }


def _rank(kind: access.AccessKind) -> int:
    return kind.rank


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
