"""Exceptions from rules: ask, decide, take back, end. Every act leaves a record and is told.

Anybody signed in may ask for their own devices; for others it needs ``exceptions.write``, in the
unit of the person concerned. Deciding needs ``exceptions.approve`` there, and a role that the
organisation named for the rule's severity (``content/exceptions/rules.yaml``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo

from sekisho.controls import exceptions as engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import Actor, RuleException, Scope, ScopeKind, Wish
from sekisho.controls.model import Control
from sekisho.controls.service import telling
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.service.laying import devices_of, people_of
from sekisho.controls.service.scopes import is_there
from sekisho.controls.service.settling import settle_control
from sekisho.controls.store import exceptions as store
from sekisho.controls.store import laid, selections
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID, new_id

_SINGLE = frozenset({ScopeKind.DEVICE, ScopeKind.PERSON})
_EVERY = 10_000


def request_exception(
    tx: Transaction, wish: Wish, zone: tzinfo | None, *, renews: str = ""
) -> RuleException:
    """Ask for an exception; ``renews`` names the one it goes on from.

    Needs ``exceptions.request`` for one's own devices, ``exceptions.write`` for others. Raises
    InvalidInputError for an end or words that cannot be, NotFoundError for an unknown rule or
    scope, ConflictError if the same is being asked for already.
    """
    control = require_control(wish.control_id)
    require_scope(tx, wish.scope)
    _require_asking(tx, wish.scope)
    limit = engine.latest_end(control.severity, load_rules(), tx.now, zone)
    unit = unit_of(tx, wish.scope)
    by = actor_of(tx, unit)
    made = engine.request(new_id("exc"), wish, control.severity, by, limit, tx.now)
    if renews:
        made = engine.renew(made, require_exception(tx, renews))
    _refuse_twice(tx, made)
    store.insert_exceptions(tx, [(made, None)])
    _record(tx, "exception.requested", made)
    telling.tell_asked(tx, made, control, unit)
    return made


def approve_exception(tx: Transaction, exception_id: str, words: str = "") -> RuleException:
    """Put a request in force for every device it means.

    Needs ``exceptions.approve`` and a fresh proof of who decides: it opens access.
    """
    before = require_exception(tx, exception_id)
    by = _require_deciding(tx, before)
    tx.principal.require_fresh(tx.now)
    after = engine.approve(
        before, by, load_rules(), tx.now, profiting=_profiting(tx, before), words=words
    )
    _save(tx, before, after, "exception.approved")
    devices = devices_of(tx, after.scope)
    laid.lay(tx, [(device, after) for device in devices])
    settle_control(tx, after.control_id, devices)
    telling.tell_decided(tx, after)
    return after


def reject_exception(tx: Transaction, exception_id: str, words: str) -> RuleException:
    """Refuse a request with a reason. Needs ``exceptions.approve``."""
    before = require_exception(tx, exception_id)
    by = _require_deciding(tx, before)
    after = engine.reject(before, by, tx.now, words, profiting=_profiting(tx, before))
    _save(tx, before, after, "exception.rejected")
    telling.tell_decided(tx, after)
    return after


def withdraw_request(tx: Transaction, exception_id: str) -> RuleException:
    """Take back one's own request."""
    before = require_exception(tx, exception_id)
    after = engine.withdraw(before, actor_of(tx, None), tx.now)
    _save(tx, before, after, "exception.withdrawn")
    return after


def revoke_exception(tx: Transaction, exception_id: str, words: str) -> RuleException:
    """End an exception before its day: by whoever asked for it, or ``exceptions.approve``."""
    before = require_exception(tx, exception_id)
    by = actor_of(tx, unit_of(tx, before.scope))
    if by.person_id != before.requested_by:
        _require_over(tx, "exceptions.approve", before.scope)
    after = engine.revoke(before, by, tx.now, words)
    _save(tx, before, after, "exception.revoked")
    end_laying(tx, after)
    telling.tell_ended(tx, after)
    return after


def end_exceptions_of(tx: Transaction, person_id: str) -> list[str]:
    """End what was asked for or holds for a person who leaves; return which (identity.write).

    What holds for a group or unit stays: it never was theirs.
    """
    tx.principal.require("identity.write", standing.unit_of(tx, person_id))
    by = Actor(tx.principal.person_id or "", tx.principal.name)
    asked = store.ExceptionFilter(show="open", requested_by=person_id)
    held = store.ExceptionFilter(
        show="in_force", scope_kind=ScopeKind.PERSON.value, scope_id=person_id
    )
    ended: list[str] = []
    for wanted in (asked, held):
        found, _ = store.list_page(tx, wanted, tx.now, sort="until", offset=0, limit=_EVERY)
        for before in found:
            after = engine.end_of_leaver(before, by, tx.now)
            _save(tx, before, after, f"exception.{after.state}")
            end_laying(tx, after)
            ended.append(before.id)
    return ended


