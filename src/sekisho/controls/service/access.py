"""May this device come in? The one place that answers, for the gate, pages and the API."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.controls import access as judging
from sekisho.controls import engine
from sekisho.controls.access import AccessKind, AccessState, Bar
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.model import Verdict
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.store import laid, verdicts
from sekisho.identity.model import PersonState
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID

_ENDED = frozenset({PersonState.DISABLED, PersonState.LEFT})


def access_state(tx: Transaction, device_id: DeviceID) -> AccessState:
    """Say whether a device may come in now; one nobody knows is ``unknown``.

    Asks for no right of its own: the callers' pages and interfaces do, and the gate asks as
    Sekisho itself.
    """
    return access_states(tx, [device_id])[device_id]


def access_states(
    tx: Transaction, device_ids: Sequence[DeviceID],
    settled: Mapping[DeviceID, Sequence[Verdict]] | None = None,
) -> dict[DeviceID, AccessState]:  # fmt: skip
    """Say it for many devices at once; ``settled`` if the caller has read them in ``tx``."""
    controls, rules = catalogue_in_force().controls, load_rules()
    if settled is None:
        settled = list_settled_verdicts(tx, device_ids)
    bars = _find_bars(tx, device_ids)
    return {
        device_id: judging.judge_access(
            device_id, settled[device_id], bars[device_id], controls, rules, tx.now
        )
        for device_id in device_ids
    }


def list_settled_verdicts(
    tx: Transaction, device_ids: Sequence[DeviceID]
) -> dict[DeviceID, list[Verdict]]:
    """Return what is known about devices now, by device; never a stale pass as a pass."""
    stored = verdicts.find_verdicts_of(tx, device_ids)
    exemptions = verdicts.find_exemptions_of(tx, device_ids)
    return {
        device_id: [
            engine.settle(verdict, exemptions[device_id].get(control_id), tx.now)
            for control_id, verdict in stored[device_id].items()
        ]
        for device_id in device_ids
    }


def person_access_states(tx: Transaction, person_id: str) -> list[AccessState]:
    """Say it for every device of a person, the best first (``docs/adr/0008``).

    A person has no state of their own: a good device does not make a bad one good. Somebody
    without devices has an empty list, and an empty list lets nobody in.
    """
    states = access_states(tx, laid.list_devices_of(tx, [person_id]))
    return sorted(states.values(), key=lambda state: (state.kind.rank, state.device_id))


def list_access_kinds(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, str]:
    """Return the word alone for the devices of a list, as cheaply as can be."""
    late = set(laid.list_late(tx, tx.now, device_ids))
    found = laid.find_access(tx, [d for d in device_ids if d not in late])
    found |= {d: state.kind.value for d, state in access_states(tx, sorted(late)).items()}
    bars = _find_bars(tx, device_ids)
    return {d: _barred(found.get(d, AccessKind.UNKNOWN.value), bars[d]) for d in device_ids}


def select_devices_by_access(tx: Transaction, kind: AccessKind) -> Any:
    """Return the query for the devices that stand so now, for the filter of a list."""
    behind = laid.list_overdue_devices(tx, tx.now)
    more = {d for d, state in access_states(tx, behind).items() if state.kind is kind}
    less: set[DeviceID] = set()
    for bar in Bar:
        shut = set(_list_barred(tx, bar))
        worse = judging.bar_kind(bar)
        if worse is kind:
            more, less = more | shut, less - shut
        elif worse.rank > kind.rank:
            more, less = more - shut, less | shut
    return laid.select_access(tx.now, kind.value, sorted(more), sorted(less))


def list_devices_by_access(tx: Transaction, kind: AccessKind) -> list[DeviceID]:
    """Return the devices that stand so now."""
    return sorted({row.device_id for row in tx.rows(select_devices_by_access(tx, kind))})


def set_device_bar(tx: Transaction, device_id: DeviceID, bar: Bar | None) -> None:
    """Remember that a device was paused or withdrawn; None once it is active again.

    Called by the room of devices in the transaction of the act, which has checked the right.
    """
    laid.set_bar(tx, device_id, bar.value if bar is not None else None)


def _list_barred(tx: Transaction, bar: Bar) -> list[DeviceID]:
    if bar is Bar.DISABLED:
        return laid.list_devices_of(tx, standing.list_ended(tx))
    return laid.list_barred(tx, bar.value)


def _find_bars(tx: Transaction, device_ids: Sequence[DeviceID]) -> Mapping[DeviceID, list[Bar]]:
    bars: dict[DeviceID, list[Bar]] = defaultdict(list)
    for device_id, bar in laid.find_bars(tx, device_ids).items():
        bars[DeviceID(device_id)].append(Bar(bar))
    owners = laid.find_owners(tx, device_ids)
    states = standing.states_of(tx, owners.values())
    for device_id, owner in owners.items():
        if owner is not None and states.get(owner, PersonState.LEFT) in _ENDED:
            bars[DeviceID(device_id)].append(Bar.DISABLED)
    return bars


def _barred(kind: str, bars: Sequence[Bar]) -> str:
    kinds = [AccessKind(kind), *(judging.bar_kind(bar) for bar in bars)]
    return max(kinds, key=lambda each: each.rank).value


def move_devices(tx: Transaction, device_ids: Sequence[DeviceID], person_id: str | None) -> None:
    """Let judged devices count for another person, as the room of devices has decided.

    Exceptions for people follow within a minute (``relay_exceptions``).
    """
    laid.move_owners(tx, device_ids, person_id)
