"""Who would lose or gain access if other policies held: counted over real people and devices.

Every active device of somebody is tried for every resource, with its signals of this moment, under
the policies in force and under the proposed ones. Nobody is signed in all the time, so a fresh
sign-in with a passkey is assumed; live sessions are judged by their own. The worker does it in
pieces; beyond MOST_DEVICES devices are taken at even distances, and the page says so.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sekisho.access.engine.book import Book, check_policies
from sekisho.access.engine.context import make_memberships, make_places
from sekisho.access.engine.deciding import decide
from sekisho.access.engine.forms import write_form
from sekisho.access.model import AccessRequest, Decision, Door, Resource, Signals
from sekisho.access.policies import Effect, Policy, PolicyForm
from sekisho.access.service.books import book_in_force
from sekisho.access.service.gathering import gather_signals
from sekisho.access.service.log import pack_reason
from sekisho.access.store import resources as resource_store
from sekisho.access.store import sessions as session_store
from sekisho.access.store import whatifs as store
from sekisho.access.store.whatifs import WhatIf
from sekisho.controls.service import catalogue_in_force
from sekisho.devices.model import Device, DeviceState
from sekisho.devices.service import front
from sekisho.identity.model import Strength
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.principal import SYSTEM

MOST_DEVICES = 30_000
MOST_ROWS = 500
_BATCH = 200
_SECONDS = 0.6  # of one turn of the worker
_DAY = timedelta(hours=8)
_RULES = "whatif-rules"


@dataclass(frozen=True, slots=True)
class Pair:
    """Somebody at a device in front of a resource, decided twice."""

    signals: Signals
    resource: Resource
    before: Decision
    after: Decision


def ask_whatif(
    tx: Transaction, policies: Sequence[Policy], *, controls: Sequence[str] = ()
) -> WhatIf:
    """Ask what other policies would change; ``controls`` are rules every device must then keep.

    Needs ``access.read``; raises InvalidInputError where a policy cannot be taken.
    """
    tx.principal.require("access.read")
    if faults := check_policies(policies):
        raise InvalidInputError(
            msg("The policy “%(id)s” cannot be taken. %(why)s",
                id=faults[0].policy_id, why=faults[0].text)
        )  # fmt: skip
    wanted = [asdict(policy) for policy in policies]
    if controls:
        wanted.append(asdict(_required(controls)))
    job = WhatIf(
        new_id("wif"), "running", tx.principal.person_id or tx.principal.reference, tx.now,
        {"policies": wanted}, 0, len(_devices(tx)),
        {"lost": 0, "gained": 0, "kept": 0, "rows": [], "sessions": [], "all": _count_all(tx)},
    )  # fmt: skip
    store.insert_whatif(tx, job)
    return job


def _required(controls: Sequence[str]) -> Policy:
    strange = sorted(set(controls) - catalogue_in_force().controls.keys())
    if strange:
        raise InvalidInputError(
            msg("There is no rule “%(id)s” in the catalogue.", id=strange[0][:60])
        )
    form = PolicyForm(effect=Effect.FORBID, trusts=(), controls=tuple(controls))
    return Policy(_RULES, write_form(_RULES, form))


def get_whatif(tx: Transaction, job_id: str) -> WhatIf:
    """Return how far it has come and what was found. Needs ``access.read``."""
    tx.principal.require("access.read")
    found = store.find_whatif(tx, job_id)
    if found is None:
        raise NotFoundError(msg("There is no such question."))
    return found


def advance_whatifs(database: Database) -> None:
    """Go on with the oldest open question for a while (worker)."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        with database.write(SYSTEM) as tx:
            job = store.find_running(tx)
            if job is None:
                return
            _advance(tx, job)


