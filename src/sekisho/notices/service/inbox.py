"""One's own notices: listed, opened, marked. Nobody reads another person's."""

from dataclasses import dataclass

from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.notices.model import InboxItem, Topic
from sekisho.notices.store import inbox

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class InboxPage:
    """One page of a person's notices, the newest first; ``total`` counts all pages."""

    items: list[InboxItem]
    total: int
    unread: int
    page: int
    page_size: int


def list_notices(
    tx: Transaction,
    *,
    search: str = "",
    unread: bool = False,
    topic: Topic | None = None,
    page: int = 1,
    page_size: int = 20,
) -> InboxPage:
    """Return one page (from 1) of the notices of who asks or whose token does (``self.read``)."""
    person = _reader_id(tx)
    if page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Page %(page)s with %(size)s notices was asked for; pages count from 1 and hold at "
                "most %(most)s.", page=page, size=page_size, most=MOST_LISTED)
        )  # fmt: skip
    start = (page - 1) * page_size
    items = inbox.list_items(
        tx, person, search=search, unread=unread, topic=topic, offset=start, limit=page_size
    )
    total = inbox.count_items(tx, person, search=search, unread=unread, topic=topic)
    return InboxPage(items, total, inbox.count_unread(tx, person), page, page_size)


def count_unread(tx: Transaction, principal: Principal) -> int:
    """Count a person's unread notices for the bell; nobody else has any."""
    if principal.kind is not PrincipalKind.PERSON or not principal.allows("self.read"):
        return 0
    return inbox.count_unread(tx, principal.id)


def open_notice(tx: Transaction, post_id: str) -> InboxItem:
    """Mark one's own notice as read and return it; raise NotFoundError. Needs ``self.read``."""
    person = own_id(tx, "self.read")
    found = inbox.find_item(tx, person, post_id)
    if found is None:
        raise NotFoundError(msg("You have no such notice."))
    inbox.mark_read(tx, person, post_id)
    return found


def mark_notices(tx: Transaction, post_id: str = "", *, read: bool = True) -> int:
    """Mark one of one's notices, or all, as read or unread; return how many changed."""
    return inbox.mark_read(tx, own_id(tx, "self.read"), post_id, read=read)


def _reader_id(tx: Transaction) -> str:
    """Return whose notices are read: a person's own, or its owner's for a token."""
    if tx.principal.kind is PrincipalKind.TOKEN and tx.principal.owner_id:
        tx.principal.require("self.read")
        return tx.principal.owner_id
    return own_id(tx, "self.read")


def own_id(tx: Transaction, right: str) -> str:
    """Return the id of the person who asks and has ``right``; raise for anyone else."""
    tx.principal.require(right)
    if tx.principal.kind is not PrincipalKind.PERSON:
        raise InvalidInputError(
            msg("Only people have notices, choices and reports of their own."),
            hint=msg("Sign in as a person."),
        )
    return tx.principal.id
