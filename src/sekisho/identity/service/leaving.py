"""Somebody leaves: everything of theirs ends at once, and stays ended.

The address becomes free for a new person, who is somebody else to Sekisho: nothing that was the
former's (passkeys, links, tokens, accounts at providers, roles) is found by it again. What other
rooms end comes from whoever joins them (``server/leaving.py``), so that one record lists it all.
"""

from collections.abc import Mapping

from sekisho.identity.engine.fields import clean_email
from sekisho.identity.model import Person, PersonState
from sekisho.identity.service.people import (
    get_person,
    keep_an_admin,
    record_person,
    refuse_left,
    require_over,
    taken_address,
)
from sekisho.identity.store import departures, passes, people
from sekisho.identity.store import groups as group_store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, NotPermittedError
from sekisho.kernel.i18n import msg

# RFC 2606 section 2: a name that never is anybody's, so that the address column stays unique.
_NOWHERE = "left.invalid"
_LONGEST_REASON = 500


def require_leavable(tx: Transaction, person_id: str) -> Person:
    """Return a person whose time here the caller may end; raise otherwise.

    That takes identity.write in their unit and all their rights; nobody ends themselves, and the
    last administrator stays.
    """
    person = require_over(tx, person_id)
    refuse_left(person)
    if tx.principal.person_id == person.id:
        raise NotPermittedError(
            msg("Nobody ends their own time here."),
            hint=msg("Ask another administrator to do it."),
        )
    keep_an_admin(tx, person)
    return person


def end_person(
    tx: Transaction, person_id: str, reason: str, elsewhere: Mapping[str, object]
) -> Mapping[str, object]:
    """End everything of a person here; return what ended, which one record keeps.

    ``elsewhere`` says what other rooms have ended in the same transaction.
    """
    person = require_leavable(tx, person_id)
    people.lock_person(tx, person.id)
    ended: dict[str, object] = {
        "sessions": list(passes.delete_sessions(tx, person.id)),
        "tokens": list(passes.revoke_tokens(tx, person.id)),
        **departures.end_ways_in(tx, person.id),
        "roles": sorted(
            f"{held.role}@{held.unit_id}" if held.unit_id else held.role.value
            for held in person.assignments
        ),
        "groups": list(group_store.leave_groups(tx, person.id)),
        "led": departures.end_leading(tx, person.id),
        **elsewhere,
    }
    people.replace_roles(tx, person.id, ())
    people.update_person(
        tx,
        person.id,
        state=PersonState.LEFT.value,
        email=f"{person.id.lower()}@{_NOWHERE}",
        former_email=person.email,
        manager_id=None,
    )
    record_person(tx, person.id, "identity.person_left", {
        "reason": reason.strip()[:_LONGEST_REASON], "ended": ended,
    })  # fmt: skip
    return ended


def readmit_person(tx: Transaction, person_id: str) -> Person:
    """Let somebody who left be invited anew (identity.write): with nothing that was theirs.

    Raises ConflictError for one who has not left, or whose address is somebody else's by now.
    """
    person = require_over(tx, person_id)
    if person.state is not PersonState.LEFT:
        raise ConflictError(msg("%(name)s has not left.", name=person.name))
    email = clean_email(person.email)
    if people.find_person_by_email(tx, email) is not None:
        raise taken_address(email)
    people.update_person(
        tx, person.id, state=PersonState.INVITED.value, email=email, former_email=""
    )
    record_person(tx, person.id, "identity.person_readmitted", {})
    return get_person(tx, person_id)
