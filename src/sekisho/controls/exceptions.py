"""Exceptions from rules: asked for, decided by somebody else, ended. Pure: no clock, no database.

- An exception always ends, at the latest after what its rule's severity allows.
- Nobody decides on what they asked for or profit from: people are compared by their id, whatever
  roles they hold.
- What has ended stays as it was; asking for more time is a new request that names the old one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from sekisho.controls.model import Proof, Severity
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotPermittedError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.wire.kit import Ownership

LONGEST_TEXT = 2000
_SHORTEST_TEXT = 4


class ScopeKind(StrEnum):
    """For whom an exception holds."""

    DEVICE = "device"
    PERSON = "person"
    GROUP = "group"
    UNIT = "unit"
    SELECTION = "selection"  # devices that somebody picked out of a list, as they were then


class ExceptionState(StrEnum):
    """Where a request or an exception stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom: a device, those of a person, group or unit, or a selection; of one kind or both."""

    kind: ScopeKind
    id: str
    ownership: Ownership | None = None


@dataclass(frozen=True, slots=True)
class Covered:
    """A device as scopes see it."""

    device_id: DeviceID
    ownership: Ownership
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who asks or decides, with the roles held now."""

    person_id: str
    name: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one severity allows: how many days at most, and which roles may approve."""

    longest_days: int
    approvers: frozenset[str]
    why: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExceptionRules:
    """The organisation's rules: by severity, when to remind, and what decides on access."""

    limits: Mapping[Severity, Limits]
    reminder_days: tuple[int, ...]
    blocking: frozenset[Severity]
    required_proofs: frozenset[Proof]
    as_of: datetime
    source: str = ""


@dataclass(frozen=True, slots=True)
class RuleException:
    """One request and what became of it.

    ``renews`` is the exception this one goes on from, ``renewals`` how many came before, and
    ``began_at`` when the first of them was asked for;
    ``paper`` says where it stood before it was imported ("" for what was asked for here).
    ``settled_*`` tell who approved or rejected it, ``ended_*`` who ended it early.
    """

    id: str
    control_id: ControlID
    severity: Severity
    scope: Scope
    reason: str
    measure: str
    state: ExceptionState
    requested_by: str
    requester: str
    requested_at: datetime
    until: datetime
    began_at: datetime
    settled_by: str = ""
    settler: str = ""
    settled_at: datetime | None = None
    settled_because: str = ""
    ended_by: str = ""
    ender: str = ""
    ended_at: datetime | None = None
    ended_because: str = ""
    renews: str | None = None
    renewals: int = 0
    paper: str = ""
    reminded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    control_id: ControlID
    scope: Scope
    reason: str
    measure: str
    until: datetime


def end_of_day(day: date, zone: tzinfo | None) -> datetime:
    """Return the first moment after ``day`` in ``zone`` (None: this machine's).

    An exception "until the 29th" holds through the whole 29th. Where a clock change makes
    midnight occur twice the first counts; where it leaves midnight out, the moment of the change.
    """
    midnight = datetime.combine(day + timedelta(days=1), time())
    local = midnight.replace(tzinfo=zone) if zone is not None else midnight.astimezone()
    return local.astimezone(UTC)


def last_day(until: datetime) -> datetime:
    """Return a moment of the last day on which an exception until ``until`` holds, to be shown."""
    return until - timedelta(seconds=1)


def latest_end(
    severity: Severity, rules: ExceptionRules, now: datetime, zone: tzinfo | None
) -> datetime:
    """Return the last moment to which an exception asked for at ``now`` may go."""
    days = rules.limits[severity].longest_days
    return end_of_day(now.astimezone(zone).date() + timedelta(days=days), zone)


def request(
    new_id: str, wish: Wish, severity: Severity, by: Actor, limit: datetime, now: datetime
) -> RuleException:
    """Return a new request; ``limit`` is the latest end that the rule's severity allows.

    Raises InvalidInputError for an end that is past or too far, and for words that say nothing.
    """
    _check_end(wish.until, limit, now)
    return RuleException(
        new_id, wish.control_id, severity, wish.scope, _check_words(wish.reason, msg("reason")),
        _check_words(wish.measure, msg("compensating measure")), ExceptionState.REQUESTED,
        by.person_id, by.name, now, wish.until, now,
    )  # fmt: skip


