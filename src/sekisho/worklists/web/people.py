"""Finding the person that somebody means by a name or an address typed into a form."""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg

MOST_FOUND = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to choose."""

    id: str
    name: str
    email: str


def find_candidates(tx: Transaction, words: str) -> Sequence[Candidate]:
    """Return the active people whose name or address holds ``words``; the exact address alone.

    Raises NotFoundError if there is nobody.
    """
    words = words.strip()
    reached = identity.list_reachable(tx, identity.search_ids(tx, words, MOST_FOUND))
    exact = [person for person in reached if words.lower() in {person.email, person.name.lower()}]
    found = [Candidate(p.id, p.name, p.email) for p in (exact if len(exact) == 1 else reached)]
    if not found:
        raise NotFoundError(
            msg("Nobody is found by “%(words)s”.", words=words[:60]),
            hint=msg("Type a part of the name or of the e-mail address."),
        )
    return found


def name_people(tx: Transaction, ids: Sequence[str | None]) -> dict[str, str]:
    """Return id → name of whoever is known."""
    return identity.find_names(tx, [person for person in ids if person])
