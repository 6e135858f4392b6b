"""What identity speaks of: people, roles, the ways to prove oneself, sessions, tokens, links.

Nothing here holds a secret in the clear: links, sessions and tokens are known by digest only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import GroupID, PersonID, SessionID, TokenID, UnitID

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
    """What somebody is to this organisation or to a part of it; a person may have several."""

    ADMIN = "admin"
    SECURITY = "security"
    CSIRT = "csirt"
    MANAGER = "manager"
    TRAINER = "trainer"
    EXECUTIVE = "executive"
    AUDITOR = "auditor"
    TELEWORKER = "teleworker"


class PersonState(StrEnum):
    """Whether a person may come in."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"
    LEFT = "left"


GONE = frozenset({PersonState.DISABLED, PersonState.LEFT})  # who may not come in


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
class Assignment:
    """A role held in one unit with all units below it, or in the whole organisation (None)."""

    role: Role
    unit_id: UnitID | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in, with the roles held now.

    ``roles`` are held in the whole organisation, ``unit_roles`` in one unit each. ``version``
    grows with every change (of two edits at once the second is refused). ``email`` of somebody
    who left is their former address, which may be somebody else's by now. ``external_id`` is the
    id that the directory they came from uses.
    """

    id: PersonID
    name: str
    email: str
    language: str
    state: PersonState
    roles: frozenset[Role] = frozenset()
    created_at: datetime | None = None
    unit_id: UnitID | None = None
    unit_roles: frozenset[Assignment] = frozenset()
    manager_id: PersonID | None = None
    external_id: str = ""
    version: int = 1

    @property
    def assignments(self) -> frozenset[Assignment]:
        """Return all roles with where they are held."""
        return frozenset(Assignment(role) for role in self.roles) | self.unit_roles


class UnitKind(StrEnum):
    """What a unit is: a company of its own, or a part of one."""

    SUBSIDIARY = "subsidiary"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the organisation; units form a forest by ``parent_id``.

    ``country`` (ISO 3166-1 alpha-2), ``time_zone`` (IANA name) and ``language`` are "" where the
    unit has none of its own: what is above it counts.
    """

    id: UnitID
    name: str
    kind: UnitKind = UnitKind.DEPARTMENT
    parent_id: UnitID | None = None
    country: str = ""
    time_zone: str = ""
    language: str = ""
    external_id: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of people, kept by hand or by a directory."""

    id: GroupID
    name: str
    note: str = ""
    external_id: str = ""
    version: int = 1
    size: int = 0


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
    """A one-time link that may still be used; ``invitation_id``: of one that a mail may carry."""

    digest: str
    purpose: Purpose
    person_id: PersonID | None
    ends_at: datetime
    invitation_id: str = ""


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
    scoped: Mapping[str, frozenset[str]] = field(default_factory=dict)


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
