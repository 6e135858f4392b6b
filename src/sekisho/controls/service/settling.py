"""One rule on many devices at once: what an exception changes, with few statements.

Judging loads every verdict of a device; for a group of ten thousand devices that is too much when
a single rule is concerned. Here only that rule's verdicts are read and written, and counts, access
and the next deadline of each device are moved along with them.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from sekisho.controls import access, engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import ExceptionRules
from sekisho.controls.model import Control, Verdict, VerdictChange, VerdictKind
from sekisho.controls.service.judging import Batch, catalogue_in_force
from sekisho.controls.store import laid, verdicts
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

_COLUMNS = {
    VerdictKind.PASS: "passing",
    VerdictKind.FAIL: "failing",
    VerdictKind.UNKNOWN: "unknown",
    VerdictKind.EXEMPT: "exempt",
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
    touched = [d for d, verdict in after.items() if not engine.is_same(stored[d], verdict)]
    # What has grown old meanwhile loses its words and dates as well; the rest moves in few columns.
    aged = [d for d in touched if stored[d].judged is not after[d].judged]
    verdicts.save_verdicts(tx, [(device, after[device]) for device in aged])
    for alike in _group(touched, lambda d: _shape(after[d])):
        laid.shift_verdicts(tx, control_id, alike, after[alike[0]])
    batch = Batch(tx, catalogue)
    for device in touched:
        batch.turn(subjects[device], stored[device], after[device])
    changes = batch.write()
    _move_subjects(tx, catalogue.controls, touched, stored, after)
    return changes


def _shape(verdict: Verdict) -> Hashable:
    return (verdict.kind, verdict.judged, verdict.since, verdict.exempt_until)


def _group(
    devices: Iterable[DeviceID], key: Callable[[DeviceID], Hashable]
) -> list[list[DeviceID]]:
    """Group devices that change alike: they take one statement together."""
    found: dict[Hashable, list[DeviceID]] = {}
    for device in devices:
        found.setdefault(key(device), []).append(device)
    return list(found.values())


def _move_subjects(
    tx: Transaction,
    controls: Mapping[ControlID, Control],
    devices: Sequence[DeviceID],
    before: Mapping[DeviceID, Verdict],
    after: Mapping[DeviceID, Verdict],
) -> None:
    rules = load_rules()
    kinds = judge_stored(tx, controls, devices)
    turns = {d: access.next_turn([after[d]], controls, rules, tx.now) for d in devices}
    alike = _group(devices, lambda d: (before[d].kind, after[d].kind, kinds[d], turns[d]))
    for some in alike:
        first = some[0]
        moved = {_COLUMNS[before[first].kind]: -1} | {_COLUMNS[after[first].kind]: 1}
        changes = moved if before[first].kind is not after[first].kind else {}
        laid.move_subjects(tx, some, changes, kinds[first].value, turns[first])


def judge_stored(
    tx: Transaction, controls: Mapping[ControlID, Control], devices: Sequence[DeviceID]
) -> dict[DeviceID, access.AccessKind]:
    """Return the access of devices from what is stored, reading only what is no pass."""
    rules, passing = load_rules(), laid.count_passing(tx, devices)
    counted = [c.id for c in controls.values() if c.proof in rules.required_proofs]
    # More passes than there are rules that do not count: one of those that count is among them.
    enough = len(controls) - len(counted)
    unclear = [device for device in devices if passing[device] <= enough]
    bare = set(unclear) - laid.list_proven(tx, unclear, counted)
    worst = {
        device: access.AccessKind.UNKNOWN if device in bare else access.AccessKind.FINE
        for device in devices
    }
    for row in laid.list_unfine(tx, devices):
        control = controls.get(row.control_id)
        if control is not None:
            weight = _weigh(row, control, rules, tx.now)
            worst[row.device_id] = max(worst[row.device_id], weight, key=_rank)
    return worst


def _weigh(
    row: Row[Any], control: Control, rules: ExceptionRules, now: datetime
) -> access.AccessKind:
    verdict = replace(
        engine.start_verdict(control, row.since), kind=VerdictKind(row.kind),
        first_failed_at=row.first_failed_at,
    )  # fmt: skip
    return access.weigh(verdict, control, rules, now).kind


def _rank(kind: access.AccessKind) -> int:
    return kind.rank