def end_laying(tx: Transaction, exception: RuleException) -> None:
    """Take an exception from its devices; what fails comes back as a finding at once.

    The rows stay, with the end that came to be, to tell later whether the rule is kept by now.
    """
    devices = laid.list_laid(tx, exception.id)
    ended = replace(exception, until=min(exception.until, tx.now))
    laid.lay(tx, [(device, ended) for device in devices])
    settle_control(tx, exception.control_id, devices)


def require_control(control_id: ControlID) -> Control:
    """Return a rule in force; raise NotFoundError."""
    control = catalogue_in_force().controls.get(control_id)
    if control is None:
        raise NotFoundError(
            msg("There is no rule “%(id)s” in the catalogue.", id=control_id[:60]),
            hint=msg("Look for it in the list of rules."),
        )
    return control


def require_exception(tx: Transaction, exception_id: str) -> RuleException:
    """Return an exception that the caller may know of; raise NotFoundError."""
    found = store.find_exception(tx, exception_id)
    if found is None or not may_read(tx, found):
        raise NotFoundError(
            msg("There is no exception %(id)s.", id=exception_id[:60]),
            hint=msg("Look for it in the list of exceptions."),
        )
    return found


def may_read(tx: Transaction, exception: RuleException) -> bool:
    """Tell whether the caller asked for it, profits from it, or has ``exceptions.read`` there."""
    if _allows_over(tx, "exceptions.read", exception.scope):
        return True
    person = tx.principal.person_id
    single = exception.scope.kind in _SINGLE
    return person is not None and (
        person == exception.requested_by or (single and person in people_of(tx, exception.scope))
    )


def require_scope(tx: Transaction, scope: Scope) -> None:
    """Return if there is such a device, person, group or unit; raise NotFoundError."""
    device = scope.kind is ScopeKind.DEVICE
    found = laid.find_owners(tx, [scope.id]) if device else is_there(tx, scope)
    if not found:
        raise NotFoundError(
            msg("There is no %(kind)s %(id)s that an exception could be for.",
                kind=telling.SCOPE_WORDS[scope.kind], id=scope.id[:60]),
            hint=msg("Choose one from the list."),
        )  # fmt: skip


def unit_of(tx: Transaction, scope: Scope) -> str | None:
    """Return the unit whose rights decide; None for what only the whole organisation may judge.

    That is a group, and a selection whose devices do not all belong to one unit.
    """
    if scope.kind is ScopeKind.UNIT:
        return scope.id
    if scope.kind is ScopeKind.GROUP:
        return None
    if scope.kind is ScopeKind.SELECTION:
        return _unit_of_all(tx, selections.list_people(tx, scope.id))
    people = people_of(tx, scope)
    return standing.unit_of(tx, people[0]) if people else None


def _unit_of_all(tx: Transaction, people: Sequence[str | None]) -> str | None:
    units = standing.units_of(tx, people)
    found = {units.get(person or "") for person in people}
    return found.pop() if len(found) == 1 else None


def actor_of(tx: Transaction, unit: str | None) -> Actor:
    """Return the person who acts, with the roles that reach ``unit``.

    Raises NotPermittedError for devices, commands and Sekisho itself: a person answers for an
    exception.
    """
    return _find_actor(tx)(unit)


def _find_actor(tx: Transaction) -> Callable[[str | None], Actor]:
    """Return what tells the caller with the roles that reach a unit; read once for many units."""
    person = identity.find_person(tx, tx.principal.person_id or "")
    if person is None:
        raise NotPermittedError(
            msg("An exception is asked for and decided by a person."),
            hint=msg("Sign in and do it on the page of exceptions."),
        )
    known = frozenset(role.value for role in person.roles)
    reached = [
        (held.role.value, standing.units_below(tx, [held.unit_id or ""]))
        for held in person.unit_roles
    ]
    return lambda unit: Actor(
        person.id, person.name, known | {role for role, units in reached if unit in units}
    )


