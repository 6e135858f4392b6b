"""Sessions of people: opened by a proof, ended by time, by the person, or by a change of rights.

The cookie's value is 256 bits of chance and only its digest is stored, so that neither a copy of
the database nor an id chosen by somebody else (session fixation) lets anyone in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sekisho.evidence import service as evidence
from sekisho.identity.model import (
    SESSION_IDLE,
    SESSION_LIFE,
    STEP_UP_LIFE,
    STRENGTH_OF_METHOD,
    Admission,
    Method,
    Person,
    PersonState,
    Session,
    SignedIn,
    Strength,
    Visit,
)
from sekisho.identity.service.requirements import limit_roles, resting_roles
from sekisho.identity.service.standing import admission_of
from sekisho.identity.store import doorway, passes, people, rosters, rules
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    NotFoundError,
    NotPermittedError,
    StepUpNeededError,
    UnauthenticatedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, SessionID, digest_token, new_id, new_token
from sekisho.kernel.principal import PrincipalKind

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TOUCH_AFTER = timedelta(minutes=1)
_KEPT_AFTER_END = timedelta(days=7)
_LONGEST_BROWSER = 200
_LONGEST_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof is worth and when it was given; None: the provider does not say when."""

    strength: Strength
    at: datetime | None


def open_session(
    tx: Transaction, person: Person, method: Method, visit: Visit, *,
    replaces: str = "", proof: Proof | None = None,
) -> SignedIn:  # fmt: skip
    """Open a session for a person who has just proved themselves; record the sign-in.

    ``replaces`` is the secret of the browser's former session, which ends; two different proofs
    within minutes of each other are two factors. ``proof`` is what the proof is worth where that
    differs from its kind.
    """
    proof = proof or Proof(STRENGTH_OF_METHOD[method], tx.now)
    proved = proof.strength
    if replaces:
        proved = max(proved, _end_replaced(tx, replaces, person, method))
    secret = new_token()
    session = Session(
        id=SessionID(new_id("ses")),
        person_id=person.id,
        method=method,
        created_at=tx.now,
        # A proof of unknown age is none where a fresh one is asked for.
        authenticated_at=min(proof.at or _LONG_AGO, tx.now),
        seen_at=tx.now,
        ends_at=tx.now + SESSION_LIFE,
        address=visit.address[:_LONGEST_ADDRESS],
        browser=visit.browser[:_LONGEST_BROWSER],
        strength=proved,
    )
    passes.insert_session(tx, session, digest_token(secret))
    evidence.record(
        tx,
        kind="identity.signed_in",
        subject=f"person:{person.id}",
        detail={
            "method": method.value,
            "strength": proved.name.lower(),
            "session": session.id,
            "address": session.address,
            "browser": session.browser,
        },
        person=person.id,
    )
    return SignedIn(person, session.id, secret, method, strength=proved)


def _end_replaced(tx: Transaction, secret: str, person: Person, method: Method) -> Strength:
    """End a browser's former session; say what it adds to another proof of the same person."""
    former = passes.find_session(tx, digest_token(secret))
    if former is None:
        return Strength.ONE
    passes.delete_sessions(tx, former.person_id, only=former.id)
    fresh = tx.now - former.authenticated_at <= STEP_UP_LIFE and former.ends_at > tx.now
    # Two different things of one person: the provider's account, the app, the printed list
    # (NIST SP 800-63B-4 section 4.2.2 lets two of them stand for what was lost).
    both = former.method is not method
    return Strength.TWO if fresh and both and former.person_id == person.id else Strength.ONE


def admit_session(tx: Transaction, secret: str) -> Admission:
    """Return who a cookie stands for; raise UnauthenticatedError if it lets nobody in.

    Order: known, not ended, person still active.
    """
    session = passes.find_session(tx, digest_token(secret))
    if session is None or session.ends_at <= tx.now or session.seen_at + SESSION_IDLE <= tx.now:
        raise UnauthenticatedError(
            msg("Your sign-in has ended."), hint=msg("Sign in again; nothing was lost.")
        )
    person = require_active(people.find_person(tx, session.person_id))
    usable = limit_roles(tx, person, session.strength)
    return replace(admission_of(tx, usable, session=session), person=person)


