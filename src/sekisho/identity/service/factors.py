"""What a person proves themselves with: adding and removing passkeys, TOTP, recovery codes.

The last way in cannot be removed; every change needs a recent proof and leaves a record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.identity.engine import codes
from sekisho.identity.engine import passkeys as webauthn
from sekisho.identity.model import RECOVERY_CODES, Ceremony, Passkey, Person, Refused, Site
from sekisho.identity.service.ceremonies import (
    begin_ceremony,
    put_back,
    require_passkey_site,
    take_ceremony,
)
from sekisho.identity.service.people import get_person
from sekisho.identity.service.sessions import require_person, require_strong
from sekisho.identity.store import factors, people, providers
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.secrets import SecretBox

_LONGEST_LABEL = 100
_TOTP_TRIES = 5


@dataclass(frozen=True, slots=True)
class Factors:
    """What one person can sign in with."""

    passkeys: Sequence[Passkey]
    has_totp: bool
    recovery_codes: int


@dataclass(frozen=True, slots=True)
class TOTPSetup:
    """A TOTP registration under way: its handle, the secret to type in, the same as a picture."""

    handle: str
    secret: str = field(repr=False)
    picture: str = field(repr=False)


def list_factors(tx: Transaction) -> Factors:
    """List what the person who asks can sign in with."""
    return factors_of(tx, require_person(tx))


def factors_of(tx: Transaction, person_id: PersonID) -> Factors:
    """List what a person can sign in with (for this room's services)."""
    return Factors(
        factors.list_passkeys(tx, person_id),
        factors.get_totp(tx, person_id) is not None,
        factors.count_recovery_codes(tx, person_id),
    )


def begin_passkey(tx: Transaction, site: Site) -> tuple[str, dict[str, Any]]:
    """Begin to add a passkey for ``site``; return the handle and the browser's options."""
    person = get_person(tx, require_strong(tx))
    require_passkey_site(site)
    handle, challenge = begin_ceremony(
        tx, "add-passkey", site, person_id=person.id, bound_to=tx.principal.session_id or ""
    )
    existing = factors.list_passkeys(tx, person.id)
    return handle, webauthn.ask_registration(person, site, challenge, existing)


def finish_passkey(tx: Transaction, handle: str, answer: dict[str, Any], label: str) -> Passkey:
    """Add the passkey a browser has made; raise InvalidInputError if the answer does not hold."""
    person_id = require_strong(tx)
    ceremony = take_ceremony(tx, "add-passkey", handle, tx.principal.session_id or "")
    return add_passkey(tx, person_id, answer, ceremony, label)


def add_passkey(
    tx: Transaction, person_id: PersonID, answer: dict[str, Any], ceremony: Ceremony, label: str
) -> Passkey:
    """Verify a registration and keep the passkey (for this room's services)."""
    made = webauthn.verify_registration(answer, ceremony)
    if factors.find_passkey(tx, made.credential_id) is not None:
        raise ConflictError(msg("This passkey is registered already."))
    passkey = Passkey(
        id=new_id("pky"),
        person_id=person_id,
        rp_id=ceremony.rp_id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        aaguid=made.aaguid,
        label=clean_label(label),
        backed_up=made.credential_backed_up,
        created_at=tx.now,
        used_at=None,
    )
    factors.insert_passkey(tx, passkey)
    detail = {"passkey": passkey.id, "rp_id": passkey.rp_id, "aaguid": passkey.aaguid,
              "label": passkey.label, "backed_up": passkey.backed_up}  # fmt: skip
    _record(tx, person_id, "identity.passkey_added", detail)
    return passkey


def clean_label(label: str) -> str:
    """Return a label for a passkey, cut and made printable; never empty."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    return plain[:_LONGEST_LABEL] or "Passkey"


def rename_passkey(tx: Transaction, passkey_id: str, label: str) -> None:
    """Give a passkey of the person who asks another name; raise NotFoundError if not theirs."""
    person_id, name = require_strong(tx), clean_label(label)
    if not factors.rename_passkey(tx, person_id, passkey_id, name):
        raise NotFoundError(msg("There is no such passkey of yours."))
    _record(tx, person_id, "identity.passkey_renamed", {"passkey": passkey_id, "label": name})


def remove_passkey(tx: Transaction, passkey_id: str) -> None:
    """Remove a passkey of the person who asks; raise if it is not theirs or the last way in."""
    person_id = require_strong(tx)
    people.lock_person(tx, person_id)
    if not factors.delete_passkey(tx, person_id, passkey_id):
        raise NotFoundError(msg("There is no such passkey of yours."))
    _keep_a_way_in(tx, person_id)
    _record(tx, person_id, "identity.passkey_removed", {"passkey": passkey_id})


def _keep_a_way_in(tx: Transaction, person_id: PersonID) -> None:
    left = factors_of(tx, person_id)
    accounts = providers.list_accounts(tx, person_id, active=True)
    if not left.passkeys and not left.has_totp and not accounts:
        raise ConflictError(
            msg("This is your last way to sign in."), hint=msg("Add another one first.")
        )


def begin_totp(tx: Transaction, box: SecretBox, site: Site) -> TOTPSetup:
    """Begin to register an authenticator app for the person who asks."""
    person = get_person(tx, require_strong(tx))
    bound = tx.principal.session_id or ""
    return prepare_totp(tx, box, site, person, "add-totp", bound, {})


def prepare_totp(
    tx: Transaction,
    box: SecretBox,
    site: Site,
    person: Person,
    purpose: str,
    bound_to: str,
    pending: Mapping[str, str],
) -> TOTPSetup:
    """Make a secret and keep it sealed until its first code comes (for this room's services)."""
    secret = codes.make_totp_secret()
    sealed = box.seal(secret.encode(), _pending_context(purpose, bound_to))
    handle, _ = begin_ceremony(
        tx, purpose, site, person_id=person.id, bound_to=bound_to, pending=pending, sealed=sealed
    )
    return _setup(handle, secret, person.email)


def _setup(handle: str, secret: str, email: str) -> TOTPSetup:
    picture = codes.draw_qr(codes.provisioning_uri(secret, email, "Sekisho"))
    return TOTPSetup(handle, secret, picture)


def _pending_context(purpose: str, bound_to: str) -> str:
    return f"identity.pending-totp:{purpose}:{bound_to}"


def _totp_context(person_id: PersonID) -> str:
    return f"identity.totp:{person_id}"


def finish_totp(tx: Transaction, box: SecretBox, handle: str, code: str) -> Person | Refused:
    """Keep the authenticator app if its first code is right; Refused (commit it) otherwise."""
    person_id = require_strong(tx)
    bound = tx.principal.session_id or ""
    ceremony = take_ceremony(tx, "add-totp", handle, bound)
    step = match_pending(tx, box, ceremony, code)
    if step is None:
        return refuse_first_code(tx, handle, ceremony)
    keep_totp(tx, box, person_id, ceremony, step)
    return get_person(tx, person_id)


def match_pending(tx: Transaction, box: SecretBox, ceremony: Ceremony, code: str) -> int | None:
    """Return the time step a first code belongs to, or None if it is wrong."""
    secret = _pending_secret(box, ceremony)
    return codes.match_step(secret, codes.clean_code(code), tx.now, -1)


def _pending_secret(box: SecretBox, ceremony: Ceremony) -> str:
    context = _pending_context(ceremony.purpose, ceremony.bound_to)
    return box.open(ceremony.sealed or b"", context).decode()


def refuse_first_code(tx: Transaction, handle: str, ceremony: Ceremony) -> Refused:
    """Let the person type the first code again, five times at most."""
    put_back(tx, handle, ceremony, _TOTP_TRIES)
    return Refused(
        InvalidInputError(
            msg("The code does not match."),
            hint=msg("Check that the clock of the phone is right and type the newest code."),
        )
    )


def keep_totp(
    tx: Transaction, box: SecretBox, person_id: PersonID, ceremony: Ceremony, step: int
) -> None:
    """Store the secret of a finished registration; its first code counts as used."""
    secret = _pending_secret(box, ceremony)
    sealed = box.seal(secret.encode(), _totp_context(person_id))
    factors.set_totp(tx, person_id, sealed, step)
    _record(tx, person_id, "identity.totp_added", {})


def use_totp_code(tx: Transaction, box: SecretBox, person_id: PersonID, code: str) -> bool:
    """Use up a TOTP code; False if it is wrong, used before, or there is no authenticator."""
    stored = factors.get_totp(tx, person_id)
    if stored is None:
        return False
    sealed, last_step = stored
    secret = box.open(sealed, _totp_context(person_id)).decode()
    step = codes.match_step(secret, code, tx.now, last_step)
    return step is not None and factors.use_step(tx, person_id, step)


def remove_totp(tx: Transaction) -> None:
    """Forget the authenticator app of the person who asks."""
    person_id = require_strong(tx)
    people.lock_person(tx, person_id)
    if not factors.delete_totp(tx, person_id):
        raise NotFoundError(msg("You have no authenticator app registered."))
    _keep_a_way_in(tx, person_id)
    _record(tx, person_id, "identity.totp_removed", {})


def make_recovery_codes(tx: Transaction, box: SecretBox) -> list[str]:
    """Make ten new recovery codes, shown this once; former ones end."""
    person_id = require_strong(tx)
    made = [codes.make_recovery_code() for _ in range(RECOVERY_CODES)]
    digests = [_digest_recovery(box, person_id, codes.clean_code(code)) for code in made]
    factors.replace_recovery_codes(tx, person_id, digests)
    _record(tx, person_id, "identity.recovery_codes_made", {"count": len(made)})
    return made


def use_recovery_code(tx: Transaction, box: SecretBox, person_id: PersonID, code: str) -> bool:
    """Use up a recovery code; False if it is not an unused one of this person."""
    digest = _digest_recovery(box, person_id, code)
    if not factors.use_recovery_code(tx, person_id, digest):
        return False
    left = factors.count_recovery_codes(tx, person_id)
    _record(tx, person_id, "identity.recovery_code_used", {"left": left})
    return True


def _digest_recovery(box: SecretBox, person_id: PersonID, code: str) -> str:
    """Digest under the box's key, so that a copy of the database alone cannot be searched."""
    return box.mac(code.encode("utf-8", "surrogatepass"), f"identity.recovery:{person_id}").hex()


def forget_factors(tx: Transaction, person_id: PersonID, why: str) -> None:
    """Forget every passkey, app and code of a person whose factors are lost (for this room)."""
    gone = [key.id for key in factors.list_passkeys(tx, person_id)]
    for passkey_id in gone:
        factors.delete_passkey(tx, person_id, passkey_id)
    app = factors.delete_totp(tx, person_id)
    factors.delete_recovery_codes(tx, person_id)
    _record(tx, person_id, "identity.factors_forgotten", {"passkeys": gone, "app": app, "why": why})


def _record(tx: Transaction, person_id: PersonID, kind: str, detail: Mapping[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"person:{person_id}", detail=detail, person=person_id)
