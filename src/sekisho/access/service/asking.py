"""Temporary access: asked for with a reason, granted by somebody else, ended by the clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sekisho.access.engine.context import make_memberships, make_places
from sekisho.access.model import AccessRequest, Door, Resource, ResourceID
from sekisho.access.service import telling
from sekisho.access.service.books import book_in_force
from sekisho.access.service.gathering import gather_signals
from sekisho.access.store import requests as store
from sekisho.access.store import resources as resource_store
from sekisho.access.store.requests import Ask
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.changes import note_changes
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.principal import PrincipalKind
from sekisho.notices.model import Holders, People, Reach

LONGEST_MINUTES = 24 * 60
_LONGEST_REASON = 1_000
_MOST_WAITING = 20


def ask_for_access(tx: Transaction, resource_id: str, reason: str, minutes: int) -> Ask:
    """Ask to reach a resource for a time. Needs ``access.request``.

    Raises InvalidInputError for an empty reason or an endless time, NotPermittedError where no
    policy offers it to this person.
    """
    tx.principal.require("access.request")
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise NotPermittedError(msg("Only a person can ask for access."))
    person = tx.principal.id
    _check(reason, minutes)
    resource = resource_store.find_resource(tx, resource_id)
    ways = approvers_of(tx, person, resource) if resource and resource.enabled else None
    if resource is None or ways is None:
        raise NotPermittedError(
            msg("Access to this is not given on request."),
            hint=msg("Ask your administrator which way is meant for you."),
        )
    _refuse_flood(tx, person, resource)
    ask = Ask(new_id("ask"), person, resource.id, reason.strip(), minutes, store.WAITING, tx.now)
    store.insert_ask(tx, ask)
    _record(tx, "access.requested", ask)
    telling.tell_asked(tx, ask, resource, _reach(tx, person, ways))
    return ask


def approvers_of(tx: Transaction, person_id: str, resource: Resource) -> str | None:
    """Return who grants this person a resource ("" = ``access.approve``); None: not on request."""
    return list_approvers(tx, person_id, [resource])[resource.id]


def list_approvers(
    tx: Transaction, person_id: str, resources: Sequence[Resource]
) -> dict[str, str | None]:
    """Return what ``approvers_of`` says of each resource: who a person is is read once."""
    request = AccessRequest(PersonID(person_id), ResourceID(""), "", Door.BROWSER, "")
    who = make_memberships(gather_signals(tx, [request])[0])
    book = book_in_force(tx)
    offers = {
        resource.id: [
            each.policy.approvers
            for each in book.shard(who, make_places(resource)).own
            if each.effect == "permit" and "granted" in each.attributes
        ]
        for resource in resources
    }
    return {name: min(found) if found else None for name, found in offers.items()}


def decide_ask(tx: Transaction, ask_id: str, *, grant: bool, words: str = "") -> Ask:
    """Grant or refuse a request; nobody decides about their own. Needs a fresh proof."""
    ask = get_ask(tx, ask_id)
    _require_decider(tx, ask)
    tx.principal.require_fresh(tx.now)
    if ask.state != store.WAITING:
        raise ConflictError(msg("This request was decided already."))
    ends = tx.now + timedelta(minutes=ask.minutes) if grant else None
    made = replace(
        ask, state=store.GRANTED if grant else "refused", decider=tx.principal.person_id,
        decided_at=tx.now, words=words.strip()[:500], ends_at=ends,
    )  # fmt: skip
    _save(tx, made)
    _record(tx, "access.granted" if grant else "access.refused", made)
    resource = resource_store.find_resource(tx, ask.resource_id)
    if resource is not None:
        telling.tell_decided(tx, made, resource, granted=grant)
    return made


def withdraw_ask(tx: Transaction, ask_id: str) -> None:
    """Take one's own request back, or give granted access up early."""
    ask = store.find_ask(tx, ask_id)
    if ask is None or ask.person_id != tx.principal.person_id:
        raise NotFoundError(msg("There is no such request of yours."))
    if ask.state not in {store.WAITING, store.GRANTED}:
        raise ConflictError(msg("This request was decided already."))
    _save(tx, replace(ask, state="withdrawn", ends_at=tx.now if ask.ends_at else None))
    _record(tx, "access.withdrawn", ask)


