"""What access speaks of: resources, signals, reasons, decisions, sessions. Frozen and pure.

Words follow NIST SP 800-207: a policy decides from signals about subject and resource; the gate
(``server/gate``) is the enforcement point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NewType

from sekisho.identity.model import Strength
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import DeviceID, PersonID

ResourceID = NewType("ResourceID", str)
AccessSessionID = NewType("AccessSessionID", str)
DecisionID = NewType("DecisionID", str)

LONGEST_TRUST = timedelta(minutes=15)
"""How long a decision may be used without asking again, even if nothing is known to change."""
CLOCK_TRUST = timedelta(seconds=60)
"""The same where a policy looks at the time of day or at an age."""
MOST_SESSIONS_CUT = 10_000


class ResourceKind(StrEnum):
    """How a resource is reached."""

    HTTP = "http"
    TCP = "tcp"
    RDP = "rdp"
    VNC = "vnc"


DESKTOPS = frozenset({ResourceKind.RDP, ResourceKind.VNC})
"""What is shown in the browser by the gate's own page."""
PAGES = DESKTOPS | {ResourceKind.HTTP}
"""What a browser opens by a host name of its own."""


class Trust(IntEnum):
    """What is in front of the person, weakest first; a resource names the least it takes."""

    BROWSER = 1
    PRIVATE_AGENT = 2
    MANAGED = 3

    @property
    def word(self) -> str:
        """Return the name used in policies, files and interfaces."""
        return self.name.lower()


