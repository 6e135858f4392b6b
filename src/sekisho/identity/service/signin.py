"""Signing in: by passkey, by the code of an authenticator app, by a recovery code.

Every way passes the same gate in the same order: address limit, account limit, proof, state of
the person. A wrong proof, an unknown address and a disabled person get the same answer.
"""

from dataclasses import replace
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.findings.model import NewFinding
from sekisho.identity.engine import codes
from sekisho.identity.engine import passkeys as webauthn
from sekisho.identity.model import (
    Method,
    Passkey,
    Person,
    PersonState,
    Refused,
    SignedIn,
    Site,
    Visit,
)
from sekisho.identity.service.ceremonies import (
    begin_ceremony,
    require_passkey_site,
    take_ceremony,
)
from sekisho.identity.service.factors import use_recovery_code, use_totp_code
from sekisho.identity.service.limits import (
    account_of_email,
    begin_try,
    begin_unguessable_try,
    pass_try,
    refuse_try,
)
from sekisho.identity.service.requirements import resting_roles
from sekisho.identity.service.sessions import open_session
from sekisho.identity.store import factors, people
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import SekishoError, UnauthenticatedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox

NEW_NAME_PAGE = "/account/new-name"
ACCOUNT_PAGE = "/account"


def begin_passkey_sign_in(tx: Transaction, site: Site) -> tuple[str, dict[str, Any]]:
    """Begin a sign-in; return the handle and the browser's options. No user is named."""
    require_passkey_site(site)
    handle, challenge = begin_ceremony(tx, "sign-in", site)
    return handle, webauthn.ask_authentication(site, challenge)


def sign_in_with_passkey(
    tx: Transaction, handle: str, answer: dict[str, Any], visit: Visit, *, replaces: str = ""
) -> SignedIn | Refused:
    """Sign a person in with a browser's answer; a Refused must be committed, then raised."""
    ceremony = take_ceremony(tx, "sign-in", handle)
    passkey = factors.find_passkey(tx, webauthn.credential_id_of(answer))
    trying = begin_unguessable_try(tx, visit.address)
    if passkey is None:
        return refuse_try(tx, trying, _unknown_passkey())
    try:
        counter = webauthn.verify_authentication(answer, ceremony, passkey)
    except SekishoError as error:
        if isinstance(error, webauthn.CounterWentBackError):
            _raise_alarm(tx, passkey, error)
        return refuse_try(tx, trying, error, passkey.person_id)
    person = _find_active(tx, passkey)
    if person is None or not factors.advance_counter(tx, passkey.id, counter):
        return refuse_try(tx, trying, _unknown_passkey(), passkey.person_id)
    pass_try(tx, trying)
    return open_session(tx, person, Method.PASSKEY, visit, replaces=replaces)


def _raise_alarm(tx: Transaction, passkey: Passkey, error: webauthn.CounterWentBackError) -> None:
    """Tell of a passkey that seems to exist twice (WebAuthn level 3 section 6.1.1)."""
    detail = {"passkey": passkey.id, "label": passkey.label, "known": error.known, "got": error.got}
    evidence.record(
        tx,
        kind="identity.passkey_copied",
        subject=f"person:{passkey.person_id}",
        detail=detail,
        person=passkey.person_id,
    )
    finding = NewFinding(
        kind="detection",
        key=f"passkey-copied:{passkey.id}",
        subject=f"person:{passkey.person_id}",
        title={"ja": "パスキーの複製が疑われます", "en": "A passkey may have been copied"},
        severity="high",
        detail=detail,
    )
    findings.raise_findings(tx, [finding])


def _find_active(tx: Transaction, passkey: Passkey) -> Person | None:
    person = people.find_person(tx, passkey.person_id)
    return person if person and person.state is PersonState.ACTIVE else None


def _unknown_passkey() -> UnauthenticatedError:
    return UnauthenticatedError(
        msg("This passkey is not known here, or was removed."),
        hint=msg("Delete it from your device, or use another way; it may be for another name."),
    )


def sign_in_with_code(
    tx: Transaction,
    box: SecretBox,
    *,
    email: str,
    code: str,
    site: Site,
    visit: Visit,
    replaces: str = "",
) -> SignedIn | Refused:
    """Sign a person in with a TOTP or recovery code; Refused must be committed, then raised."""
    plain = email.strip().lower()
    trying = begin_try(tx, visit.address, account_of_email(plain))
    person = people.find_person_by_email(tx, plain)
    method = _prove(tx, box, person, codes.clean_code(code))
    if person is None or method is None:
        return refuse_try(tx, trying, _wrong_code(), person.id if person else "")
    pass_try(tx, trying)
    signed_in = open_session(tx, person, method, visit, replaces=replaces)
    return _lead(tx, signed_in, site)


def _prove(tx: Transaction, box: SecretBox, person: Person | None, code: str) -> Method | None:
    """Use up the code of an active person and say what kind it was; None if it proves nothing."""
    if person is None or person.state is not PersonState.ACTIVE:
        return None
    if codes.is_totp_code(code):
        return Method.TOTP if use_totp_code(tx, box, person.id, code) else None
    return Method.RECOVERY if use_recovery_code(tx, box, person.id, code) else None


def _wrong_code() -> UnauthenticatedError:
    return UnauthenticatedError(
        msg("This address and code do not fit together."),
        hint=msg("Each code works once: wait for the next one, or use a recovery code."),
    )


def _lead(tx: Transaction, signed_in: SignedIn, site: Site) -> SignedIn:
    """Lead to a new passkey those whose passkeys are all for other names of this server."""
    person, method = signed_in.person, signed_in.method
    keys = factors.list_passkeys(tx, person.id)
    lacking = bool(site.rp_id) and site.rp_id not in {key.rp_id for key in keys}
    target = ACCOUNT_PAGE if method is Method.RECOVERY else ""
    target = NEW_NAME_PAGE if keys and lacking else target
    if resting_roles(tx, person, signed_in.strength):
        target = ACCOUNT_PAGE  # nothing else can be done before these are back
    return replace(signed_in, next=target)
