"""What this room talks about: controls, checks, answers, verdicts. Frozen and pure.

A *control* is a telework rule for people; a *check* is the query that proves it on one platform;
an *answer* is what a device replied to one query; a *verdict* is what follows from the answers.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from sekisho.kernel.i18n import Text
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.wire.kit import Ownership

POLICY_PREFIX = "fleet_policy_query_"
"""Fleet's own prefix, so that its load generator answers our checks with a pass/fail mix."""
READY_PREFIX = "sekisho_ready_"
DETAIL_PREFIX = "sekisho_detail_"

Localized = Mapping[str, str]
"""A text that content carries in both languages: ``{"ja": …, "en": …}``."""
Rows = tuple[Mapping[str, str], ...]


class Platform(StrEnum):
    """Operating systems a check can be written for, by osquery's names."""

    WINDOWS = "windows"
    DARWIN = "darwin"
    LINUX = "linux"


class VerdictKind(StrEnum):
    """The four things that can be said; unknown is a state of its own and never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    FAIL = "fail"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


class Proof(StrEnum):
    """How a verdict was proven, strongest first."""

    MACHINE = "machine"
    DOCUMENT = "document"
    THIRD_PARTY = "third_party"
    SELF = "self"


class Severity(StrEnum):
    """How bad a failure is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class RunAs(StrEnum):
    """Whose eyes a check needs on the device."""

    ADMIN = "admin"
    USER = "user"
    ANY = "any"


