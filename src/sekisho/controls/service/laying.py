"""Which devices an exception means, written down for each so that a check-in need not ask.

People join and leave groups and units; the worker lays exceptions anew every minute
(``relay_exceptions``), and a device that is judged for the first time gets what is meant for it
at once.
"""

from collections.abc import Mapping

from sekisho.controls.exceptions import RuleException, Scope, ScopeKind
from sekisho.controls.model import Subject
from sekisho.controls.store import exceptions as store
from sekisho.controls.store import laid, selections
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID
from sekisho.wire.kit import Ownership

SHARED = (ScopeKind.GROUP, ScopeKind.UNIT)


def people_of(tx: Transaction, scope: Scope) -> list[str]:
    """Return the people a scope stands for; of a device its owner, if it has one."""
    if scope.kind is ScopeKind.PERSON:
        return [scope.id]
    if scope.kind is ScopeKind.GROUP:
        return [str(person) for person in standing.members_of(tx, scope.id)]
    if scope.kind is ScopeKind.UNIT:
        return [str(person) for person in standing.people_in(tx, scope.id)]
    if scope.kind is ScopeKind.SELECTION:
        return [person for person in selections.list_people(tx, scope.id) if person]
    owner = laid.find_owners(tx, [scope.id]).get(scope.id)
    return [owner] if owner else []


def devices_of(tx: Transaction, scope: Scope) -> list[DeviceID]:
    """Return the devices that are judged and meant by a scope."""
    if scope.kind is ScopeKind.DEVICE:
        return laid.find_devices(tx, scope.ownership, device_id=scope.id)
    if scope.kind is ScopeKind.SELECTION:
        return selections.list_devices(tx, scope.id, scope.ownership)
    return laid.find_devices(tx, scope.ownership, people=people_of(tx, scope))


def lay_over_new(tx: Transaction, subject: Subject) -> None:
    """Lay what is in force over a device that is judged for the first time."""
    fitting = store.list_in_force(tx, tx.now, [ScopeKind.DEVICE], [subject.device_id])
    picked = selections.list_selections_of(tx, subject.device_id)
    if picked:
        fitting += store.list_in_force(tx, tx.now, [ScopeKind.SELECTION], picked)
    if subject.person_id is not None:
        person = subject.person_id
        fitting += store.list_in_force(tx, tx.now, [ScopeKind.PERSON], [person])
        for exception in store.list_in_force(tx, tx.now, SHARED):
            if person in people_of(tx, exception.scope):
                fitting.append(exception)
    wanted = {None, subject.ownership}
    laid.lay(tx, [(subject.device_id, e) for e in fitting if e.scope.ownership in wanted])


def compare_laid(tx: Transaction, exception: RuleException) -> Mapping[DeviceID, bool]:
    """Return the devices over which an exception has to be laid (True) or lifted (False)."""
    wanted, there = set(devices_of(tx, exception.scope)), set(laid.list_laid(tx, exception.id))
    return dict.fromkeys(wanted - there, True) | dict.fromkeys(there - wanted, False)


def forget_exceptions(tx: Transaction, device_id: DeviceID) -> list[str]:
    """End what was asked for or granted for one device alone; return the ids.

    What was said about a private device is deleted with everything else about it.
    """
    subjects = laid.find_devices(tx, Ownership.PRIVATE, device_id=device_id)
    selections.forget_device(tx, device_id)
    return store.end_of_device(tx, device_id, forget_words=bool(subjects))