def end_asks_of(tx: Transaction, person_id: str) -> list[str]:
    """End what somebody who leaves asked for or was granted; return which requests.

    Needs ``identity.write`` over them.
    """
    tx.principal.require("identity.write", identity.unit_of(tx, person_id))
    found = [
        ask
        for state in (store.WAITING, store.GRANTED)
        for ask in store.list_asks(tx, person_id=person_id, state=state)
    ]
    for ask in found:
        _save(tx, replace(ask, state="withdrawn", ends_at=tx.now if ask.ends_at else None))
        _record(tx, "access.withdrawn", ask)
    return [ask.id for ask in found]


def end_granted(tx: Transaction) -> int:
    """Write down that granted times are over (worker); they ended by the clock already."""
    over = store.list_over(tx)
    for ask in over:
        store.update_ask(tx, ask.id, state="ended")
        _record(tx, "access.grant_ended", ask)
    return len(over)


def get_ask(tx: Transaction, ask_id: str) -> Ask:
    """Return a request: one's own, one to decide, or any with ``access.read``."""
    ask = store.find_ask(tx, ask_id)
    if ask is not None and (ask.person_id == tx.principal.person_id or may_decide(tx, ask)):
        return ask
    tx.principal.require("access.read")
    if ask is None:
        raise NotFoundError(msg("There is no request %(id)s.", id=ask_id[:40]))
    return ask


def list_asks(tx: Transaction, *, state: str = "", page: int = 1) -> list[Ask]:
    """List requests, the newest first. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.list_asks(tx, state=state, offset=(max(1, page) - 1) * 100)


def list_own_asks(tx: Transaction) -> list[Ask]:
    """List one's own requests."""
    tx.principal.require("self.read")
    return store.list_asks(tx, person_id=tx.principal.person_id or "-")


def may_decide(tx: Transaction, ask: Ask) -> bool:
    """Tell whether the one who asks may grant this request; never one's own."""
    me = tx.principal.person_id
    if me is None or me == ask.person_id:
        return False
    resource = resource_store.find_resource(tx, ask.resource_id)
    way = approvers_of(tx, ask.person_id, resource) if resource else ""
    if way == "manager":
        return identity.manager_of(tx, ask.person_id) == me
    if way and way.startswith("group:"):
        return way.removeprefix("group:") in identity.groups_of(tx, me)
    return tx.principal.allows("access.approve")


def _require_decider(tx: Transaction, ask: Ask) -> None:
    if not may_decide(tx, ask):
        raise NotPermittedError(
            msg("You cannot decide about this request."),
            hint=msg("Nobody decides about their own; the policy names who does."),
        )


def _reach(tx: Transaction, person_id: str, way: str) -> Reach:
    if way == "manager":
        manager = identity.manager_of(tx, person_id)
        return People([manager]) if manager else Holders("access.approve")
    if way.startswith("group:"):
        return People(identity.members_of(tx, way.removeprefix("group:")))
    return Holders("access.approve")


def _check(reason: str, minutes: int) -> None:
    if not 1 <= len(reason.strip()) <= _LONGEST_REASON:
        raise InvalidInputError(
            msg("Say why, in 1 to %(n)s characters.", n=_LONGEST_REASON),
            hint=msg("Whoever decides reads it."),
        )
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise InvalidInputError(msg("Access is asked for 1 minute to 24 hours."))


def _refuse_flood(tx: Transaction, person_id: str, resource: Resource) -> None:
    mine: Sequence[Ask] = store.list_asks(tx, person_id=person_id, state=store.WAITING)
    if any(ask.resource_id == resource.id for ask in mine) or len(mine) >= _MOST_WAITING:
        raise ConflictError(
            msg("You asked for this already; the answer is awaited."),
            hint=msg("Take the request back if you want to change it."),
        )


def _save(tx: Transaction, ask: Ask) -> None:
    names = ("state", "decider", "decided_at", "words", "ends_at")
    store.update_ask(tx, ask.id, **{name: getattr(ask, name) for name in names})
    note_changes(tx, [f"person:{ask.person_id}"])


def _record(tx: Transaction, kind: str, ask: Ask) -> None:
    detail: dict[str, object] = {
        "request": ask.id, "resource": ask.resource_id, "reason": ask.reason,
        "minutes": ask.minutes, "words": ask.words,
        "ends_at": ask.ends_at.isoformat() if ask.ends_at else None,
    }  # fmt: skip
    evidence.record(
        tx, kind=kind, subject=f"person:{ask.person_id}", detail=detail, person=ask.person_id
    )
