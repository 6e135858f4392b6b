"""A form somebody was sending when a fresh proof was asked for, kept so that nothing is lost.

Sealed, for ten minutes, and given back to the same person only; sending it again is their click.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from sekisho.identity.model import CEREMONY_LIFE, Ceremony
from sekisho.identity.service.sessions import require_person
from sekisho.identity.store import doorway
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError, TooLargeError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import digest_token, new_token
from sekisho.kernel.secrets import SecretBox

_PURPOSE = "resume"
_LARGEST_FORM = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeptForm:
    """Where a form goes, what is in it, and the page it stood on."""

    action: str
    fields: Sequence[tuple[str, str]]
    page: str


def keep_form(tx: Transaction, box: SecretBox, form: KeptForm) -> str:
    """Keep a form for the person who asks and return its handle; raise TooLargeError."""
    person_id, handle = require_person(tx), new_token()
    plain = msgspec.json.encode([form.action, list(form.fields), form.page])
    if len(plain) > _LARGEST_FORM:
        raise TooLargeError(msg("This form is too large to be kept while you confirm."))
    digest = digest_token(handle)
    sealed = box.seal(plain, _context(digest))
    kept = Ceremony(_PURPOSE, b"", "", "", person_id, "", {}, sealed)
    doorway.insert_ceremony(tx, digest, kept, CEREMONY_LIFE)
    return handle


def find_form(tx: Transaction, box: SecretBox, handle: str) -> KeptForm:
    """Return a form that was kept for the person who asks; raise NotFoundError."""
    person_id, digest = require_person(tx), digest_token(handle)
    found = doorway.find_ceremony(tx, digest, _PURPOSE)
    if found is None or found.person_id != person_id:
        raise NotFoundError(
            msg("What you were doing is not kept any more."),
            hint=msg("Go to the page and do it again; you have confirmed who you are."),
        )
    action, fields, page = msgspec.json.decode(
        box.open(found.sealed or b"", _context(digest)),
        type=tuple[str, list[tuple[str, str]], str],
    )
    return KeptForm(action, fields, page)


def _context(digest: str) -> str:
    return f"identity.resume:{digest}"