def _advance(tx: Transaction, job: WhatIf) -> None:
    devices = _devices(tx)[job.done : job.done + _BATCH]
    after = Book(0, [Policy(**each) for each in job.proposal["policies"]])
    before = book_in_force(tx)
    result = dict(job.result)
    if job.done == 0:
        result["sessions"] = _ending_sessions(tx, before, after)
    for pair in _pairs(tx, devices, before, after):
        _count(result, pair)
    done = job.done + len(devices)
    over = done >= job.total or not devices
    store.update_whatif(tx, job.id, done=done, result=result, state="done" if over else "running")


def _devices(tx: Transaction) -> list[Device]:
    """Return the devices that are tried: all, or every n-th of very many."""
    every = _all_devices(tx)
    step = -(-len(every) // MOST_DEVICES) or 1
    return every[::step]


def _all_devices(tx: Transaction) -> list[Device]:
    found = [d for d in front.list_all(tx) if d.owner_id and d.state is DeviceState.ACTIVE]
    return sorted(found, key=lambda device: device.id)


def _count_all(tx: Transaction) -> int:
    return len(_all_devices(tx))


def _pairs(tx: Transaction, devices: Sequence[Device], before: Book, after: Book) -> list[Pair]:
    resources = [each for each in resource_store.list_resources(tx) if each.enabled]
    if not resources or not devices:
        return []
    serials = front.list_serials(tx, [device.id for device in devices])
    requests = [
        AccessRequest(
            PersonID(device.owner_id or ""), resources[0].id, "", Door.DEVICE, "",
            device.id, serials.get(device.id, ""),
        )
        for device in devices
    ]  # fmt: skip
    found = []
    for signals in gather_signals(tx, requests):
        assumed = _signed_in(signals)
        found += [_decide(assumed, r, before, after) for r in resources if _differs(
            assumed, r, before, after)]  # fmt: skip
    return found


def _signed_in(signals: Signals) -> Signals:
    person = replace(
        signals.person, strength=Strength.RESISTANT, proved_at=signals.at,
        sign_in_ends=signals.at + _DAY,
    )  # fmt: skip
    device = signals.device and replace(signals.device, certified=True)
    return replace(signals, person=person, device=device, networks=signals.networks or frozenset())


def _differs(signals: Signals, resource: Resource, before: Book, after: Book) -> bool:
    """Tell whether the policies that can matter here differ at all; most do not."""
    who, where = make_memberships(signals), make_places(resource)
    old, new = before.shard(who, where), after.shard(who, where)
    return [each.policy for each in old.own] != [each.policy for each in new.own]


def _decide(signals: Signals, resource: Resource, before: Book, after: Book) -> Pair:
    old, new = decide(before, resource, signals), decide(after, resource, signals)
    return Pair(signals, resource, old, new)


def _count(result: dict[str, Any], pair: Pair) -> None:
    if pair.before.allow == pair.after.allow:
        result["kept"] += pair.after.allow
        return
    kind = "gained" if pair.after.allow else "lost"
    result[kind] += 1
    if len(result["rows"]) < MOST_ROWS:
        person, device = pair.signals.person, pair.signals.device
        result["rows"].append({
            "kind": kind, "person": person.person_id, "name": person.name,
            "device": device.title if device else "", "resource": pair.resource.id,
            "reason": pack_reason(pair.after.reasons[0]),
        })  # fmt: skip


def _ending_sessions(tx: Transaction, before: Book, after: Book) -> list[str]:
    """Return which live sessions would be cut at once."""
    live = session_store.list_live(tx, everything=True)
    resources = {each.id: each for each in resource_store.list_resources(tx)}
    signals = gather_signals(tx, [session.request for session in live]) if live else []
    return [
        session.id
        for session, each in zip(live, signals, strict=True)
        if decide(before, resources.get(session.resource_id), each).allow
        and not decide(after, resources.get(session.resource_id), each).allow
    ]


def forget_whatifs(tx: Transaction, before: datetime) -> None:
    """Delete old questions (worker, once a day)."""
    store.delete_before(tx, before)
