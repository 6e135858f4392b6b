"""WebAuthn level 3 ceremonies: what to ask a browser for, and whether its answer holds.

- Credentials are discoverable and user verification is required: a passkey is two factors.
- Challenge, origin and rp_id must be exactly those the ceremony was begun with.
- A counter that does not grow is a cloned authenticator and is refused (section 6.1.1).
- Anything the library cannot read is a refusal, whatever it raises.

The library (6 MiB with what it brings) is loaded by the first ceremony, not by every process.
"""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sekisho.identity.model import Ceremony, Passkey, Person, Site
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

if TYPE_CHECKING:
    from webauthn.registration.verify_registration_response import VerifiedRegistration

_TIMEOUT_MILLISECONDS = 300_000


class CounterWentBackError(InvalidInputError):
    """A good signature with a counter that did not grow: there may be a copy of the passkey."""

    def __init__(self, known: int, got: int) -> None:
        super().__init__(
            msg("The passkey was not accepted: its sign count went from %(known)s to %(got)s.",
                known=known, got=got),
            hint=msg("Somebody may have a copy of it. Use another way in and remove this passkey."),
        )  # fmt: skip
        self.known, self.got = known, got


def ask_registration(
    person: Person, site: Site, challenge: bytes, existing: Sequence[Passkey]
) -> dict[str, Any]:
    """Return the JSON form of PublicKeyCredentialCreationOptions for ``person`` on ``site``."""
    import webauthn  # noqa: PLC0415 - see the module's docstring
    from webauthn.helpers.structs import (  # noqa: PLC0415 - the same
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name="Sekisho",
        user_name=person.email,
        user_id=person.id.encode(),
        user_display_name=person.name,
        challenge=challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=key.credential_id)
            for key in existing
            if key.rp_id == site.rp_id
        ],
    )
    return _as_json(webauthn.options_to_json(options))


def ask_authentication(site: Site, challenge: bytes) -> dict[str, Any]:
    """Return the JSON form of PublicKeyCredentialRequestOptions; no user is named."""
    import webauthn  # noqa: PLC0415 - see the module's docstring
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415 - the same

    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _as_json(webauthn.options_to_json(options))


def _as_json(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])


def verify_registration(answer: dict[str, Any], ceremony: Ceremony) -> "VerifiedRegistration":
    """Return the new credential; raise InvalidInputError for an answer that does not hold."""
    import webauthn  # noqa: PLC0415 - see the module's docstring

    try:
        return webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.rp_id,
            expected_origin=ceremony.origin,
            require_user_verification=True,
        )
    except Exception as error:
        # The library promises no closed set of exceptions for hostile CBOR: doubt denies.
        raise refusal(error) from error


def verify_authentication(answer: dict[str, Any], ceremony: Ceremony, passkey: Passkey) -> int:
    """Return the new counter; raise InvalidInputError for an answer that does not hold."""
    import webauthn  # noqa: PLC0415 - see the module's docstring

    try:
        _check_owner(answer, ceremony, passkey)
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.rp_id,
            expected_origin=ceremony.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,  # ours to judge, once the signature holds
            require_user_verification=True,
        )
    except Exception as error:
        # As above: whatever hostile bytes make the library raise is a refusal.
        raise refusal(error) from error
    count = verified.new_sign_count
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        raise CounterWentBackError(passkey.sign_count, count)
    return count


def _check_owner(answer: dict[str, Any], ceremony: Ceremony, passkey: Passkey) -> None:
    """Hold name and user handle against the passkey's (section 7.2 step 6); both must be there."""
    if passkey.rp_id != ceremony.rp_id:
        raise ValueError(f"the passkey is for {passkey.rp_id}, not {ceremony.rp_id}")
    handle = answer["response"].get("userHandle")
    expected = _decode(handle) if isinstance(handle, str) else b""
    if expected != passkey.person_id.encode():
        raise ValueError("the user handle is not that of the passkey's owner")


def refusal(error: Exception) -> InvalidInputError:
    """Make the refusal of a browser's answer, naming the library's reason."""
    return InvalidInputError(
        msg("The passkey was not accepted: %(why)s.", why=str(error).rstrip(".") or "unreadable"),
        hint=msg("Try again on this page; if it stays, use another way to sign in."),
    )


def credential_id_of(answer: dict[str, Any]) -> bytes:
    """Return the credential id an answer names; raise InvalidInputError where there is none."""
    try:
        return _decode(answer["rawId"])
    except Exception as error:
        # Hostile input of any type; the only right answer is no.
        raise refusal(ValueError("it names no credential")) from error


def _decode(text: str) -> bytes:
    """Decode base64url without padding (WebAuthn level 3, section 3)."""
    return base64.urlsafe_b64decode(text + "===")  # too much padding is ignored
