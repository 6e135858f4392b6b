"""My apps: what a person can reach, from what, and what is in the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sekisho.access.model import AccessRequest, Decision, Door, Reason, Resource
from sekisho.access.service.asking import list_approvers
from sekisho.access.service.deciding import decide_many
from sekisho.access.store import requests as request_store
from sekisho.access.store import resources as store
from sekisho.access.store.requests import Ask
from sekisho.devices.model import Device, DeviceState
from sekisho.devices.service import front
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID

# What is not meant for somebody is not shown as closed: the list is theirs, not everybody's.
_NOT_MEANT = frozenset({"sekisho.no-policy", "sekisho.no-resource"})


class AppState(StrEnum):
    """How an app stands for a person, best first."""

    OPEN = "open"
    FIX = "fix"
    REQUEST = "request"
    WAITING = "waiting"


WORDS_OF_APP = {
    AppState.OPEN: msg("Ready to use"),
    AppState.FIX: msg("Something is in the way"),
    AppState.REQUEST: msg("On request"),
    AppState.WAITING: msg("Waits for an answer"),
}


@dataclass(frozen=True, slots=True)
class App:
    """One app of a person; ``from_what`` names the device (or any browser) that fits best."""

    resource: Resource
    state: AppState
    reasons: tuple[Reason, ...]
    from_what: Text | str
    granted_until: datetime | None = None
    ask: Ask | None = None


def list_own_apps(tx: Transaction) -> list[App]:
    """List what the person who asks can reach or could, the open ones first. ``self.read``."""
    tx.principal.require("self.read")
    person = PersonID(tx.principal.person_id or "-")
    devices = [d for d in front.list_owned(tx, person) if d.state is not DeviceState.WITHDRAWN]
    serials = front.list_serials(tx, [device.id for device in devices])
    resources = [each for each in store.list_resources(tx) if each.enabled]
    ways = [(r, d) for r in resources for d in (*devices, None)]
    decisions = decide_many(tx, [_request(tx, person, r, d, serials) for r, d in ways])
    tried: dict[str, list[tuple[Device | None, Decision]]] = {}
    for (resource, device), decision in zip(ways, decisions, strict=True):
        tried.setdefault(resource.id, []).append((device, decision))
    asks = {a.resource_id: a for a in reversed(request_store.list_asks(tx, person_id=person))}
    ways_to_ask = list_approvers(tx, person, resources)
    found = [
        _app(tx, r, tried[r.id], asks.get(r.id), on_request=ways_to_ask[r.id] is not None)
        for r in resources
    ]
    kept = [app for app in found if app is not None]
    order = list(AppState)
    return sorted(kept, key=lambda app: (order.index(app.state), app.resource.key))


def _request(
    tx: Transaction, person: PersonID, resource: Resource, device: Device | None,
    serials: dict[str, str],
) -> AccessRequest:  # fmt: skip
    door = Door.DEVICE if device else Door.BROWSER
    serial = serials.get(device.id, "") if device else ""
    return AccessRequest(
        person, resource.id, tx.principal.session_id or "", door, tx.principal.address or "",
        device.id if device else None, serial,
    )  # fmt: skip


def _app(
    tx: Transaction, resource: Resource, tried: Sequence[tuple[Device | None, Decision]],
    ask: Ask | None, *, on_request: bool,
) -> App | None:  # fmt: skip
    device, best = min(tried, key=_distance)
    waiting = ask if ask and ask.state == request_store.WAITING else None
    granted = ask if ask and ask.state == request_store.GRANTED else None
    until = granted.ends_at if granted and granted.ends_at and granted.ends_at > tx.now else None
    where = device.title if device else msg("Any browser")
    if best.allow:
        return App(resource, AppState.OPEN, (), where, until, ask)
    if waiting:
        return App(resource, AppState.WAITING, (), where, until, waiting)
    offered = until is None and on_request
    ids = {reason.id for reason in best.reasons}
    if offered and "sekisho.needs-request" in ids:
        return App(resource, AppState.REQUEST, (), where, until, ask)
    if ids & _NOT_MEANT and not offered:
        return None
    return App(resource, AppState.FIX, best.reasons, where, until, ask)


def _distance(way: tuple[Device | None, Decision]) -> tuple[bool, bool, int]:
    """Say how far a way is from open: what another device would mend counts last."""
    _, decision = way
    wrong_device = any(reason.id == "sekisho.trust-too-low" for reason in decision.reasons)
    return not decision.allow, wrong_device, len(decision.reasons)


def explain_own(tx: Transaction, resource_id: str) -> list[tuple[Text | str, Decision]]:
    """Say for each of one's devices and for a browser whether a resource opens, and why not."""
    tx.principal.require("self.read")
    resource = store.find_resource(tx, resource_id)
    if resource is None:
        return []
    person = PersonID(tx.principal.person_id or "-")
    devices: list[Device | None] = [*front.list_owned(tx, person), None]
    serials = front.list_serials(tx, [d.id for d in devices if d])
    requests = [_request(tx, person, resource, d, serials) for d in devices]
    names = [d.title if d else msg("Any browser") for d in devices]
    return list(zip(names, decide_many(tx, requests), strict=True))
