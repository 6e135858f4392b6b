"""Reading exceptions: lists within the caller's reach, one with its chain and its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sekisho.controls.exceptions import RuleException, Scope, ScopeKind
from sekisho.controls.service.exceptions import list_approvable, require_exception
from sekisho.controls.service.laying import people_of
from sekisho.controls.service.scopes import name_scopes
from sekisho.controls.store import exceptions as store
from sekisho.controls.store import laid
from sekisho.controls.store.exceptions import SORTS, ExceptionFilter
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import DeviceID

MOST_PER_PAGE = 500
MOST_WAITING = 100
SHOWS = ("open", "in_force", "soon", "overdue", "renewed", "ended")

__all__ = [
    "SHOWS", "SORTS", "ExceptionFilter", "ExceptionPage", "count_exceptions", "get_exception",
    "list_chain", "list_exceptions", "list_own_exceptions", "list_waiting",
    "name_scopes", "page_own_exceptions",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExceptionPage:
    """One page of a list: the exceptions, how many devices each lies over, the number of all."""

    exceptions: Sequence[RuleException]
    devices: Mapping[str, int]
    total: int


def list_exceptions(
    tx: Transaction,
    wanted: ExceptionFilter | None = None,
    *,
    sort: str = "until",
    offset: int = 0,
    limit: int = 50,
) -> ExceptionPage:
    """Return one page within the caller's reach. Needs ``exceptions.read`` somewhere.

    Raises InvalidInputError for an order that is not known or a page that cannot be.
    """
    narrowed = replace(wanted or ExceptionFilter(), reach=_reach(tx))
    if sort.removeprefix("-") not in SORTS:
        raise InvalidInputError(
            msg("The order %(got)s is not known; one of %(known)s is expected.",
                got=sort[:40], known=", ".join(SORTS))
        )  # fmt: skip
    if offset < 0 or not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidInputError(
            msg("A page has 1 to %(most)s exceptions and begins at 0 or later.", most=MOST_PER_PAGE)
        )
    found, total = store.list_page(tx, narrowed, tx.now, sort=sort, offset=offset, limit=limit)
    return ExceptionPage(found, laid.count_laid(tx, [each.id for each in found]), total)


def count_exceptions(tx: Transaction) -> dict[str, int]:
    """Count what each filter of the list would show. Needs ``exceptions.read`` somewhere."""
    return store.count_shown(tx, tx.now, SHOWS, _reach(tx))


def list_own_exceptions(tx: Transaction) -> list[RuleException]:
    """Return the latest of what the caller asked for. Needs ``self.read``."""
    return page_own_exceptions(tx, limit=MOST_PER_PAGE)[0]


def page_own_exceptions(
    tx: Transaction, *, offset: int = 0, limit: int = 50
) -> tuple[list[RuleException], int]:
    """Return one page of what the caller asked for, the latest first, and how many there are.

    Needs ``self.read``.
    """
    tx.principal.require("self.read")
    own = ExceptionFilter(requested_by=tx.principal.person_id or "-")
    return store.list_page(tx, own, tx.now, sort="-age", offset=offset, limit=limit)


def list_waiting(tx: Transaction) -> list[RuleException]:
    """Return requests on which the caller may decide, the oldest first; none for most people.

    Of very many only the oldest hundred are looked at.
    """
    if not tx.principal.holds("exceptions.approve"):
        return []
    units = tx.principal.reach("exceptions.approve")
    reach = None if units is None else store.Reach(units, standing.select_people_in(units))
    wanted = ExceptionFilter(show="open", reach=reach)
    found, _ = store.list_page(tx, wanted, tx.now, sort="age", offset=0, limit=MOST_WAITING)
    return list_approvable(tx, found)


def get_exception(tx: Transaction, exception_id: str) -> tuple[RuleException, list[DeviceID]]:
    """Return an exception the caller may know of, with the devices it lies over."""
    found = require_exception(tx, exception_id)
    return found, laid.list_laid(tx, found.id)


def list_chain(tx: Transaction, exception: RuleException) -> list[RuleException]:
    """Return every exception of one chain of renewals, oldest first."""
    return store.list_chain(tx, exception)


def is_own(tx: Transaction, scope: Scope) -> bool:
    """Tell whether a scope means nobody but the caller."""
    single = scope.kind in {ScopeKind.DEVICE, ScopeKind.PERSON}
    person = tx.principal.person_id
    return single and person is not None and people_of(tx, scope) == [person]


def _reach(tx: Transaction) -> store.Reach | None:
    units = tx.principal.require_reach("exceptions.read")
    return None if units is None else store.Reach(units, standing.select_people_in(units))
