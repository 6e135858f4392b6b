"""What identity speaks of: people, roles, the ways to prove oneself, sessions, tokens, links.

Nothing here holds a secret in the clear: links, sessions and tokens are known by digest only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID, SessionID, TokenID

TOKEN_PREFIX = "sks_"  # noqa: S105 - the visible start of every API token, for secret scanners
SESSION_LIFE = timedelta(hours=12)  # NIST SP 800-63B-4 section 2.2.3: at most 24 h at AAL2
SESSION_IDLE = timedelta(hours=1)  # the same section: at most 1 h without activity
STEP_UP_LIFE = timedelta(minutes=15)
CEREMONY_LIFE = timedelta(minutes=10)
LONGEST_TOKEN_LIFE = timedelta(days=366)
RECOVERY_CODES = 10
LINK_DAYS = 3  # how long an invitation may lie in a mailbox
LONGEST_NAME = 200
LONGEST_EMAIL = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets


class Role(StrEnum):
    """What somebody is to this organisation; a person may have several."""

    ADMIN = "admin"
    SECURITY = "security"
    AUDITOR = "auditor"
    TELEWORKER = "teleworker"


SELF_RIGHTS = frozenset({"self.read", "self.write"})
RIGHTS_OF_ROLE: Mapping[Role, frozenset[str]] = {
    Role.ADMIN: frozenset({"*"}),
    Role.SECURITY: frozenset(
        {
            "devices.*",
            "controls.*",
            "findings.*",
            "evidence.read",
            "identity.read",
            "settings.read",
        }
    ),
    Role.AUDITOR: frozenset(
        {
            "devices.read",
            "controls.read",
            "findings.read",
            "evidence.read",
            "identity.read",
            "settings.read",
        }
    ),
    Role.TELEWORKER: frozenset(),
}
WORDS_OF_ROLE: Mapping[Role, Text] = {
    Role.ADMIN: msg("Administrator"),
    Role.SECURITY: msg("Security"),
    Role.AUDITOR: msg("Auditor"),
    Role.TELEWORKER: msg("Teleworker"),
}
# What a token may be made for; always narrowed again to what its owner may do.
TOKEN_SCOPES = (
    "devices.read",
    "devices.write",
    "devices.approve",
    "controls.read",
    "controls.write",
    "findings.read",
    "findings.write",
    "evidence.read",
    "identity.read",
    "settings.read",
    "self.read",
)


class PersonState(StrEnum):
    """Whether a person may come in."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


class Purpose(StrEnum):
    """What a one-time link is for."""

    FIRST_ADMIN = "first-admin"
    RECOVERY = "recovery"
    INVITE = "invite"
    LOST_FACTOR = "lost-factor"


class Method(StrEnum):
    """How a person proved who they are."""

    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY = "recovery"
    OIDC = "oidc"


class Strength(IntEnum):
    """How much a proof is worth, weakest first (NIST SP 800-63B-4 section 2 in plain words).

    ``ONE``: one factor, such as a code. ``TWO``: two different ones. ``RESISTANT``: two, and of no
    use to a false page (a passkey).
    """

    ONE = 1
    TWO = 2
    RESISTANT = 3


WORDS_OF_METHOD: Mapping[Method, Text] = {
    Method.PASSKEY: msg("Passkey"),
    Method.TOTP: msg("Authenticator app"),
    Method.RECOVERY: msg("Recovery code"),
    Method.OIDC: msg("Organisation account"),
}
STRENGTH_OF_METHOD: Mapping[Method, Strength] = {
    Method.PASSKEY: Strength.RESISTANT,
    Method.TOTP: Strength.ONE,
    Method.RECOVERY: Strength.ONE,
    Method.OIDC: Strength.ONE,  # unless the provider says how it was proven
}
WORDS_OF_STRENGTH: Mapping[Strength, Text] = {
    Strength.ONE: msg("One factor"),
    Strength.TWO: msg("Two factors"),
    Strength.RESISTANT: msg("Two factors, safe from false pages"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in, with the roles held now."""

    id: PersonID
    name: str
    email: str
    language: str
    state: PersonState
    roles: frozenset[Role] = frozenset()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The name under which a page is served: ``rp_id`` and ``origin`` of WebAuthn.

    ``rp_id`` is a domain name without port, ``origin`` is ``scheme://host[:port]``.
    """

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a sign-in came from: the address and what the browser calls itself."""

    address: str
    browser: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link that may still be used."""

    digest: str
    purpose: Purpose
    person_id: PersonID | None
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    """A registered WebAuthn credential and the name (``rp_id``) it was made for."""

    id: str
    person_id: PersonID
    rp_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    label: str
    backed_up: bool
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser; ``current`` is set for the one that asks."""

    id: SessionID
    person_id: PersonID
    method: Method
    created_at: datetime
    authenticated_at: datetime
    seen_at: datetime
    ends_at: datetime
    address: str
    browser: str
    strength: Strength = Strength.ONE


@dataclass(frozen=True, slots=True)
class APIToken:
    """A key for programs: narrower than its owner and always with an end."""

    id: TokenID
    person_id: PersonID
    label: str
    scopes: frozenset[str]
    created_at: datetime
    ends_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A registration or sign-in under way: its challenge and what it will complete."""

    purpose: str
    challenge: bytes
    rp_id: str
    origin: str
    person_id: PersonID | None
    bound_to: str
    pending: Mapping[str, str]
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures in a row under one key (an account or an address)."""

    failures: int = 0
    last_at: datetime | None = None
    blocked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What the front door learns about a person or token that came in."""

    person: Person
    rights: frozenset[str]
    session: Session | None = None
    token: APIToken | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that succeeded; ``secret`` is the cookie's value, shown to nobody else.

    ``next`` is where the person should be led first, "" for where they were going.
    """

    person: Person
    session_id: SessionID
    secret: str = field(repr=False)
    method: Method = Method.PASSKEY
    next: str = ""
    strength: Strength = Strength.ONE


@dataclass(frozen=True, slots=True)
class Refused:
    """A try that failed; it is counted and recorded, so its transaction must commit.

    Raise ``error`` once it has (``service.try_act`` does).
    """

    error: SekishoError


@dataclass(frozen=True, slots=True)
class PasskeyName:
    """How many people have a passkey for a name, and who of the active people has none."""

    rp_id: str
    people: int
    missing: tuple[Person, ...]