def renew(made: RuleException, old: RuleException) -> RuleException:
    """Tie a new request to the exception it goes on from, and count.

    Raises ConflictError if the old one was never in force or is about something else.
    """
    lasted = old.state in {
        ExceptionState.APPROVED, ExceptionState.EXPIRED, ExceptionState.REVOKED,
    }  # fmt: skip
    if not lasted or (old.control_id, old.scope) != (made.control_id, made.scope):
        raise ConflictError(
            msg("Only an exception that was in force can be renewed, for the same rule and scope."),
            hint=msg("Ask for a new exception instead."),
        )
    return replace(made, renews=old.id, renewals=old.renewals + 1, began_at=old.began_at)


def mark_paper(exception: RuleException, paper: str, began_at: datetime | None) -> RuleException:
    """Note that an exception held on paper before: where it is written, and since when."""
    return replace(exception, paper=paper, began_at=began_at or exception.began_at)


def approve(
    exception: RuleException,
    by: Actor,
    rules: ExceptionRules,
    now: datetime,
    *,
    profiting: frozenset[str] = frozenset(),
    words: str = "",
) -> RuleException:
    """Put a request in force. ``profiting`` are the people it is for, as far as they are few.

    Raises ConflictError if it is not open or its end has passed meanwhile, NotPermittedError for
    whoever asked, profits or has no role that may approve this severity.
    """
    _require_open_request(exception, now)
    _refuse_own(exception, by, profiting)
    allowed = rules.limits[exception.severity].approvers
    if not by.roles & allowed:
        raise NotPermittedError(
            msg("An exception from this rule is approved by one of these roles: %(roles)s.",
                roles=", ".join(sorted(allowed))),
            hint=msg("Hand it on to somebody who has one of them."),
        )  # fmt: skip
    return _settle(exception, ExceptionState.APPROVED, by, now, words)


def may_approve(
    exception: RuleException, by: Actor, rules: ExceptionRules, profiting: frozenset[str]
) -> bool:
    """Tell whether ``approve`` would let this person decide, as far as it is about them."""
    own = by.person_id == exception.requested_by or by.person_id in profiting
    return not own and bool(by.roles & rules.limits[exception.severity].approvers)


def reject(
    exception: RuleException, by: Actor, now: datetime, words: str,
    *, profiting: frozenset[str] = frozenset(),
) -> RuleException:  # fmt: skip
    """Refuse a request with a reason. Raises as ``approve`` does."""
    _require_open_request(exception, now, late_too=True)
    _refuse_own(exception, by, profiting)
    return _settle(exception, ExceptionState.REJECTED, by, now, _check_words(words, msg("reason")))


def withdraw(exception: RuleException, by: Actor, now: datetime) -> RuleException:
    """Take back one's own request. Raises ConflictError and NotPermittedError."""
    _require_open_request(exception, now, late_too=True)
    if by.person_id != exception.requested_by:
        raise NotPermittedError(
            msg("Only %(name)s, who asked, can take this request back.", name=exception.requester),
            hint=msg("Reject it instead, with a reason."),
        )
    return _end(exception, ExceptionState.WITHDRAWN, by, now, "")


def revoke(exception: RuleException, by: Actor, now: datetime, words: str) -> RuleException:
    """End an exception before its day. Raises ConflictError if it is not in force."""
    if state_at(exception, now) is not ExceptionState.APPROVED:
        raise ConflictError(
            msg("There is no exception in force."), hint=msg("Load the page again.")
        )
    return _end(exception, ExceptionState.REVOKED, by, now, _check_words(words, msg("reason")))


def end_of_leaver(exception: RuleException, by: Actor, now: datetime) -> RuleException:
    """Return a request or an exception as it ends because its person leaves."""
    waits = exception.state is ExceptionState.REQUESTED
    state = ExceptionState.WITHDRAWN if waits else ExceptionState.REVOKED
    return _end(exception, state, by, now, "the person left")


def state_at(exception: RuleException, now: datetime) -> ExceptionState:
    """Return the state at ``now``: an exception is over the very moment its end has come."""
    if exception.state is ExceptionState.APPROVED and exception.until <= now:
        return ExceptionState.EXPIRED
    return exception.state


