"""What is wrong: one finding for one key, however often it is seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import FindingID


class FindingKind(StrEnum):
    """Who found it (OCSF's categories of findings, and exposure)."""

    COMPLIANCE = "compliance"
    DETECTION = "detection"
    VULNERABILITY = "vulnerability"
    EXPOSURE = "exposure"


class Severity(StrEnum):
    """How bad it is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Return 0 for the worst; lists are sorted by it."""
        return list(Severity).index(self)


class FindingStatus(StrEnum):
    """Whether it is still so."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class NewFinding:
    """Something wrong that was just seen.

    ``key`` names it for ever (``compliance:<device>:<control>``): seen again, it is the same
    finding. ``subject`` is what it is about (``device:dev_…``). ``title`` holds both languages.
    ``due_at`` is by when it should be mended. ``topic`` is what many findings have in common: the
    rule that is not kept, the detection rule, the advisory.
    """

    kind: str
    key: str
    subject: str
    title: Mapping[str, str]
    severity: str
    detail: Mapping[str, object] = field(default_factory=dict)
    due_at: datetime | None = None
    topic: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be listed: an unknown kind or severity, a missing language."""
        if self.kind not in set(FindingKind) or self.severity not in set(Severity):
            raise InvalidInputError(
                msg("A finding cannot be of kind %(kind)s and severity %(severity)s.",
                    kind=self.kind, severity=self.severity)
            )  # fmt: skip
        if not self.key or not {"ja", "en"} <= set(self.title):
            raise InvalidInputError(msg("A finding needs a key and a title in both languages."))


@dataclass(frozen=True, slots=True)
class Finding:
    """A stored finding.

    ``first_seen_at`` is when this spell began (a finding that comes back starts anew and counts
    in ``times``); ``owner`` is the person who has it.
    """

    id: FindingID
    kind: FindingKind
    key: str
    subject: str
    title: Mapping[str, str]
    severity: Severity
    status: FindingStatus
    detail: Mapping[str, object]
    first_seen_at: datetime
    last_seen_at: datetime
    times: int
    due_at: datetime | None = None
    closed_at: datetime | None = None
    closed_because: str = ""
    owner: str | None = None
    topic: str = ""


class NoteKind(StrEnum):
    """What stands in the history of a finding besides its own times."""

    NOTE = "note"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Note:
    """Somebody wrote something, or gave the finding to somebody (``words`` is that person's id)."""

    at: datetime
    author: str
    author_name: str
    kind: NoteKind
    words: str


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are wanted; everything given must hold.

    ``search`` is looked for in title, subject and key; ``owner`` "" means nobody has it.
    ``subjects`` is another room's query for subjects: those of a unit, or those that the caller
    may see; ``found`` are subjects that another room found for ``search``, ``called`` topics whose
    titles it found to hold it, and ``not_called`` topics whose titles do not: only the titles of
    the others are read. ``begun_before`` keeps what is that old, ``overdue`` what should have been
    mended before.
    """

    status: FindingStatus | None = FindingStatus.OPEN
    kind: str = ""
    severity: str = ""
    subject: str = ""
    owner: str | None = None
    search: str = ""
    topic: str = ""
    subjects: tuple[Any, ...] = ()
    found: Sequence[str] = ()
    called: Sequence[str] = ()
    not_called: Sequence[str] = ()
    begun_before: datetime | None = None
    overdue: datetime | None = None


@dataclass(frozen=True, slots=True)
class FindingPage:
    """One page of a list, and how many there are in all."""

    findings: list[Finding]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class Span:
    """How many findings began on one day and ended on another (None: not yet)."""

    first: date
    last: date | None
    number: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many findings were open at the end of a day, and how many began and ended on it."""

    day: date
    open: int
    opened: int
    closed: int
