"""One person as administrators see them: where they stand, how they sign in, what is open.

Nothing here is a secret: passkeys are named, sessions and tokens are told by what they are for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.evidence import service as evidence
from sekisho.identity.engine import units as tree
from sekisho.identity.model import (
    SESSION_IDLE,
    APIToken,
    Group,
    Person,
    PersonState,
    Purpose,
    Session,
    Unit,
)
from sekisho.identity.service.factors import Factors, factors_of
from sekisho.identity.service.people import read_person, require_over
from sekisho.identity.service.sessions import sign_out_everywhere
from sekisho.identity.store import doorway, passes, people
from sekisho.identity.store import groups as group_store
from sekisho.identity.store import units as unit_store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg


@dataclass(frozen=True, slots=True)
class Dossier:
    """A person with all that belongs to them here; ``place`` names their unit from the top down.

    ``invited_until`` is the end of the open invitation, None if there is none; ``invitation_id``
    is set if a mail may carry it.
    """

    person: Person
    place: str
    manager: Person | None
    groups: Sequence[Group]
    factors: Factors
    sessions: Sequence[Session]
    tokens: Sequence[APIToken]
    invited_until: datetime | None
    invitation_id: str = ""


def read_dossier(tx: Transaction, person_id: str) -> Dossier:
    """Return a person with what belongs to them (identity.read in their unit)."""
    person = read_person(tx, person_id)
    tx.principal.require("identity.read", person.unit_id)
    known: dict[str, Unit] = {unit.id: unit for unit in unit_store.list_units(tx)}
    mine = set(group_store.list_groups_of(tx, person.id))
    invited = person.state is PersonState.INVITED
    link = doorway.find_open_link(tx, Purpose.INVITE, person.id) if invited else None
    return Dossier(
        person=person,
        place=tree.say_path(known, person.unit_id),
        manager=people.find_person(tx, person.manager_id) if person.manager_id else None,
        groups=[group for group in group_store.list_groups(tx) if group.id in mine],
        factors=factors_of(tx, person.id),
        sessions=[
            session
            for session in passes.list_sessions(tx, person.id)
            if session.ends_at > tx.now and session.seen_at + SESSION_IDLE > tx.now
        ],
        tokens=[
            token
            for token in passes.list_tokens(tx, person.id)
            if token.revoked_at is None and token.ends_at > tx.now
        ],
        invited_until=link.ends_at if link else None,
        invitation_id=link.invitation_id if link else "",
    )


def sign_person_out(tx: Transaction, person_id: str) -> int:
    """End every session of a person (identity.write in their unit); return how many."""
    person = require_over(tx, person_id)
    return sign_out_everywhere(tx, person.id, "signed out by an administrator")


def revoke_token_of(tx: Transaction, person_id: str, token_id: str) -> None:
    """Revoke one token of a person (identity.write in their unit); raise if there is none."""
    person = require_over(tx, person_id)
    if not passes.revoke_tokens(tx, person.id, only=token_id):
        raise NotFoundError(
            msg("There is no such token that still works."),
            hint=msg("It may have been revoked already."),
        )
    evidence.record(
        tx,
        kind="identity.token_revoked",
        subject=f"person:{person.id}",
        detail={"tokens": [token_id]},
        person=person.id,
    )
