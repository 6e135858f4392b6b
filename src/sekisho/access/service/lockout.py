"""Would this version shut out every administrator? Then it is refused, with the reason.

Asked at the best of times: signed in just now with a passkey, from every named network, in
working hours, on a device that stands well. Whoever gets in nowhere even so would be shut out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from sekisho.access.engine.book import Book
from sekisho.access.engine.deciding import decide
from sekisho.access.model import AccessRequest, DeviceFacts, Door, Resource, Signals
from sekisho.access.service.gathering import gather_signals, read_networks
from sekisho.access.store import resources as resource_store
from sekisho.controls import service as controls
from sekisho.identity import service as identity
from sekisho.identity.model import Strength
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import DeviceID, PersonID

_ADMIN_RIGHT = "settings.write"  # what only administrators have
_DAY = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class _Way:
    resource: Resource
    open_before: bool  # or open after, which is no loss either
    open_after: bool


def refuse_lockout(tx: Transaction, before: Book, after: Book) -> None:
    """Return if some administrator keeps a way in; raise ConflictError otherwise.

    Guarded resources (``guards_admins``) count each for itself; without any, one of all is
    enough. What no administrator could open before cannot be lost.
    """
    ways = [way for way in _ways(tx, before, after) if way.open_before]
    guarded = [way for way in ways if way.resource.guards_admins]
    lost = [way for way in guarded if not way.open_after]
    if ways and not guarded and not any(way.open_after for way in ways):
        lost = ways
    if lost:
        name = lost[0].resource
        raise ConflictError(
            msg("With this version no administrator could open “%(name)s” any more.",
                name=name.named("en")),
            hint=msg("Leave at least one administrator a way in; nothing was stored."),
        )  # fmt: skip


def _ways(tx: Transaction, before: Book, after: Book) -> Iterator[_Way]:
    best = list(_best_signals(tx))
    for resource in resource_store.list_resources(tx):
        if resource.enabled:
            kept = any(decide(after, resource, signals).allow for signals in best)
            had = kept or any(decide(before, resource, signals).allow for signals in best)
            yield _Way(resource, had, kept)


def _best_signals(tx: Transaction) -> Iterator[Signals]:
    admins = [each.id for each in identity.list_holders(tx, _ADMIN_RIGHT)]
    first = resource_store.list_resources(tx)[:1]
    if not first:
        return
    requests = [AccessRequest(PersonID(a), first[0].id, "", Door.BROWSER, "") for a in admins]
    names = frozenset(name for name, _, _ in read_networks(tx))
    for signals in gather_signals(tx, requests):
        for hours in range(0, 7 * 24, 12):  # somewhere in a week everything is open
            yield from _at_best(signals, names, timedelta(hours=hours))


def _at_best(signals: Signals, names: frozenset[str], later: timedelta) -> Iterator[Signals]:
    every = frozenset(map(str, controls.catalogue_in_force().controls))
    at = signals.at + later
    person = replace(
        signals.person, strength=Strength.RESISTANT, proved_at=at, sign_in_ends=at + _DAY
    )
    browser = replace(
        signals, at=at, person=person, networks=names, address="127.0.0.1",
        country=signals.country or person.country or "JP", findings=0, granted_until=at + _DAY,
    )  # fmt: skip
    yield browser
    for managed in (True, False):
        device = DeviceFacts(
            device_id=DeviceID("best"), title="", state="active", managed=managed,
            owner_id=person.person_id, certified=True, is_agent=True, posture="fine",
            passing=every, answered_at=at, valid_until=at + _DAY,
        )  # fmt: skip
        yield replace(browser, door=Door.DEVICE, device=device)
