"""The policies in force, and how they change: proposed by one, approved by another, kept."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from sekisho.access.engine.book import Book, check_policies
from sekisho.access.policies import MOST_POLICIES, Policy, PolicyVersion, VersionState
from sekisho.access.service import lockout, telling
from sekisho.access.store import policies as store
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    TooLargeError,
)
from sekisho.kernel.i18n import msg

_LONGEST_NOTE = 500
_books: "weakref.WeakKeyDictionary[Engine, Book]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One policy that differs between two versions; a side is None where it is not there."""

    id: str
    before: Policy | None
    after: Policy | None


NEWEST = "-number"


@dataclass(frozen=True, slots=True)
class VersionWish:
    """Which versions are wanted: a word of the note, or the author."""

    search: str = ""
    sort: str = NEWEST


def book_in_force(tx: Transaction) -> Book:
    """Return the policies in force, compiled once for each version and process."""
    number = store.number_in_force(tx)
    engine = tx.connection.engine
    found = _books.get(engine)
    if found is None or found.version != number:
        version = store.find_version(tx, number)
        found = _books[engine] = Book(number, version.policies if version else ())
    return found


def get_version(tx: Transaction, number: int) -> PolicyVersion:
    """Return a version; raise NotFoundError. Needs ``access.read``."""
    tx.principal.require("access.read")
    return _found(tx, number)


def version_in_force(tx: Transaction) -> PolicyVersion | None:
    """Return the version in force, None before the first. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.find_version(tx, store.number_in_force(tx))


def list_versions(tx: Transaction, *, page: int = 1, page_size: int = 20) -> list[PolicyVersion]:
    """List versions, the newest first. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.list_versions(tx, (max(1, page) - 1) * page_size, page_size)


def page_versions(
    tx: Transaction, wanted: VersionWish, *, page: int = 1, page_size: int = 20
) -> tuple[list[PolicyVersion], int]:
    """Return one page of versions, and how many match. Needs ``access.read``."""
    tx.principal.require("access.read")
    sort = wanted.sort if wanted.sort.removeprefix("-") in store.SORTS else NEWEST
    people = identity.search_ids(tx, wanted.search)
    offset = (max(1, page) - 1) * page_size
    return store.page_versions(tx, wanted.search, people, sort=sort, offset=offset, limit=page_size)


def list_waiting(tx: Transaction) -> list[PolicyVersion]:
    """List versions that wait for approval. Needs ``access.read``."""
    tx.principal.require("access.read")
    return store.list_waiting(tx)


def propose_policies(
    tx: Transaction, policies: Sequence[Policy], *, note: str, based_on: int
) -> PolicyVersion:
    """Store a version of all policies; it is in force at once only where nobody could approve it.

    Needs ``access.write`` and a fresh proof. Raises InvalidInputError naming every fault,
    ConflictError where ``based_on`` is no longer in force or all administrators would be shut
    out.
    """
    tx.principal.require("access.write")
    tx.principal.require_fresh(tx.now)
    _check(tx, policies, note, based_on)
    version = PolicyVersion(
        number=store.newest_number(tx) + 1,
        state=VersionState.WAITING,
        policies=tuple(sorted(policies, key=lambda policy: policy.id)),
        note=note.strip(),
        author=_who(tx),
        created_at=tx.now,
        based_on=based_on,
    )
    store.insert_version(tx, version)
    _record(tx, "access.policies_proposed", version)
    if _others_who_approve(tx):
        telling.tell_proposed(tx, version)
        return version
    return _put_in_force(tx, version, "")


def approve_version(tx: Transaction, number: int, words: str = "") -> PolicyVersion:
    """Put a version in force; the author cannot. Needs ``access.approve`` and a fresh proof."""
    version = _require_waiting(tx, number)
    if version.author == _who(tx):
        raise NotPermittedError(
            msg("You proposed this version; somebody else must approve it."),
            hint=msg("Ask a colleague with the right to approve."),
        )
    _refuse_outdated(tx, version.based_on)
    lockout.refuse_lockout(tx, book_in_force(tx), Book(number, version.policies))
    return _put_in_force(tx, version, words)


