"""Lost second factor: asked for by anybody, granted by two people who may, ended by its person.

- Neither of the two is the person; the same one does not count twice; nobody grants a way to
  rights beyond their own.
- The link works for an hour and once; every former factor of the person ends when it is used.
- Whether somebody exists is not told to whoever asks from outside.
"""

from collections.abc import Sequence
from datetime import timedelta

from sekisho.evidence import service as evidence
from sekisho.identity.model import Person, PersonState, Purpose, Visit
from sekisho.identity.service.limits import account_of_email, begin_try, refuse_try
from sekisho.identity.service.links import issue_link
from sekisho.identity.service.people import get_person, require_grantable
from sekisho.identity.service.sessions import require_person
from sekisho.identity.store import doorway, people, recoveries
from sekisho.identity.store.recoveries import Recovery, RecoveryState
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    SekishoError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import PrincipalKind

RECOVERY_LIFE = timedelta(days=1)
APPROVALS = 2
_LONGEST_REASON = 500


def ask_for_recovery(tx: Transaction, *, email: str, reason: str, visit: Visit) -> None:
    """Note that somebody outside says they lost their second factor; says nothing about whether.

    Every request counts against address and account, so that nobody is flooded with them.
    """
    plain = email.strip().lower()
    why = _reason(reason)
    trying = begin_try(tx, visit.address, "recover:" + account_of_email(plain).partition(":")[2])
    person = people.find_person_by_email(tx, plain)
    if person is not None and person.state is PersonState.ACTIVE:
        _add(tx, person, f"address:{visit.address}", why)
    counted: SekishoError = ConflictError(msg("A way back in was asked for."))
    refuse_try(tx, trying, counted, person.id if person else "")


def request_recovery(tx: Transaction, person_id: str, reason: str) -> Recovery:
    """Ask on behalf of somebody who cannot sign in (identity.recover)."""
    tx.principal.require("identity.recover")
    person = get_person(tx, person_id)
    if person.state is not PersonState.ACTIVE:
        raise ConflictError(
            msg("%(name)s has no sign-in to get back.", name=person.name),
            hint=msg("Somebody who never signed in needs a new invitation."),
        )
    return _add(tx, person, tx.principal.reference, _reason(reason))


def _reason(text: str) -> str:
    plain = " ".join(text.split())
    if not plain or len(plain) > _LONGEST_REASON or not plain.isprintable():
        raise InvalidInputError(
            msg("A reason of 1 to %(n)s characters is needed.", n=_LONGEST_REASON),
            hint=msg("Say what was lost, when, and how you made sure who is asking."),
        )
    return plain


def _add(tx: Transaction, person: Person, by: str, reason: str) -> Recovery:
    """Add a request, unless one is under way already."""
    people.lock_person(tx, person.id)
    known = recoveries.find_open(tx, person.id)
    if known is not None:
        return known
    made = Recovery(
        id=new_id("rcv"),
        person_id=person.id,
        person_name=person.name,
        requested_by=by,
        reason=reason,
        state=RecoveryState.OPEN,
        requested_at=tx.now,
        ends_at=tx.now + RECOVERY_LIFE,
    )
    recoveries.insert_recovery(tx, made)
    _record(tx, made, "identity.recovery_requested", {"by": by, "reason": reason})
    return made


def approve_recovery(tx: Transaction, recovery_id: str, note: str) -> str | None:
    """Approve a request; the second approval returns the path of the link, shown this once.

    Needs identity.recover and a fresh proof. Raises NotPermittedError for the person themselves
    and for rights beyond one's own, ConflictError for a second approval of one person.
    """
    recovery = _require_approver(tx, recovery_id)
    recoveries.insert_vote(tx, recovery.id, tx.principal.id, _reason(note))
    _record(tx, recovery, "identity.recovery_approved", {
        "by": tx.principal.reference, "note": note, "approvals": len(recovery.votes) + 1,
    })  # fmt: skip
    if len(recovery.votes) + 1 < APPROVALS:
        return None
    recoveries.set_state(tx, recovery.id, RecoveryState.APPROVED)
    return issue_link(tx, Purpose.LOST_FACTOR, recovery.person_id)


def _require_approver(tx: Transaction, recovery_id: str) -> Recovery:
    tx.principal.require("identity.recover")
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise NotPermittedError(
            msg("Only people approve this."), hint=msg("Sign in and do it on the page.")
        )
    tx.principal.require_fresh(tx.now)
    recovery = _find(tx, recovery_id)
    if recovery.state is not RecoveryState.OPEN or recovery.ends_at <= tx.now:
        raise ConflictError(msg("This request is not open any more."))
    if recovery.person_id == tx.principal.id:
        raise NotPermittedError(
            msg("Nobody approves their own way back in."), hint=msg("Two others are needed.")
        )
    if tx.principal.id in {vote.person_id for vote in recovery.votes}:
        raise ConflictError(
            msg("You have approved this already."), hint=msg("Somebody else must, too.")
        )
    require_grantable(tx, get_person(tx, recovery.person_id).assignments)
    return recovery


def refuse_recovery(tx: Transaction, recovery_id: str, note: str) -> None:
    """Refuse a request (identity.recover)."""
    tx.principal.require("identity.recover")
    _end(tx, _find(tx, recovery_id), _reason(note))


def refuse_my_recovery(tx: Transaction) -> None:
    """Say that it was not oneself who asked; raise NotFoundError where nothing was asked."""
    found = recoveries.find_open(tx, require_person(tx))
    if found is None:
        raise NotFoundError(msg("Nobody asked for a new way in for you."))
    _end(tx, found, "refused by the person")


def _end(tx: Transaction, recovery: Recovery, why: str) -> None:
    if recovery.state not in {RecoveryState.OPEN, RecoveryState.APPROVED}:
        raise ConflictError(msg("This request is not open any more."))
    recoveries.set_state(tx, recovery.id, RecoveryState.REFUSED)
    people.lock_person(tx, recovery.person_id)
    doorway.delete_unused_links(tx, Purpose.LOST_FACTOR, recovery.person_id)
    _record(tx, recovery, "identity.recovery_refused", {"by": tx.principal.reference, "why": why})


def find_my_recovery(tx: Transaction) -> Recovery | None:
    """Return what was asked in the name of the person who asks, for them to see."""
    return recoveries.find_open(tx, require_person(tx))


def list_recoveries(tx: Transaction) -> Sequence[Recovery]:
    """List requests, the newest first (identity.recover)."""
    tx.principal.require("identity.recover")
    return recoveries.list_recoveries(tx)


def _find(tx: Transaction, recovery_id: str) -> Recovery:
    found = recoveries.find_recovery(tx, recovery_id)
    if found is None:
        raise NotFoundError(msg("There is no such request."))
    return found


def _record(tx: Transaction, recovery: Recovery, kind: str, detail: dict[str, object]) -> None:
    evidence.record(
        tx,
        kind=kind,
        subject=f"person:{recovery.person_id}",
        detail={"recovery": recovery.id, **detail},
        person=recovery.person_id,
    )
