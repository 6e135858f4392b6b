"""May this device come in: the answer as JSON, for people, their own devices, and scripts."""

from datetime import datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind, AccessState
from sekisho.devices.service import inventory, privacy
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import Principal


class AccessReasonShape(msgspec.Struct):
    """One thing that counts: a rule with its verdict, or what bars the device besides rules."""

    kind: str
    control: str | None
    verdict: str | None
    judged: str | None
    until: datetime | None
    bar: str | None


class AccessShape(msgspec.Struct):
    """The answer: ``fine``, ``fix_by`` (with the date), ``unknown`` or ``not_allowed``.

    It holds until ``valid_until``; whoever decides by it asks again then.
    """

    device: str
    kind: str
    fix_by: datetime | None
    computed_at: datetime
    valid_until: datetime
    reasons: list[AccessReasonShape]


class PersonAccessShape(msgspec.Struct):
    """The devices of a person, the best first; ``kind`` is that of the best one.

    A person has no state of their own: a good device does not make a bad one good, and without a
    device it is ``unknown``. It holds until ``valid_until``.
    """

    person: str
    kind: str
    computed_at: datetime
    valid_until: datetime
    devices: list[AccessShape]


@get("/api/people/{person_id:str}/access", sync_to_thread=True)
def get_person_access(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    person_id: FromPath[str],
) -> PersonAccessShape:
    """Say with which devices a person may come in: to ``devices.read`` over them, or themselves.

    Anybody else's look at their devices is recorded and shown to that person.
    """
    with database.write(principal) as tx:
        _require_person(tx, person_id)
        states = controls.person_access_states(tx, person_id)
        for state in states:
            privacy.record_look(tx, state.device_id, "access")
        now = tx.now
    return PersonAccessShape(
        person=person_id,
        kind=states[0].kind.value if states else AccessKind.UNKNOWN.value,
        computed_at=now,
        valid_until=min((state.valid_until for state in states), default=now),
        devices=[_shape(state) for state in states],
    )


def _require_person(tx: Transaction, person_id: str) -> None:
    if tx.principal.person_id == person_id:
        tx.principal.require("self.read")
        return
    tx.principal.require("devices.read", identity.unit_of(tx, person_id))
    identity.get_person(tx, person_id)


@get("/api/devices/{device_id:str}/access", sync_to_thread=True)
def get_access(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> AccessShape:
    """Say whether a device may come in: to ``devices.read``, its owner, or itself.

    Anybody else's look at a person's device is recorded and shown to that person.
    """
    with database.write(principal) as tx:
        device = inventory.get_device(tx, device_id)
        privacy.record_look(tx, device.id, "access")
        state = controls.access_state(tx, device.id)
    return _shape(state)


def _shape(state: AccessState) -> AccessShape:
    return AccessShape(
        device=state.device_id,
        kind=state.kind.value,
        fix_by=state.fix_by,
        computed_at=state.computed_at,
        valid_until=state.valid_until,
        reasons=[
            AccessReasonShape(
                kind=reason.kind.value,
                control=reason.control_id,
                verdict=reason.verdict.value if reason.verdict is not None else None,
                judged=reason.judged.value if reason.judged is not None else None,
                until=reason.until,
                bar=reason.bar.value if reason.bar is not None else None,
            )
            for reason in state.reasons
        ],
    )


HANDLERS = [get_access, get_person_access]