def require_active(person: Person | None) -> Person:
    """Return the person if they may come in; raise UnauthenticatedError otherwise."""
    if person is None or person.state is not PersonState.ACTIVE:
        raise UnauthenticatedError(
            msg("This account cannot be used."), hint=msg("Ask an administrator.")
        )
    return person


def needs_touch(tx: Transaction, admission: Admission) -> bool:
    """Tell whether the last use of what came in should be noted again (once a minute)."""
    seen = admission.session.seen_at if admission.session else None
    if admission.token is not None:
        seen = admission.token.used_at
    return seen is None or tx.now - seen >= _TOUCH_AFTER


def touch(tx: Transaction, admission: Admission) -> None:
    """Note that a session or token was used now."""
    if admission.session is not None:
        passes.touch_session(tx, admission.session.id)
    if admission.token is not None:
        passes.touch_token(tx, admission.token.id)


def require_person(tx: Transaction) -> PersonID:
    """Return the id of the signed-in person who asks; raise for anyone or anything else."""
    tx.principal.require("self.write")
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise NotPermittedError(
            msg("Only a person signed in with a browser can do this."),
            hint=msg("Sign in and do it on the page."),
        )
    return PersonID(tx.principal.id)


def require_recent(tx: Transaction) -> PersonID:
    """Return the person who asks if they proved themselves within 15 minutes.

    Raises StepUpNeededError otherwise.
    """
    person_id = require_person(tx)
    tx.principal.require_fresh(tx.now)
    return person_id


def require_strong(tx: Transaction) -> PersonID:
    """Return the person who asks if they may change how they sign in: proved recently and enough.

    Else one guessed or phished code would add a passkey and with it come in as an administrator.
    Raises StepUpNeededError while any role of theirs rests in this session.
    """
    person_id = require_recent(tx)
    person = require_active(people.find_person(tx, person_id))
    session = passes.get_session(tx, tx.principal.session_id or "")
    mine = session is not None and session.person_id == person_id
    strength = session.strength if session is not None and mine else Strength.ONE
    if resting_roles(tx, person, strength):
        raise StepUpNeededError(
            msg("Your roles ask for more than this sign-in has proved."),
            hint=msg("Sign in with a passkey, or with another kind of code within 15 minutes."),
        )
    return person_id


def list_sessions(tx: Transaction) -> Sequence[Session]:
    """List the sessions of the person who asks that still let somebody in."""
    mine = passes.list_sessions(tx, require_person(tx))
    return [s for s in mine if s.ends_at > tx.now and s.seen_at + SESSION_IDLE > tx.now]


def end_session(tx: Transaction, session_id: str) -> None:
    """End one session of the person who asks; raise NotFoundError if it is not theirs."""
    person_id = require_person(tx)
    if not passes.delete_sessions(tx, person_id, only=session_id):
        raise NotFoundError(
            msg("There is no such session of yours."), hint=msg("It may have ended already.")
        )
    _record_end(tx, person_id, [SessionID(session_id)], "ended by its person")


def end_other_sessions(tx: Transaction) -> int:
    """Sign the person who asks out everywhere else; return how many sessions ended."""
    person_id = require_person(tx)
    gone = passes.delete_sessions(tx, person_id, keep=tx.principal.session_id or "-")
    _record_end(tx, person_id, gone, "signed out everywhere else")
    return len(gone)


def sign_out_everywhere(tx: Transaction, person_id: PersonID, why: str) -> int:
    """End every session of a person (their rights or ways in changed); return how many."""
    gone = passes.delete_sessions(tx, person_id)
    _record_end(tx, person_id, gone, why)
    return len(gone)


def _record_end(tx: Transaction, person_id: PersonID, gone: Sequence[SessionID], why: str) -> None:
    if gone:
        evidence.record(
            tx,
            kind="identity.signed_out",
            subject=f"person:{person_id}",
            detail={"sessions": list(gone), "why": why},
            person=person_id,
        )


def forget_ended(tx: Transaction) -> None:
    """Delete what has ended: sessions, ceremonies, links, attempts, files (worker, hourly)."""
    passes.delete_ended_sessions(tx, tx.now - SESSION_IDLE)
    doorway.delete_leftovers(tx, tx.now - _KEPT_AFTER_END)
    rules.delete_ended_bans(tx, tx.now - _KEPT_AFTER_END)
    rosters.delete_ended(tx)
