"""The rules an organisation keeps: where they come from, and what it decided about single ones.

A source is a folder, an archive or an address from which rules were taken. Tunings and
suppressions are the organisation's own words about rules and outlive every update of a source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sekisho.detection.model import Level, LogSource, RuleFault
from sekisho.kernel.i18n import Text, msg

MOST_SUPPRESSED_DAYS = 366
LARGEST_DOWNLOAD = 64 * 1024 * 1024
MOST_FILES = 50_000
LARGEST_RULE = 1024 * 1024


class Origin(StrEnum):
    """How a source's rules came in."""

    BUILTIN = "builtin"
    FILES = "files"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Source:
    """One source of rules. Where two hold the same rule id, the one with the lower place wins.

    ``address`` is where updates come from, empty for files. ``checked_at`` is when an update was
    last looked for, ``trouble`` why it failed; the rules taken before stay in force.
    """

    id: str
    name: str
    origin: Origin
    place: int
    address: str = ""
    automatic: bool = False
    digest: str = ""
    etag: str = ""
    taken_at: datetime | None = None
    checked_at: datetime | None = None
    trouble: Text | None = None


class DocumentKind(StrEnum):
    """What a rule file can hold."""

    RULE = "rule"
    CORRELATION = "correlation"
    FILTER = "filter"


@dataclass(frozen=True, slots=True)
class KeptRule:
    """What is known of a rule without reading its text again; ``digest`` is of its file."""

    id: str
    source_id: str
    file: str
    line: int
    kind: DocumentKind
    title: str
    level: Level
    status: str
    logsource: LogSource
    tags: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """The organisation's own level for a rule, or that it is off (``level`` None), and why."""

    rule_id: str
    level: Level | None
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Suppression:
    """Matches of one rule (or of all, ``rule_id`` empty) that are known and harmless, for a time.

    ``condition`` is a Sigma selection in YAML, such as ``User|startswith: svc_backup``; empty
    means every match of the rule. It ends at ``ends_at`` whatever happens.
    """

    id: str
    rule_id: str
    condition: str
    reason: str
    by: str
    at: datetime
    ends_at: datetime
    ended_at: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Say whether it still holds matches back."""
        return self.ended_at is None and now < self.ends_at


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking new texts of a source would change; ids of rules.

    ``lost`` are ids with a tuning or suppression of the organisation that would have no rule.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    faults: tuple[RuleFault, ...]
    lost: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing would change."""
        return not (self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class RuleWish:
    """Which rules are wanted; what is empty does not count.

    ``technique`` finds its parts too; ``state`` is ``tuned``, ``off``, ``suppressed`` or empty.
    """

    search: str = ""
    level: str = ""
    status: str = ""
    kind: str = ""
    product: str = ""
    category: str = ""
    source: str = ""
    technique: str = ""
    tactic: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule in a list: what it says, and what the organisation says about it."""

    rule: KeptRule
    tuning: Tuning | None
    suppressions: int

    @property
    def level(self) -> Level | None:
        """Return the level in force, None for a rule that is off."""
        return self.tuning.level if self.tuning else self.rule.level


WORDS_OF_LEVEL: Mapping[Level, Text] = {
    Level.INFORMATIONAL: msg("Informational"),
    Level.LOW: msg("Low"),
    Level.MEDIUM: msg("Medium"),
    Level.HIGH: msg("High"),
    Level.CRITICAL: msg("Critical"),
}
WORDS_OF_KIND: Mapping[DocumentKind, Text] = {
    DocumentKind.RULE: msg("Rule"),
    DocumentKind.CORRELATION: msg("Correlation"),
    DocumentKind.FILTER: msg("Filter"),
}
