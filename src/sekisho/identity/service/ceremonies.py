"""Registrations and sign-ins under way: begun once, finished once, bound to who began them."""

import secrets
from collections.abc import Mapping

from sekisho.identity.model import CEREMONY_LIFE, Ceremony, Site
from sekisho.identity.store import doorway
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, digest_token, new_token

_CHALLENGE_BYTES = 32  # WebAuthn level 3 section 13.4.3: at least 16


def begin_ceremony(
    tx: Transaction,
    purpose: str,
    site: Site,
    *,
    person_id: PersonID | None = None,
    bound_to: str = "",
    pending: Mapping[str, str] | None = None,
    sealed: bytes | None = None,
) -> tuple[str, bytes]:
    """Begin a ceremony and return its handle (a secret of the page) and its challenge."""
    handle, challenge = new_token(), secrets.token_bytes(_CHALLENGE_BYTES)
    ceremony = Ceremony(
        purpose, challenge, site.rp_id, site.origin, person_id, bound_to, pending or {}, sealed
    )
    doorway.insert_ceremony(tx, digest_token(handle), ceremony, CEREMONY_LIFE)
    return handle, challenge


def take_ceremony(tx: Transaction, purpose: str, handle: str, bound_to: str = "") -> Ceremony:
    """Take a ceremony out for good; raise ConflictError if it is over, used or another's."""
    found = doorway.take_ceremony(tx, digest_token(handle), purpose)
    if found is None or found.bound_to != bound_to:
        raise ConflictError(
            msg("This step has ended or was done already."),
            hint=msg("Load the page again and start anew."),
        )
    return found


def put_back(tx: Transaction, handle: str, ceremony: Ceremony, tries: int) -> None:
    """Let a ceremony be tried again, at most ``tries`` times in all."""
    used = int(ceremony.pending.get("tries", "0")) + 1
    if used >= tries:
        return
    kept = {name: getattr(ceremony, name) for name in Ceremony.__slots__}
    kept["pending"] = {**ceremony.pending, "tries": str(used)}
    doorway.insert_ceremony(tx, digest_token(handle), Ceremony(**kept), CEREMONY_LIFE)


def require_passkey_site(site: Site) -> None:
    """Return if passkeys can be made for this site; raise InvalidInputError otherwise."""
    if not site.rp_id:
        raise InvalidInputError(
            msg("Passkeys need a name, not the bare address %(got)s.", got=site.origin),
            hint=msg("Open this page under localhost or the public name."),
        )