def refuse_version(tx: Transaction, number: int, words: str) -> PolicyVersion:
    """Refuse a version, or take one's own back. Needs ``access.approve`` unless it is one's own."""
    tx.principal.require("access.read")
    version = _found(tx, number)
    if version.author != _who(tx):
        tx.principal.require("access.approve")
    _require_state(version)
    store.update_version(
        tx, number, state=VersionState.REFUSED.value, decider=_who(tx), decided_at=tx.now,
        words=words[:_LONGEST_NOTE],
    )  # fmt: skip
    _record(tx, "access.policies_refused", version)
    return _found(tx, number)


def roll_back(tx: Transaction, number: int) -> PolicyVersion:
    """Propose the policies of an earlier version again, as a new one."""
    tx.principal.require("access.write")
    old = _found(tx, number)
    return propose_policies(
        tx, old.policies, note=f"← {number}", based_on=store.number_in_force(tx)
    )


def diff_versions(before: Sequence[Policy], after: Sequence[Policy]) -> list[PolicyChange]:
    """List what differs, by name."""
    old = {policy.id: policy for policy in before}
    new = {policy.id: policy for policy in after}
    return [
        PolicyChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _check(tx: Transaction, policies: Sequence[Policy], note: str, based_on: int) -> None:
    if len(policies) > MOST_POLICIES:
        raise TooLargeError(msg("At most %(n)s policies are taken.", n=MOST_POLICIES))
    if len(note) > _LONGEST_NOTE:
        raise InvalidInputError(msg("The note is longer than %(n)s characters.", n=_LONGEST_NOTE))
    faults = check_policies(policies)
    if faults:
        first = faults[0]
        raise InvalidInputError(
            msg("The policy “%(id)s” cannot be taken. %(why)s", id=first.policy_id, why=first.text),
            hint=msg("Faults in all: %(n)s. Nothing was stored.", n=len(faults)),
        )
    _refuse_outdated(tx, based_on)
    lockout.refuse_lockout(tx, book_in_force(tx), Book(0, policies))


def _refuse_outdated(tx: Transaction, based_on: int) -> None:
    current = store.number_in_force(tx)
    if based_on != current:
        raise ConflictError(
            msg("Version %(now)s is in force, and this was made from %(then)s.",
                now=current, then=based_on),
            hint=msg("Make the change again on the version in force."),
        )  # fmt: skip


def _put_in_force(tx: Transaction, version: PolicyVersion, words: str) -> PolicyVersion:
    old = store.number_in_force(tx)
    store.update_version(tx, old, state=VersionState.REPLACED.value)
    store.update_version(
        tx, version.number, state=VersionState.IN_FORCE.value, decider=_who(tx),
        decided_at=tx.now, words=words[:_LONGEST_NOTE],
    )  # fmt: skip
    _record(tx, "access.policies_in_force", version)
    return _found(tx, version.number)


def _require_waiting(tx: Transaction, number: int) -> PolicyVersion:
    tx.principal.require("access.approve")
    tx.principal.require_fresh(tx.now)
    version = _found(tx, number)
    _require_state(version)
    return version


def _require_state(version: PolicyVersion) -> None:
    if version.state is not VersionState.WAITING:
        raise ConflictError(msg("Version %(n)s was decided already.", n=version.number))


def _found(tx: Transaction, number: int) -> PolicyVersion:
    found = store.find_version(tx, number)
    if found is None:
        raise NotFoundError(msg("There is no version %(n)s of the policies.", n=number))
    return found


def _who(tx: Transaction) -> str:
    return tx.principal.person_id or tx.principal.reference


def _others_who_approve(tx: Transaction) -> bool:
    holders = identity.list_holders(tx, "access.approve")
    return any(holder.id != _who(tx) for holder in holders)


def _record(tx: Transaction, kind: str, version: PolicyVersion) -> None:
    names = [[policy.id, policy.text, policy.enabled] for policy in version.policies]
    detail = {
        "version": version.number, "note": version.note, "author": version.author,
        "based_on": version.based_on, "policies": names,
    }  # fmt: skip
    evidence.record(tx, kind=kind, subject="policy", detail=detail)
