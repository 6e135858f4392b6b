"""Documents as evidence: a contract, an audit report, a photo of a locked cabinet. Pure.

A document says something only after somebody else than whoever brought it has looked at it, and
only between its two days.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sekisho.controls.model import Control, Proof
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID

LONGEST_TITLE = 200
LONGEST_NOTE = 2000
LONGEST_VALID = timedelta(days=5 * 366)
_KINDS: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "application/zip": (b"PK\x03\x04",),  # also what office programs write
}


class DocumentScope(StrEnum):
    """For which devices a document speaks."""

    ORGANISATION = "organisation"
    UNIT = "unit"
    DEVICE = "device"


class DocumentState(StrEnum):
    """Where a document stands; only an accepted one proves anything."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ENDED = "ended"  # taken back before its end


@dataclass(frozen=True, slots=True)
class Document:
    """One document about one rule; ``artefact`` is the digest of a file, ``address`` a link."""

    id: str
    control_id: ControlID
    control_version: int
    scope: DocumentScope
    scope_id: str
    title: str
    note: str
    address: str
    artefact: str | None
    file_name: str
    valid_from: datetime
    valid_until: datetime
    state: DocumentState
    submitted_by: str
    submitted_name: str
    submitted_at: datetime
    reviewed_by: str | None = None
    reviewed_name: str = ""
    reviewed_at: datetime | None = None
    review_note: str = ""
    reminded_at: datetime | None = None

    @property
    def source(self) -> str:
        """Return what its statements are told by."""
        return f"document:{self.id}"

    @property
    def last_moment(self) -> datetime:
        """Return the last second of its last day, which is how people write its end."""
        return self.valid_until - timedelta(seconds=1)

    def holds(self, now: datetime) -> bool:
        """Return whether it proves something at ``now``."""
        return self.state is DocumentState.ACCEPTED and self.valid_from <= now < self.valid_until

    def counts_until(self, control: Control) -> datetime:
        """Return when it stops counting: at its end, or when the rule wants a newer one."""
        began = self.reviewed_at or self.submitted_at
        return min(self.valid_until, max(began, self.valid_from) + control.max_age)


def check_document(control: Control, document: Document, now: datetime) -> None:
    """Return if a document can be handed in; raise InvalidInputError with what to do."""
    if control.proof is Proof.MACHINE:
        raise InvalidInputError(
            msg("%(control)s is proven by machine; a document cannot stand in for that.",
                control=control.id),
            hint=msg("If it cannot be kept for now, grant an exception with an end date."),
        )  # fmt: skip
    if not 1 <= len(document.title) <= LONGEST_TITLE or len(document.note) > LONGEST_NOTE:
        raise InvalidInputError(
            msg("A title of 1 to %(title)s characters and a note of up to %(note)s are expected.",
                title=LONGEST_TITLE, note=LONGEST_NOTE)
        )  # fmt: skip
    if not document.valid_from < document.valid_until or document.valid_until <= now:
        raise InvalidInputError(
            msg("A document is valid from one day to a later one that is still to come."),
            hint=msg("Check the two days; write the day on which it ends."),
        )
    if document.valid_until - document.valid_from > LONGEST_VALID:
        raise InvalidInputError(msg("A document is valid for five years at most."))
    _check_content(document)


def _check_content(document: Document) -> None:
    if bool(document.address) == (document.artefact is not None):
        raise InvalidInputError(msg("Either a file or a link is expected, and not both."))
    if document.address and (
        not document.address.startswith("https://")
        or len(document.address) > LONGEST_NOTE
        or not document.address.isprintable()
        or " " in document.address
    ):
        raise InvalidInputError(
            msg("“%(got)s” is no link that can be kept.", got=document.address[:60]),
            hint=msg("A link begins with https://."),
        )


def check_review(document: Document, reviewer: str | None) -> None:
    """Return if ``reviewer`` may decide on it: a person, and not the one who brought it."""
    if document.state is not DocumentState.SUBMITTED:
        raise ConflictError(msg("This document was reviewed already."))
    if reviewer is None or reviewer == document.submitted_by:
        raise NotPermittedError(
            msg("Whoever hands a document in does not review it."),
            hint=msg("Ask somebody else who is responsible for security."),
        )


def tell_kind(content: bytes) -> str:
    """Return the media type by the first bytes; raise InvalidInputError for anything else.

    What a browser could run (HTML, SVG, scripts) is never kept.
    """
    for kind, signs in _KINDS.items():
        if content.startswith(signs):
            return kind
    raise InvalidInputError(
        msg("This kind of file is not kept as a document."),
        hint=msg("Hand in a PDF, a picture (PNG, JPEG, WebP) or a file of an office program."),
    )
