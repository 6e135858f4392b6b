"""One-time tickets that carry a sign-in from the portal to the gate.

The portal (the one front door) knows who is signed in and nothing of the gate's cookies; the gate
knows the device in front of it and nothing of sign-ins. A ticket joins them: it is sealed with our
key, lives a minute, is taken once, and is of use only to the browser (or command) that asked for
it, which proves so by a secret of which the ticket holds the digest.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal

import msgspec

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.ids import new_token
from sekisho.kernel.secrets import SecretBox

LIFE_SECONDS = 60
_CONTEXT = "gate.ticket"
_LONGEST = 2048

Use = Literal["enter", "connect"]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in (``sign_in`` is the identity session), for what, until when (Unix seconds).

    ``resource`` is "" for a command, which opens what it asks for. ``asker`` is the digest of the
    asker's secret.
    """

    use: Use
    person: str
    sign_in: str
    resource: str
    asker: str
    ends: float
    id: str


def digest_asker(secret: str) -> str:
    """Return the form in which an asker's secret travels."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def make_ticket(
    box: SecretBox, use: Use, person: str, sign_in: str, asker: str, now: float, resource: str = ""
) -> str:
    """Return a new ticket as text that is safe in an address."""
    ticket = Ticket(
        use=use, person=person, sign_in=sign_in, resource=resource, asker=asker,
        ends=now + LIFE_SECONDS, id=new_token(12),
    )  # fmt: skip
    return base64.urlsafe_b64encode(box.seal(msgspec.json.encode(ticket), _CONTEXT)).decode()


@dataclass(slots=True)
class TicketOffice:
    """Takes tickets, each once."""

    box: SecretBox
    _taken: dict[str, float]

    @classmethod
    def open(cls, box: SecretBox) -> "TicketOffice":
        """Make an office that has taken none yet."""
        return cls(box, {})

    def take(self, text: str, use: Use, secret: str, now: float) -> Ticket | None:
        """Return a ticket that is ours, in time, unused and of this asker; None for any other."""
        ticket = self._read(text)
        if ticket is None or ticket.use != use or not now < ticket.ends <= now + LIFE_SECONDS + 5:
            return None
        if not secret or not hmac.compare_digest(ticket.asker, digest_asker(secret)):
            return None
        self._taken = {name: ends for name, ends in self._taken.items() if ends > now}
        if ticket.id in self._taken:
            return None
        self._taken[ticket.id] = ticket.ends
        return ticket

    def _read(self, text: str) -> Ticket | None:
        if len(text) > _LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(text)
            return msgspec.json.decode(self.box.open(sealed, _CONTEXT), type=Ticket)
        except (ValueError, InvalidInputError, msgspec.MsgspecError):
            return None