def is_in_force(exception: RuleException, now: datetime) -> bool:
    """Tell whether the exception lies over verdicts at ``now``."""
    return state_at(exception, now) is ExceptionState.APPROVED


def expire(exception: RuleException) -> RuleException:
    """Note that the end has come."""
    return replace(exception, state=ExceptionState.EXPIRED, ended_at=exception.until)


def next_turn(exception: RuleException, rules: ExceptionRules) -> datetime | None:
    """Return when something is to be done: the next reminder, or the end; None if never."""
    if exception.state is not ExceptionState.APPROVED:
        return None
    last = exception.reminded_at or exception.settled_at or exception.requested_at
    dates = [exception.until - timedelta(days=days) for days in rules.reminder_days]
    return min([day for day in dates if day > last], default=exception.until)


def is_reminder_due(exception: RuleException, rules: ExceptionRules, now: datetime) -> bool:
    """Tell whether people are to be told now that the end is near."""
    turn = next_turn(exception, rules)
    return is_in_force(exception, now) and turn is not None and turn <= now


def covers(scope: Scope, device: Covered, people: frozenset[str]) -> bool:
    """Tell whether ``scope`` means this device; ``people`` are those the scope stands for."""
    if scope.ownership is not None and scope.ownership is not device.ownership:
        return False
    if scope.kind is ScopeKind.DEVICE:
        return device.device_id == scope.id
    return device.person_id is not None and device.person_id in people


def longest(exceptions: Iterable[RuleException], now: datetime) -> RuleException | None:
    """Return the one in force that ends last; where two meet, the later end counts."""
    lying = [each for each in exceptions if is_in_force(each, now)]
    return max(lying, key=lambda each: (each.until, each.id), default=None)


def _settle(
    exception: RuleException, state: ExceptionState, by: Actor, now: datetime, words: str
) -> RuleException:
    return replace(
        exception, state=state, settled_by=by.person_id, settler=by.name, settled_at=now,
        settled_because=words.strip()[:LONGEST_TEXT],
    )  # fmt: skip


def _end(
    exception: RuleException, state: ExceptionState, by: Actor, now: datetime, words: str
) -> RuleException:
    return replace(
        exception, state=state, ended_by=by.person_id, ender=by.name, ended_at=now,
        ended_because=words,
    )  # fmt: skip


def _require_open_request(
    exception: RuleException, now: datetime, *, late_too: bool = False
) -> None:
    if exception.state is not ExceptionState.REQUESTED:
        raise ConflictError(
            msg("This request has been decided already; it is not open any more."),
            hint=msg("Load the page again to see what became of it."),
        )
    if exception.until <= now and not late_too:
        raise ConflictError(
            msg("The end that was asked for (%(got)s) has passed.", got=exception.until),
            hint=msg("Reject the request; a new one can be made with another end."),
        )


def _refuse_own(exception: RuleException, by: Actor, profiting: frozenset[str]) -> None:
    if by.person_id == exception.requested_by or by.person_id in profiting:
        raise NotPermittedError(
            msg("Nobody decides on an exception they asked for or that is for themselves."),
            hint=msg("Ask another person whose role may approve it."),
        )


def _check_end(until: datetime, limit: datetime, now: datetime) -> None:
    if until <= now:
        raise InvalidInputError(
            msg("The exception would have ended at %(got)s; a time to come is expected.",
                got=until),
            hint=msg("Choose a day from today on."),
        )  # fmt: skip
    if until > limit:
        raise InvalidInputError(
            msg("An exception until %(got)s was asked for; this severity allows %(limit)s at the "
                "latest.", got=until, limit=limit),
            hint=msg("Choose an earlier day; it can be renewed, and renewals are counted."),
        )  # fmt: skip


def _check_words(words: str, what: Text) -> str:
    kept = words.replace("\0", "").strip()
    if not _SHORTEST_TEXT <= len(kept) <= LONGEST_TEXT:
        raise InvalidInputError(
            msg("The field “%(what)s” has %(got)s characters; %(least)s to %(most)s are expected.",
                what=what, got=len(kept), least=_SHORTEST_TEXT, most=LONGEST_TEXT),
            hint=msg("Say it so that somebody understands it a year from now."),
        )  # fmt: skip
    return kept
