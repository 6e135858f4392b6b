"""Invitations by mail: queued, written when they are sent, and what became of them.

The link of an invitation is made when its mail is written and is kept nowhere. What has ended or
was withdrawn meanwhile is not sent.
"""

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox
from sekisho.notices.model import (
    ChannelKind,
    Delivery,
    DeliveryState,
    Fault,
    Kind,
    Letter,
    Newcomer,
    NewNotice,
)
from sekisho.notices.service.queueing import queue_notices
from sekisho.notices.store import channels, deliveries

ENDED = Fault(
    msg("The invitation ended or was replaced before its mail could be sent."),
    msg("Invite the person again."),
)


@dataclass(frozen=True, slots=True)
class Mailing:
    """What became of the mail of an invitation.

    ``state`` is None if none is on its way; ``ready`` says whether mails can leave at all.
    """

    ready: bool
    state: DeliveryState | None = None
    at: datetime | None = None
    fault: Fault | None = None


def tell_newcomers(tx: Transaction, organisation: str) -> None:
    """Queue the mails of new invitations (worker)."""
    queue_notices(tx, [_notice(one, organisation) for one in identity.take_unqueued(tx)])


def _notice(invitation: identity.Invitation, organisation: str) -> NewNotice:
    who = organisation or msg("Your organisation")
    return NewNotice(
        to=Newcomer(invitation.person_id),
        kind=Kind.INVITATION,
        subject=_subject(invitation.id),
        title=msg("%(who)s invites you to Sekisho", who=who),
        body=msg(
            "Hello %(name)s. With Sekisho you see whether your computers are safe for work from "
            "home, how to mend what is not, and what the company sees of them.\n"
            "Open the page and choose how you sign in; there is no password to remember. The link "
            "works once, until %(end)s. Do not pass it on: whoever has it signs in as you.\n"
            "If you did not expect this, do not open it and ask your organisation.",
            name=invitation.name, end=invitation.ends_at,
        ),
        dedupe_key=f"identity.invitation:{invitation.id}",
    )  # fmt: skip


def _subject(invitation_id: str) -> str:
    return f"invitation:{invitation_id}"


def write_invitation(
    tx: Transaction, box: SecretBox, delivery: Delivery, zone: tzinfo
) -> Letter | None:
    """Return the mail of an invitation, its link made now; None if it may not be used any more."""
    found = identity.open_invitation(tx, box, delivery.post.subject.removeprefix("invitation:"))
    if found is None:
        return None
    invitation, path = found
    return Letter(
        message_id=delivery.id,
        thread="",
        language=invitation.language,
        posts=(replace(delivery.post, link=path),),
        address=invitation.email,
        name=invitation.name,
        zone=zone,
    )


def read_mailing(tx: Transaction, person_id: str, invitation_id: str) -> Mailing:
    """Return what became of an invitation's mail, to whoever may read the person."""
    identity.read_person(tx, person_id)
    ready = any(c.kind is ChannelKind.MAIL and c.enabled for c in channels.list_shared(tx))
    found = deliveries.find_latest(tx, _subject(invitation_id))
    if found is None:
        return Mailing(ready)
    return Mailing(ready, found.state, found.done_at or found.due_at, found.fault)
