"""Invitations: a link for a newcomer, handed over by hand or carried by a mail.

The link of a mail is not kept anywhere: its token is made of the invitation's id and the secret
key, so it can be made again for each try to send it and is read in no database, queue or backup.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from sekisho.evidence import service as evidence
from sekisho.identity.model import Person, PersonState, Purpose
from sekisho.identity.service.links import issue_link
from sekisho.identity.service.people import require_over
from sekisho.identity.store import doorway, invitations
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import digest_token, new_id
from sekisho.kernel.secrets import SecretBox

_QUEUED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that may still be used, and whom it is for."""

    id: str
    person_id: str
    name: str
    email: str
    language: str
    ends_at: datetime


def issue_invite_link(tx: Transaction, person_id: str, box: SecretBox | None = None) -> str:
    """Return the path of a link with which an invited person registers (identity.write).

    With ``box`` a mail carries it, too. A former link ends.
    """
    person = require_over(tx, person_id)
    if person.state is not PersonState.INVITED:
        raise ConflictError(
            msg("%(name)s has signed in before; an invitation is for newcomers.",
                name=person.name),
            hint=msg("A way back in is made on the machine: sekisho admin link --person EMAIL"),
        )  # fmt: skip
    if box is None:
        return issue_link(tx, Purpose.INVITE, person.id)
    name = new_id("inv")
    return issue_link(tx, Purpose.INVITE, person.id, token=_token(box, name), invitation_id=name)


def _token(box: SecretBox, invitation_id: str) -> str:
    made = box.mac(invitation_id.encode(), "identity.invitation")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def take_unqueued(tx: Transaction) -> Sequence[Invitation]:
    """Return invitations that no mail was queued for so far, and note that one is (worker)."""
    found = [_invitation(row) for row in invitations.list_unqueued(tx, _QUEUED_AT_ONCE)]
    invitations.note_queued(tx, [one.id for one in found])
    return found


def open_invitation(
    tx: Transaction, box: SecretBox, invitation_id: str
) -> tuple[Invitation, str] | None:
    """Return an invitation that may still be used with the path of its link (for mails)."""
    row = invitations.find_open(tx, invitation_id)
    token = _token(box, invitation_id)
    if row is None or row.digest != digest_token(token):
        return None
    return _invitation(row), f"/start/{token}"


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        row.invitation_id, row.person_id, row.name, row.email, row.language, row.ends_at
    )


def revoke_invitation(tx: Transaction, person_id: str) -> None:
    """Make the link of an open invitation worthless (identity.write in their unit)."""
    person = require_over(tx, person_id)
    if not end_invitation(tx, person):
        raise ConflictError(msg("%(name)s has no open invitation.", name=person.name))


def end_invitation(tx: Transaction, person: Person) -> bool:
    """End a person's open invitation; False if there is none (for this room's services)."""
    if doorway.find_open_link(tx, Purpose.INVITE, person.id) is None:
        return False
    doorway.delete_unused_links(tx, Purpose.INVITE, person.id)
    evidence.record(
        tx,
        kind="identity.invitation_revoked",
        subject=f"person:{person.id}",
        detail={},
        person=person.id,
    )
    return True
