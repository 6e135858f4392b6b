"""What the gate and its relay tell each other: grants one way, what happened the other.

The relay knows no target but those of grants: the gate reads them from the database, and what a
browser says of its destination is not used.
"""

import time
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

LIFE_SECONDS = 60.0
MOST_GRANTS = 10_000


class Why(StrEnum):
    """Why a connection to a desktop ended or did not begin."""

    CLOSED = "closed"
    NOT_SIGNED_IN = "not-signed-in"
    NO_TICKET = "no-ticket"
    UNREACHABLE = "unreachable"
    NO_NLA = "no-nla"
    NO_TLS = "no-tls"
    NO_VNC_WAY = "no-vnc-way"
    CERTIFICATE_UNKNOWN = "certificate-unknown"
    CERTIFICATE_CHANGED = "certificate-changed"
    MALFORMED = "malformed"
    CHANNEL = "channel"
    HOST_MALFORMED = "host-malformed"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Leave for one connection: whose session, to where, and how the host proves itself.

    ``ends`` is Unix seconds. ``kind`` is ``rdp`` or ``vnc``. ``pin`` is the SHA-256 (hex) of the
    host's certificate, ``ca_pem`` its authority ("" = this machine's), ``name`` what the
    certificate must say. ``tls`` concerns VNC; RDP always has it.
    """

    ticket: str
    session: str
    kind: str
    host: str
    port: int
    ends: float
    tls: bool = False
    pin: str = ""
    ca_pem: str = ""
    name: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay tells: ``kind`` is ``ready``, ``opened`` or ``ended``.

    ``granted`` tells whether a grant was taken: without one nothing was asked of a host.
    ``shown`` is the digest of the certificate that the host showed. ``detail`` is for the record;
    ``up`` and ``down`` count the bytes towards the host and from it.
    """

    kind: str
    session: str = ""
    granted: bool = False
    why: Why = Why.CLOSED
    shown: str = ""
    detail: str = ""
    up: int = 0
    down: int = 0


@dataclass(slots=True)
class Grants:
    """Grants that nobody has used yet."""

    _waiting: dict[str, Grant] = field(default_factory=dict)

    def add(self, grant: Grant) -> None:
        """Keep a grant until it is taken or too old."""
        now = time.time()
        self._waiting = {t: g for t, g in self._waiting.items() if g.ends > now}
        if len(self._waiting) < MOST_GRANTS:
            self._waiting[grant.ticket] = grant

    def take(self, ticket: str, session: str, kind: str) -> Grant | None:
        """Return the grant of a ticket, once, in time and to its own session; None otherwise."""
        grant = self._waiting.pop(ticket, None)
        if grant is None or grant.ends <= time.time():
            return None
        return grant if session and (grant.session, grant.kind) == (session, kind) else None
