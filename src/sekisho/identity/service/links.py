"""One-time links: the first administrator, an invitation, and the way back in from the machine.

A link is 256 bits of chance of which only the digest is stored. It is used up when a way to sign
in has been registered with it, not when it is looked at (mail scanners look at links).
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.identity.engine import passkeys as webauthn
from sekisho.identity.engine.fields import clean_email, clean_language, clean_name
from sekisho.identity.model import (
    GONE,
    LINK_DAYS,
    STRENGTH_OF_METHOD,
    Ceremony,
    Link,
    Method,
    Person,
    PersonState,
    Purpose,
    Refused,
    Role,
    SignedIn,
    Site,
    Strength,
    Visit,
)
from sekisho.identity.service.ceremonies import (
    begin_ceremony,
    require_passkey_site,
    take_ceremony,
)
from sekisho.identity.service.factors import (
    TOTPSetup,
    add_passkey,
    forget_factors,
    keep_totp,
    match_pending,
    prepare_totp,
    refuse_first_code,
)
from sekisho.identity.service.limits import begin_try, refuse_try, try_act
from sekisho.identity.service.people import (
    add_person,
    get_person,
)
from sekisho.identity.service.sessions import Proof, open_session, sign_out_everywhere
from sekisho.identity.store import doorway, factors, people, recoveries
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, digest_token, new_id, new_token
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox

LINK_LIFE: Mapping[Purpose, dt.timedelta] = {
    Purpose.FIRST_ADMIN: dt.timedelta(hours=1),
    Purpose.RECOVERY: dt.timedelta(minutes=15),
    Purpose.INVITE: dt.timedelta(days=LINK_DAYS),
    Purpose.LOST_FACTOR: dt.timedelta(hours=1),
}
CODES_PAGE = "/account/recovery-codes"


def issue_first_admin_link(tx: Transaction) -> str | None:
    """Return the path of a new first-admin link, or None once an admin can sign in.

    A former unused one ends. Valid for one hour.
    """
    _require_own_machine(tx)
    if people.has_equipped_admin(tx):
        return None
    return issue_link(tx, Purpose.FIRST_ADMIN, None)


def issue_admin_link(tx: Transaction, email: str = "") -> tuple[Purpose, str]:
    """Return purpose and path of a link for ``sekisho admin link``.

    Without ``email``: first-admin, or recovery where exactly one admin exists. Raises
    NotFoundError for an unknown address, ConflictError where an address must be named.
    """
    _require_own_machine(tx)
    if not email:
        first = issue_first_admin_link(tx)
        if first is not None:
            return Purpose.FIRST_ADMIN, first
        raise ConflictError(
            msg("An administrator can sign in already; say for whom the link is."),
            hint=msg("Add --person EMAIL."),
        )
    person = people.find_person_by_email(tx, email.strip().lower())
    if person is None or person.state in GONE:
        raise NotFoundError(
            msg("Nobody with the address %(email)s may sign in.", email=email),
            hint=msg("Addresses are listed on the page “People”."),
        )
    return Purpose.RECOVERY, issue_link(tx, Purpose.RECOVERY, person.id)


def _require_own_machine(tx: Transaction) -> None:
    if tx.principal.kind not in {PrincipalKind.SYSTEM, PrincipalKind.COMMAND}:
        raise NotPermittedError(
            msg("Such a link is made on the machine itself only."),
            hint=msg("Run there: sekisho admin link"),
        )


def issue_link(
    tx: Transaction,
    purpose: Purpose,
    person_id: PersonID | None,
    *,
    token: str = "",
    invitation_id: str = "",
) -> str:
    """Make a link and return its path; former unused ones end (for this room's services)."""
    doorway.delete_unused_links(tx, purpose, person_id)
    token = token or new_token()
    ends_at = tx.now + LINK_LIFE[purpose]
    digest = digest_token(token)
    doorway.insert_link(tx, Link(digest, purpose, person_id, ends_at, invitation_id))
    evidence.record(
        tx,
        kind="identity.link_issued",
        subject=f"person:{person_id}" if person_id else "identity",
        detail={"purpose": purpose.value, "ends_at": ends_at.isoformat()},
        person=person_id,
    )
    return f"/start/{token}"


def open_link(tx: Transaction, token: str) -> tuple[Link, Person | None]:
    """Return an open link and whom it is for; raise NotFoundError if it does not work (any more).

    Looking does not use it up.
    """
    link = doorway.find_link(tx, digest_token(token))
    if link is None or (link.purpose is Purpose.FIRST_ADMIN and people.has_equipped_admin(tx)):
        raise _dead_link()
    person = people.find_person(tx, link.person_id) if link.person_id else None
    if link.person_id and (person is None or person.state in GONE):
        raise _dead_link()
    return link, person


def _dead_link() -> NotFoundError:
    return NotFoundError(
        msg("This link has ended or was used before."),
        hint=msg("Links work once. A new one is made on the machine: sekisho admin link"),
    )


def refuse_link(tx: Transaction, visit: Visit) -> Refused:
    """Count the try of a link that does not work against its address."""
    return refuse_try(tx, begin_try(tx, visit.address), _dead_link())


@contextmanager
def counting_dead_links(database: Database, principal: Principal, visit: Visit) -> Iterator[None]:
    """Count what is sent to a link that does not work against its address, then raise as before."""
    try:
        yield
    except NotFoundError:
        try_act(database, principal, lambda tx: refuse_link(tx, visit))


def begin_link_passkey(
    tx: Transaction, token: str, profile: Mapping[str, str], site: Site
) -> tuple[str, dict[str, Any]]:
    """Begin to register a passkey with a link; ``profile`` has name, email, language."""
    require_passkey_site(site)
    link, person, pending = _prepare(tx, token, profile)
    handle, challenge = begin_ceremony(
        tx, "start-passkey", site, person_id=person.id, bound_to=link.digest, pending=pending
    )
    existing = factors.list_passkeys(tx, person.id)
    return handle, webauthn.ask_registration(person, site, challenge, existing)


def finish_link_passkey(
    tx: Transaction, token: str, handle: str, answer: dict[str, Any], label: str, visit: Visit
) -> SignedIn:
    """Register the passkey, use the link up and sign the person in."""
    ceremony = take_ceremony(tx, "start-passkey", handle, digest_token(token))
    person = _redeem(tx, token, ceremony)
    add_passkey(tx, person.id, answer, ceremony, label)
    return enter_by_link(tx, person, Method.PASSKEY, visit)


def begin_link_totp(
    tx: Transaction, box: SecretBox, token: str, profile: Mapping[str, str], site: Site
) -> TOTPSetup:
    """Begin to register an authenticator app with a link."""
    link, person, pending = _prepare(tx, token, profile)
    return prepare_totp(tx, box, site, person, "start-totp", link.digest, pending)


def finish_link_totp(
    tx: Transaction, box: SecretBox, token: str, handle: str, code: str, visit: Visit
) -> SignedIn | Refused:
    """Register the authenticator app if its first code is right, and sign the person in."""
    ceremony = take_ceremony(tx, "start-totp", handle, digest_token(token))
    step = match_pending(tx, box, ceremony, code)
    if step is None:
        return refuse_first_code(tx, handle, ceremony)
    person = _redeem(tx, token, ceremony)
    keep_totp(tx, box, person.id, ceremony, step)
    return enter_by_link(tx, person, Method.TOTP, visit)


def _prepare(
    tx: Transaction, token: str, profile: Mapping[str, str]
) -> tuple[Link, Person, dict[str, str]]:
    link, person = open_link(tx, token)
    if person is not None:
        return link, person, {}
    made = Person(
        PersonID(new_id("per")),
        clean_name(profile.get("name", "")),
        clean_email(profile.get("email", "")),
        clean_language(profile.get("language", "")),
        PersonState.INVITED,
    )
    pending = {"name": made.name, "email": made.email, "language": made.language}
    return link, made, pending


def _redeem(tx: Transaction, token: str, ceremony: Ceremony) -> Person:
    """Use the link up and return the person, who is added now if the link was a first-admin one.

    Of two people with first-admin links the second is refused.
    """
    link, person = open_link(tx, token)
    if not doorway.use_link(tx, link.digest):
        raise _dead_link()
    if person is None:
        return _add_first_admin(tx, ceremony)
    if link.purpose in {Purpose.RECOVERY, Purpose.LOST_FACTOR}:
        sign_out_everywhere(tx, person.id, "recovery link used")
    if link.purpose is Purpose.LOST_FACTOR:
        _begin_anew(tx, person)
    people.activate_person(tx, person.id)
    return get_person(tx, person.id)


def _begin_anew(tx: Transaction, person: Person) -> None:
    """End what was lost: whoever has it now comes in with it no more."""
    forget_factors(tx, person.id, "second factor lost")
    asked = recoveries.find_open(tx, person.id)
    if asked is not None:
        recoveries.set_state(tx, asked.id, recoveries.RecoveryState.USED)


def _add_first_admin(tx: Transaction, ceremony: Ceremony) -> Person:
    doorway.use_first_admin_links(tx)
    if people.has_equipped_admin(tx):
        raise _dead_link()
    known = people.find_person_by_email(tx, ceremony.pending["email"])
    if known is not None:
        raise ConflictError(
            msg("%(email)s is already the address of somebody here.", email=known.email),
            hint=msg("Run: sekisho admin link --person %(email)s", email=known.email),
        )
    # The passkey was made for this id (its user handle), so the person must get the same.
    return add_person(
        tx,
        name=ceremony.pending["name"],
        email=ceremony.pending["email"],
        language=ceremony.pending["language"],
        roles=[Role.ADMIN],
        state=PersonState.ACTIVE,
        person_id=ceremony.person_id,
    )


def redeem_invitation(tx: Transaction, token: str) -> Person:
    """Use up an invitation and return whom it is for (for this room's services)."""
    link, person = open_link(tx, token)
    if link.purpose is not Purpose.INVITE or person is None:
        raise _dead_link()
    if not doorway.use_link(tx, link.digest):
        raise _dead_link()
    people.activate_person(tx, person.id)
    return get_person(tx, person.id)


def enter_by_link(
    tx: Transaction, person: Person, method: Method, visit: Visit, proof: Proof | None = None
) -> SignedIn:
    """Sign in a person whose link was just used up; codes for a lost device come next.

    The link came on a way of its own: with what was just registered it makes two.
    """
    proof = proof or Proof(STRENGTH_OF_METHOD[method], tx.now)
    proof = replace(proof, strength=max(proof.strength, Strength.TWO), at=proof.at or tx.now)
    evidence.record(
        tx,
        kind="identity.link_used",
        subject=f"person:{person.id}",
        detail={"method": method.value, "address": visit.address},
        person=person.id,
    )
    signed_in = open_session(tx, person, method, visit, proof=proof)
    return replace(signed_in, next=CODES_PAGE)