@lru_cache(maxsize=4096)
def _ready_name(precondition: str) -> str:
    return READY_PREFIX + hashlib.sha256(precondition.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a check: small tables and the verdict they must lead to."""

    expect: VerdictKind
    tables: Mapping[str, Sequence[Mapping[str, str | int]]]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """The queries of one check: the check itself, the proof that its tables answered, details.

    ``sql`` passes with one row or more. ``precondition`` must give a row first, else nothing can
    be said. ``detail`` gives rows a person can read; only company devices are asked for it.
    ``data`` are the dated lists that these very queries lean on.
    """

    sql: str
    precondition: str
    detail: str = ""
    cases: tuple[Case, ...] = ()
    place: str = ""
    data: "tuple[DataSet, ...]" = ()

    @property
    def ready_name(self) -> str:
        """Return the precondition's name on the wire; controls with the same SQL share it."""
        return _ready_name(self.precondition)


@dataclass(frozen=True, slots=True)
class Check:
    """How a control is proven on one platform.

    ``needs_agent`` says that ``probe`` reads tables which only the Sekisho agent has; osquery is
    then asked ``fallback`` instead, or nothing at all.
    """

    platform: Platform
    probe: Probe
    fallback: Probe | None = None
    run_as: RunAs = RunAs.ANY
    interval: timedelta = timedelta(hours=1)
    needs_agent: bool = False
    ownership: frozenset[Ownership] = frozenset(Ownership)

    def choose_probe(self, *, sekisho_agent: bool, private: bool = False) -> Probe | None:
        """Return what this kind of client is asked, ``None`` if it has no way to answer.

        On a private device the agent has its user's rights only, so that the fallback of a check
        for the administrator is asked there as well.
        """
        unable = self.needs_agent and not sekisho_agent
        barred = private and self.run_as is RunAs.ADMIN and self.fallback is not None
        return self.fallback if unable or barred else self.probe

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Return every way this check can be asked."""
        return (self.probe,) if self.fallback is None else (self.probe, self.fallback)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A dated data file: a pass that leans on it holds until ``stale_after``."""

    name: str
    as_of: datetime
    stale_after: datetime


@dataclass(frozen=True, slots=True)
class Control:
    """One telework rule with its texts in both languages and its checks by platform."""

    id: ControlID
    version: int
    title: Localized
    statement: Localized
    why: Localized
    guideline: Localized
    theme: str
    ownership: frozenset[Ownership]
    severity: Severity
    grace: timedelta
    max_age: timedelta
    proof: Proof
    checks: Mapping[Platform, Check]
    fix: Mapping[str, Mapping[str, tuple[str, ...]]]
    data: tuple[DataSet, ...] = ()
    place: str = ""
    picture: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy_name(self) -> str:
        """Return the check's name on the wire."""
        return f"{POLICY_PREFIX}{self.id}@{self.version}"

    @property
    def detail_name(self) -> str:
        """Return the name on the wire of the query for details."""
        return f"{DETAIL_PREFIX}{self.id}@{self.version}"

    def applies(self, platform: str, ownership: str) -> bool:
        """Return whether this control says anything about such a device; if not, it is left out."""
        if ownership not in self.ownership:
            return False
        if self.proof is not Proof.MACHINE:
            return True
        check = self.find_check(platform)
        return check is not None and ownership in check.ownership

    def find_check(self, platform: str) -> Check | None:
        """Return the check for ``platform``, if there is one."""
        return next((c for name, c in self.checks.items() if name == platform), None)

    def fix_steps(self, platform: str, language: str) -> tuple[str, ...]:
        """Return what to do, for the platform or for all of them."""
        steps = self.fix.get(platform) or self.fix.get("all") or {}
        return steps.get(language) or steps.get("en") or ()

    def fix_picture(self, platform: str) -> str:
        """Return the name of the picture beside the steps, "" if there is none."""
        return self.picture.get(platform) or self.picture.get("all") or ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The device that verdicts are about; ``person_id`` is whose it is, if it is known."""

    device_id: DeviceID
    ownership: Ownership
    platform: Platform
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device replied to one query, under the name it was asked by.

    ``status`` is osquery's: 0 is an answer, anything else an error told in ``message``.
    ``device_time`` is when the device says it looked; ``None`` if it does not say.
    """

    name: str
    rows: Rows = ()
    status: int = 0
    message: str = ""
    device_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The three answers that one control is judged by; a missing one is ``None``.

    ``data`` are the dated lists that the asked queries lean on, ``None`` if it is not known which
    queries were asked: then all of the control's.
    """

    check: Answer | None = None
    ready: Answer | None = None
    detail: Answer | None = None
    data: "tuple[DataSet, ...] | None" = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """What an exception means for one device: which rule, until when; it always ends."""

    control_id: ControlID
    until: datetime
    exception_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about one control on one device.

    - ``kind``: what is shown; ``judged``: what the evidence says under an exception in force;
    - ``checked_at``: when the device looked, by its own clock if it told it;
    - ``received_at``: when the server received that; freshness is judged by this one alone;
    - ``since``: when the present kind began;
    - ``first_failed_at``: when it began to fail; survives unknown, ends with a pass;
    - ``expires_at``: from then on nothing is known any more;
    - ``rows``: the device's own words (never for private devices);
    - ``machine_at``: when the machine itself last said pass or fail, whatever is shown since.
    """

    control_id: ControlID
    control_version: int
    kind: VerdictKind
    judged: VerdictKind
    proof: Proof
    since: datetime
    checked_at: datetime | None = None
    received_at: datetime | None = None
    first_failed_at: datetime | None = None
    expires_at: datetime | None = None
    fix_by: datetime | None = None
    message: Text | None = None
    rows: Rows = ()
    exempt_until: datetime | None = None
    machine_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A verdict that is not what it was: what the evidence record and the findings are told."""

    device_id: DeviceID
    control_id: ControlID
    before: VerdictKind | None
    after: Verdict


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All controls in force, by id, and the digest that names this very set."""

    controls: Mapping[ControlID, Control]
    digest: str
    loaded_at: datetime | None = None
    by_name: Mapping[str, Control] = field(default_factory=dict)
    _applying: dict[tuple[str, str], tuple[Control, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def applying(self, platform: str, ownership: str) -> tuple[Control, ...]:
        """Return the controls that say something about such a device, in the order of their ids."""
        kind = (str(platform), str(ownership))
        if kind not in self._applying:
            found = tuple(c for c in self.controls.values() if c.applies(platform, ownership))
            self._applying[kind] = found
        return self._applying[kind]
