"""Queue a notice in the caller's own transaction: it is told exactly if the act is kept."""

from collections.abc import Sequence

from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import new_id
from sekisho.notices.model import Kind, NewNotice, Reach, Saying, Urgency
from sekisho.notices.store import posts

_COLUMNS = 12


def queue_notice(
    tx: Transaction,
    *,
    to: Reach,
    kind: Kind,
    subject: str,
    title: Saying,
    body: Saying,
    urgency: Urgency = Urgency.NORMAL,
    link: str = "",
    dedupe_key: str = "",
) -> None:
    """Queue one notice; the worker hands it out within seconds of the commit (see ``NewNotice``).

    Needs no right of its own: whoever may do the act may have it told. Raises InvalidInputError
    for a link away from our pages and for fields that are too long.
    """
    notice = NewNotice(to, kind, subject, title, body, urgency, link, dedupe_key)
    queue_notices(tx, [notice])


def queue_notices(tx: Transaction, notices: Sequence[NewNotice]) -> None:
    """Queue many notices at once; of several with the same dedupe key the first is kept."""
    first = {new.dedupe_key or str(place): new for place, new in enumerate(notices)}
    first |= {new.dedupe_key: new for new in reversed(notices) if new.dedupe_key}
    for some in chunked(list(first.values()), _COLUMNS):
        posts.insert_posts(tx, [(new_id("ntc"), new) for new in some])
