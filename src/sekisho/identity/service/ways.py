"""Somebody else's ways in, for administrators: where they are signed in, whose accounts are theirs.

Passkeys, apps and codes are not here: nobody but the person adds or names them.
"""

from collections.abc import Sequence

from sekisho.evidence import service as evidence
from sekisho.identity.model import SESSION_IDLE, Person, Session
from sekisho.identity.service.people import read_person, require_over
from sekisho.identity.store import passes, providers
from sekisho.identity.store.providers import Account
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg


def read_ways(
    tx: Transaction, person_id: str
) -> tuple[Person, Sequence[Session], Sequence[Account]]:
    """Return a person, their sessions that still let somebody in, and their provider accounts.

    Needs identity.read where the person belongs.
    """
    person = read_person(tx, person_id)
    tx.principal.require("identity.read", person.unit_id)
    found = passes.list_sessions(tx, person.id)
    sessions = [s for s in found if s.ends_at > tx.now and s.seen_at + SESSION_IDLE > tx.now]
    return person, sessions, providers.list_accounts(tx, person.id)


def end_sessions_of(tx: Transaction, person_id: str, session_id: str = "") -> int:
    """End one session of somebody else, or all (identity.write in their unit); return how many."""
    person = require_over(tx, person_id)
    gone = passes.delete_sessions(tx, person.id, only=session_id)
    if gone:
        detail: dict[str, object] = {
            "sessions": list(gone),
            "why": "ended by an administrator",
        }
        _record(tx, person, "identity.signed_out", detail)
    return len(gone)


def part_account(tx: Transaction, person_id: str, provider_id: str) -> None:
    """Part a provider's account from somebody (identity.write in their unit); sessions end.

    So a new account there can join them; raise NotFoundError if they have none.
    """
    person = require_over(tx, person_id)
    if not providers.delete_account(tx, provider_id, person.id):
        raise NotFoundError(msg("%(name)s has no account there.", name=person.name))
    end_sessions_of(tx, person_id)
    _record(tx, person, "identity.account_unlinked", {"provider": provider_id})


def _record(tx: Transaction, person: Person, kind: str, detail: dict[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"person:{person.id}", detail=detail, person=person.id)