def _require_asking(tx: Transaction, scope: Scope) -> None:
    person = tx.principal.person_id
    own = scope.kind in _SINGLE and person is not None and people_of(tx, scope) == [person]
    if own and tx.principal.allows("exceptions.request"):
        return
    _require_over(tx, "exceptions.write", scope)


def _require_deciding(tx: Transaction, exception: RuleException) -> Actor:
    _require_over(tx, "exceptions.approve", exception.scope)
    return actor_of(tx, unit_of(tx, exception.scope))


def _allows_over(tx: Transaction, right: str, scope: Scope) -> bool:
    """Tell whether the caller has a right over a scope; over a selection: over every device."""
    reach = tx.principal.reach(right)
    if reach is None or scope.kind is not ScopeKind.SELECTION:
        return reach is None or tx.principal.allows(right, unit_of(tx, scope))
    people = selections.list_people(tx, scope.id)
    units = standing.units_of(tx, people)
    return bool(people) and all(units.get(person or "") in reach for person in people)


def _require_over(tx: Transaction, right: str, scope: Scope) -> None:
    if not _allows_over(tx, right, scope):
        tx.principal.require(right)


def may_approve(tx: Transaction, exception: RuleException) -> bool:
    """Tell whether a request waits for the caller: they have the right, the role, no interest."""
    return bool(list_approvable(tx, [exception]))


def list_approvable(tx: Transaction, exceptions: Sequence[RuleException]) -> list[RuleException]:
    """Return those of many requests that wait for the caller, in their order."""
    if tx.principal.person_id is None or not tx.principal.holds("exceptions.approve"):
        return []
    actor, rules = _find_actor(tx), load_rules()
    people = _find_people(tx, [each.scope for each in exceptions if each.scope.kind in _SINGLE])
    units = standing.units_of(tx, people.values())

    def waits(each: RuleException) -> bool:
        unit: str | None
        if each.scope in people:
            person = people[each.scope]
            unit, profiting = units.get(person or ""), frozenset([person] if person else [])
        else:
            unit, profiting = unit_of(tx, each.scope), _profiting(tx, each)
        return tx.principal.allows("exceptions.approve", unit) and engine.may_approve(
            each, actor(unit), rules, profiting
        )

    return [each for each in exceptions if waits(each)]


def _find_people(tx: Transaction, single: Sequence[Scope]) -> dict[Scope, str | None]:
    """Return whom each scope stands for that means one person or one device; None for nobody."""
    owners = laid.find_owners(tx, [s.id for s in single if s.kind is ScopeKind.DEVICE])
    return {s: s.id if s.kind is ScopeKind.PERSON else owners.get(s.id) for s in single}


def _profiting(tx: Transaction, exception: RuleException) -> frozenset[str]:
    """Return whom a request is for; the many of a group or unit are nobody in particular.

    A selection is: whoever picked the devices could have picked those of whoever decides.
    """
    single = exception.scope.kind in {*_SINGLE, ScopeKind.SELECTION}
    return frozenset(people_of(tx, exception.scope)) if single else frozenset()


def _refuse_twice(tx: Transaction, made: RuleException) -> None:
    if store.has_open_request(tx, made):
        raise ConflictError(
            msg("The same exception has been asked for and waits for a decision."),
            hint=msg("Take back the earlier request first, or wait for the answer."),
        )


def _save(tx: Transaction, before: RuleException, after: RuleException, kind: str) -> None:
    turns_at = engine.next_turn(after, load_rules())
    if not store.save_exception(tx, after, turns_at, before.state):
        raise ConflictError(
            msg("Somebody else decided on this exception meanwhile; nothing was changed."),
            hint=msg("Load the page again to see what became of it."),
        )
    _record(tx, kind, after)


def _record(tx: Transaction, kind: str, exception: RuleException) -> None:
    evidence.record(
        tx,
        kind=kind,
        subject=f"exception:{exception.id}",
        detail=describe(exception),
        person=exception.requested_by or None,
    )


def describe(exception: RuleException) -> Mapping[str, object]:
    """Return what a record tells of an exception."""
    scope = exception.scope
    return {
        "control": exception.control_id,
        "severity": exception.severity.value,
        "scope": f"{scope.kind}:{scope.id}",
        "ownership": scope.ownership.value if scope.ownership is not None else None,
        "state": exception.state.value,
        "reason": exception.reason,
        "measure": exception.measure,
        "until": exception.until.isoformat(),
        "renews": exception.renews,
        "renewals": exception.renewals,
        "because": exception.ended_because or exception.settled_because,
        "paper": exception.paper,
    }
