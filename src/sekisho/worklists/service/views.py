"""Saved views: a named search of a list, one's own or shared with a role, a unit, or both.

A view is an address: filters, order and columns as the list wrote them. A list leaves out what it
does not know any more, so a view outlives the column, group or unit that it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import PrincipalKind
from sekisho.worklists.model import Listing, SavedView
from sekisho.worklists.store import sheets
from sekisho.worklists.store import views as store

LONGEST_NAME = 60
LONGEST_QUERY = 2_000
MOST_VIEWS = 100
_PASSING = frozenset({"page", "view", "csrf"})
RIGHT_OF: Mapping[Listing, str] = {
    Listing.DEVICES: "devices.read",
    Listing.FINDINGS: "findings.read",
    Listing.EXCEPTIONS: "exceptions.read",
    Listing.PEOPLE: "identity.read",
}


@dataclass(frozen=True, slots=True)
class ViewDraft:
    """What somebody wants to keep; ``role`` and ``unit_id`` "" share it with nobody."""

    name: str
    query: str
    role: str = ""
    unit_id: str = ""


def list_views(tx: Transaction, listing: Listing | None = None) -> Sequence[SavedView]:
    """Return one's own views and those shared with one's roles and units, by name."""
    person = _person(tx)
    if person is None:
        return []
    known = identity.find_person(tx, person)
    if known is None:
        return []
    roles = {role.value for role in known.roles} | {h.role.value for h in known.unit_roles}
    everything = Role.ADMIN in known.roles
    found = store.list_views(
        tx, listing, person, None if everything else roles, _units(tx, known.unit_id)
    )
    return [view for view in found if tx.principal.holds(RIGHT_OF[view.listing])]


def _units(tx: Transaction, unit_id: str | None) -> frozenset[str]:
    """Return a person's unit with all above it: what is shared there is shared below."""
    return standing.units_above(tx, unit_id)


def get_view(tx: Transaction, view_id: str) -> SavedView:
    """Return a view that the caller may see; raise NotFoundError."""
    for view in list_views(tx):
        if view.id == view_id:
            return view
    raise NotFoundError(
        msg("There is no view %(id)s, or it is not shared with you.", id=view_id[:60]),
        hint=msg("Ask whoever sent the link to share the view with your role or unit."),
    )


def save_view(tx: Transaction, listing: Listing, draft: ViewDraft) -> SavedView:
    """Keep a search under a name. Needs the right to read the list, and to be a person."""
    tx.principal.require_reach(RIGHT_OF[listing])
    person = _require_person(tx)
    own = [view for view in list_views(tx, listing) if view.owner_id == person]
    if len(own) >= MOST_VIEWS:
        raise ConflictError(
            msg("You keep %(most)s views of this list already.", most=MOST_VIEWS),
            hint=msg("Delete one that you do not use."),
        )
    checked = _check(tx, draft)
    if any(view.name == checked.name for view in own):
        raise ConflictError(
            msg("You have a view named “%(name)s” already.", name=checked.name),
            hint=msg("Take another name, or change that view."),
        )
    view = SavedView(
        new_id("vw"), listing, checked.name, checked.query, person, tx.principal.name,
        checked.role, checked.unit_id, tx.now,
    )  # fmt: skip
    store.insert_view(tx, view)
    _record(tx, "view.saved", view)
    return view


def change_view(tx: Transaction, view_id: str, draft: ViewDraft, version: int) -> SavedView:
    """Change a view of one's own; raise ConflictError if it was changed meanwhile."""
    view, checked = _require_own(tx, view_id), _check(tx, draft)
    changed = replace(
        view, name=checked.name, query=checked.query, role=checked.role, unit_id=checked.unit_id,
        version=version,
    )  # fmt: skip
    if not store.save_view(tx, changed):
        raise ConflictError(
            msg("The view was changed meanwhile, perhaps in another window; nothing was saved."),
            hint=msg("Load the page again and repeat the change."),
        )
    _record(tx, "view.saved", changed)
    return replace(changed, version=version + 1)


def delete_view(tx: Transaction, view_id: str) -> None:
    """Delete a view of one's own, or a shared one as an administrator."""
    view = _require_own(tx, view_id)
    store.delete_view(tx, view.id)
    _record(tx, "view.deleted", view)


def set_default(tx: Transaction, listing: Listing, view_id: str) -> None:
    """Begin with this view of a list from now on; "" is the whole list."""
    person = _require_person(tx)
    if view_id and get_view(tx, view_id).listing is not listing:
        raise InvalidInputError(msg("This view is of another list."))
    store.set_default(tx, person, listing, view_id)


def list_defaults(tx: Transaction) -> Mapping[str, str]:
    """Return list → the view with which the caller begins."""
    person = _person(tx)
    return store.list_defaults(tx, person) if person else {}


def forget_person(tx: Transaction, person_id: str) -> None:
    """Delete what somebody who leaves kept for themselves, views and files that still wait.

    Needs ``identity.write`` over them.
    """
    tx.principal.require("identity.write", standing.unit_of(tx, person_id))
    store.forget_person(tx, person_id)
    sheets.forget_actor(tx, f"{PrincipalKind.PERSON}:{person_id}")


def clean_query(query: str) -> str:
    """Return an address as it is kept: without page, view and token, at most 2,000 characters."""
    pairs = [(k, v) for k, v in parse_qsl(query.removeprefix("?")) if k not in _PASSING]
    kept = urlencode(pairs)
    if len(kept) > LONGEST_QUERY:
        raise InvalidInputError(
            msg("This search is too long to be kept."), hint=msg("Narrow it with fewer filters.")
        )
    return kept


def _check(tx: Transaction, draft: ViewDraft) -> ViewDraft:
    name = " ".join(draft.name.replace("\0", "").split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidInputError(
            msg("A view needs a name of 1 to %(most)s characters.", most=LONGEST_NAME)
        )
    if draft.role and draft.role not in set(Role):
        raise InvalidInputError(msg("There is no role “%(role)s”.", role=draft.role[:40]))
    if draft.unit_id and draft.unit_id not in standing.units_below(tx, [draft.unit_id]):
        raise NotFoundError(msg("There is no unit with this id (%(id)s).", id=draft.unit_id[:60]))
    return ViewDraft(name, clean_query(draft.query), draft.role, draft.unit_id)


def _require_own(tx: Transaction, view_id: str) -> SavedView:
    view = get_view(tx, view_id)
    if view.owner_id != _require_person(tx) and not tx.principal.allows("identity.write"):
        raise NotPermittedError(
            msg("The view “%(name)s” belongs to %(owner)s.", name=view.name, owner=view.owner_name),
            hint=msg("Keep a view of your own under another name."),
        )
    return view


def _person(tx: Transaction) -> str | None:
    return tx.principal.person_id


def _require_person(tx: Transaction) -> str:
    person = _person(tx)
    if person is None:
        raise NotPermittedError(
            msg("Views belong to people."), hint=msg("Sign in, or use a token of a person.")
        )
    return person


def _record(tx: Transaction, kind: str, view: SavedView) -> None:
    evidence.record(
        tx, kind=kind, subject=f"view:{view.id}",
        detail={"listing": view.listing.value, "name": view.name, "query": view.query,
                "role": view.role, "unit": view.unit_id},
    )  # fmt: skip