WORDS_OF_KIND: Mapping[ResourceKind, Text] = {
    ResourceKind.HTTP: msg("Web app"),
    ResourceKind.TCP: msg("TCP (SSH, RDP client, database)"),
    ResourceKind.RDP: msg("Remote desktop in the browser"),
    ResourceKind.VNC: msg("VNC in the browser"),
}
WORDS_OF_TRUST: Mapping[Trust, Text] = {
    Trust.MANAGED: msg("Company device"),
    Trust.PRIVATE_AGENT: msg("Private device with agent"),
    Trust.BROWSER: msg("Any browser"),
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """One address behind the gate. ``tls_name`` is checked against its certificate."""

    host: str
    port: int
    tls: bool = False
    tls_name: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that people reach through the gate.

    ``public_host`` is the name it has there (SNI and Host for HTTP; the CONNECT authority for
    TCP). ``ports`` are those that may be asked for; empty means those of ``upstreams``.
    ``least_strength``/``most_mfa_age`` bind every policy; an age of None sets no limit.
    ``pin`` is the SHA-256 (hex) of the certificate that an RDP host shows. ``ca_pem`` replaces
    the machine's authorities for TLS upstreams. ``guards_admins`` marks the way in of
    administrators: no policy may shut all of them out of it.
    """

    id: ResourceID
    key: str
    name_ja: str
    name_en: str
    kind: ResourceKind
    public_host: str
    upstreams: tuple[Upstream, ...]
    ports: tuple[int, ...] = ()
    least_trust: Trust = Trust.MANAGED
    least_strength: Strength = Strength.TWO
    most_mfa_age: timedelta | None = None
    note: str = ""
    ca_pem: str = ""
    pin: str = ""
    guards_admins: bool = False
    enabled: bool = True
    version: int = 1

    @property
    def door(self) -> "Door":
        """Return its one door: that without certificates only for *browser only*."""
        return Door.BROWSER if self.least_trust is Trust.BROWSER else Door.DEVICE

    @property
    def shows_certificate(self) -> bool:
        """Tell whether there is one to pin: an RDP host always has one, a VNC host with TLS."""
        by_tls = any(each.tls for each in self.upstreams)
        return self.kind is ResourceKind.RDP or (self.kind is ResourceKind.VNC and by_tls)

    def named(self, language: str) -> str:
        """Return its name in a language, falling back to the other."""
        first, second = (self.name_ja, self.name_en)
        return (first or second) if language == "ja" else (second or first)


class Door(StrEnum):
    """By which listener of the gate somebody came: with a device's certificate or without."""

    DEVICE = "device"
    BROWSER = "browser"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants to reach what; everything that only the gate knows.

    ``sign_in`` is the id of the identity session behind the cookie or ticket ("" for none).
    ``device_id`` comes from the verified client certificate alone, ``serial`` is that
    certificate's. ``address`` is the peer's, as the gate sees it.
    """

    person_id: PersonID
    resource_id: ResourceID
    sign_in: str
    door: Door
    address: str
    device_id: DeviceID | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class PrincipalFacts:
    """What is known of the person; None is unknown, and unknown denies where it is needed."""

    person_id: PersonID
    name: str
    active: bool | None
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    is_manager: bool = False
    strength: Strength | None = None
    proved_at: datetime | None = None
    sign_in_ends: datetime | None = None
    time_zone: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of the device in front; ``posture`` is ``controls.AccessKind``'s word.

    ``posture`` None: nothing known that still holds. The sets are ids of controls. ``owned`` is
    None while it belongs to nobody.
    """

    device_id: DeviceID
    title: str
    state: str
    managed: bool
    owner_id: PersonID | None
    certified: bool
    is_agent: bool
    posture: str | None = None
    passing: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    unproven: frozenset[str] = frozenset()
    exempt: frozenset[str] = frozenset()
    answered_at: datetime | None = None
    valid_until: datetime | None = None
    consent_withdrawn: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything a decision is made from, as it was at ``at``.

    ``findings`` counts open critical and high findings about the device or the person, None if
    it could not be counted. ``granted_until`` is the end of a granted request. ``networks`` are
    the names of the organisation's networks that hold ``address``; None if that is unreadable.
    ``shut_out``: somebody has shut the address out of every way in.
    """

    at: datetime
    person: PrincipalFacts
    door: Door
    address: str
    device: DeviceFacts | None = None
    networks: frozenset[str] | None = None
    country: str | None = None
    findings: int | None = None
    granted_until: datetime | None = None
    shut_out: bool = False

    @property
    def trust(self) -> Trust:
        """Return what is in front: proven by a certificate, or any browser."""
        if self.door is Door.BROWSER or self.device is None or not self.device.certified:
            return Trust.BROWSER
        return Trust.MANAGED if self.device.managed else Trust.PRIVATE_AGENT


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that decided: the policy's ``@id``, what it says and how to fix it.

    ``controls`` are the rules behind it; ``missing`` names signals that were not there; ``fix_at``
    is a page of ours that helps ("" if none does).
    """

    id: str
    text: Text
    fix: Text
    controls: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    fix_at: str = ""


class Outcome(StrEnum):
    """What came of it. ``cut`` ends a session that had been open."""

    ALLOW = "allow"
    DENY = "deny"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer at ``at``; ask again at ``valid_until`` or when any of ``watch`` changes.

    ``reasons`` are worst first: why not, or for ``allow`` the permitting policies. ``watch``
    holds the subjects (``person:…``, ``device:…``, ``resource:…``) whose change may change it.
    """

    allow: bool
    reasons: tuple[Reason, ...]
    policy_version: int
    at: datetime
    valid_until: datetime
    watch: frozenset[str]
    trust: Trust
    signals: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessSession:
    """Somebody connected to something; ``ended_at`` None while it lasts.

    ``sign_in`` is the identity session, ``valid_until`` that of the last decision.
    """

    id: AccessSessionID
    person_id: PersonID
    device_id: DeviceID | None
    resource_id: ResourceID
    kind: ResourceKind
    door: Door
    sign_in: str
    serial: str
    address: str
    since: datetime
    checked_at: datetime
    valid_until: datetime
    policy_version: int
    trust: Trust
    ended_at: datetime | None = None
    ended_because: str = ""

    @property
    def request(self) -> AccessRequest:
        """Return what to ask again."""
        return AccessRequest(
            self.person_id, self.resource_id, self.sign_in, self.door, self.address,
            self.device_id, self.serial,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of an attempt to open: a session, or None with the reasons in ``decision``."""

    decision: Decision
    session: AccessSession | None
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A live session that may not go on, and why."""

    session: AccessSession
    decision: Decision
