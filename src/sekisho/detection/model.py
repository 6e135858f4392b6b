"""Sigma rules as values: what is tested on which field, how tests combine, and what came of it.

A rule's text is desugared once, by the loader: after it there are only fields, tests and
and/or/not/n-of over them (Sigma specification 2.1.0). Everything here can be saved with msgspec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from sekisho.kernel.i18n import Text

MICROSECONDS = 1_000_000


class Wildcard(IntEnum):
    """What stands in a pattern besides text: ``*`` (any length, line breaks too) and ``?``."""

    MANY = 1
    ONE = 2


class Operator(StrEnum):
    """How a number is compared, in Sigma's own words."""

    EQ = "eq"
    NEQ = "neq"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"


class TimePart(StrEnum):
    """The part of a time that a rule looks at, as the time is written (no time zone is changed)."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Place(StrEnum):
    """Where in one field's value the other field's value must stand."""

    WHOLE = "whole"
    START = "start"
    END = "end"
    WITHIN = "within"


class Glob(msgspec.Struct, frozen=True, tag=True):
    """The whole value is this pattern; without case (casefolded) unless ``cased``.

    Neighbouring texts are joined and ``MANY`` never stands twice in a row; ``()`` is the empty
    text. The texts are as the rule wrote them, not casefolded.
    """

    parts: tuple[str | Wildcard, ...]
    cased: bool = False


class Regex(msgspec.Struct, frozen=True, tag=True):
    """The expression is found somewhere in the value; ``flags`` is a sorted part of ``ims``."""

    pattern: str
    flags: str = ""


class Compare(msgspec.Struct, frozen=True, tag=True):
    """The value, or a part of the time that it is, compares like this with ``number``."""

    operator: Operator
    number: float
    part: TimePart | None = None


class InNetwork(msgspec.Struct, frozen=True, tag=True):
    """The value is an address in this network (canonical text, IPv4 or IPv6)."""

    network: str


class SameAs(msgspec.Struct, frozen=True, tag=True):
    """The value holds the value of the field ``other`` at this place; both must be there."""

    other: str
    place: Place = Place.WHOLE
    cased: bool = False


class IsNull(msgspec.Struct, frozen=True, tag=True):
    """The field is not there or null; in Windows events an empty text is null too."""


class Exists(msgspec.Struct, frozen=True, tag=True):
    """The field is there, whatever it holds (null and the empty text too)."""


Test = Glob | Regex | Compare | InNetwork | SameAs | IsNull | Exists


class Atom(msgspec.Struct, frozen=True, tag=True):
    """One test of one field. ``field`` None tests every value of the event (a keyword)."""

    field: str | None
    test: Test


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part holds; with no part it holds."""

    parts: tuple["Node", ...]


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part holds; with no part it does not hold."""

    parts: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: "Node"


class AtLeast(msgspec.Struct, frozen=True, tag=True):
    """``count`` (two or more) of the parts hold."""

    count: int
    parts: tuple["Node", ...]


class Named(msgspec.Struct, frozen=True, tag=True):
    """What a condition calls by name: a selection of its rule, or a rule of its correlation."""

    name: str


Node = Atom | AllOf | AnyOf | Not | AtLeast | Named


class LogSource(msgspec.Struct, frozen=True):
    """Where log lines come from; a rule says what it needs, a file what it is. None: not said."""

    category: str | None = None
    product: str | None = None
    service: str | None = None


class Level(StrEnum):
    """How bad a match is; a rule that does not say counts as medium."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What every Sigma document says of itself; ``file`` and ``line`` are where it stands.

    A document without an id gets one made of its content, so that it keeps it while unchanged.
    """

    id: str
    title: str
    name: str = ""
    level: Level = Level.MEDIUM
    status: str = ""
    description: str = ""
    author: str = ""
    date: str = ""
    modified: str = ""
    license: str = ""
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    related: tuple[tuple[str, str], ...] = ()
    file: str = ""
    line: int = 1


class Rule(Document, frozen=True, kw_only=True, tag=True):
    """A rule about single events.

    ``condition`` speaks of the selections by name (for the answer why it matched); ``tree`` is the
    same without names and with the filters that apply, for whoever only wants to match.
    """

    logsource: LogSource
    selections: dict[str, Node]
    condition: Node
    tree: Node
    filters: tuple[str, ...] = ()
    silent: bool = False


class Filter(Document, frozen=True, kw_only=True, tag=True):
    """A condition added with AND to other rules; ``rules`` None: to all of its log source."""

    logsource: LogSource
    rules: tuple[str, ...] | None
    selections: dict[str, Node]
    condition: Node


class CorrelationKind(StrEnum):
    """What a correlation counts or measures."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


class Bound(msgspec.Struct, frozen=True):
    """One side of a condition on a number; several hold together."""

    operator: Operator
    number: float


class Correlation(Document, frozen=True, kw_only=True, tag=True):
    """A rule about matches of other rules within ``timespan`` (microseconds), for each group.

    ``rules`` are ids. ``aliases`` says for a name in ``group_by`` which field it is in which rule
    (by id). ``fields`` of the metric are ``measured``; ``expression`` is a condition over rule ids.
    ``silent`` is set where another correlation uses this one and does not ask for its matches.
    """

    kind: CorrelationKind
    rules: tuple[str, ...]
    timespan: int
    group_by: tuple[str, ...] = ()
    aliases: dict[str, dict[str, str]] = {}
    bounds: tuple[Bound, ...] = ()
    measured: tuple[str, ...] = ()
    percentile: float = 50.0
    expression: Node | None = None
    generate: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class RuleFault:
    """Why a document, or a part of it, is not in force: where, what was found, what to do."""

    file: str
    line: int
    got: Text
    expected: Text
    fix: Text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.got} {self.expected} {self.fix}"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All documents that loaded, and the faults of those that did not.

    ``digest`` is of all texts read and of the placeholders: equal digest, equal set.
    """

    rules: tuple[Rule, ...]
    correlations: tuple[Correlation, ...]
    filters: tuple[Filter, ...]
    faults: tuple[RuleFault, ...]
    digest: str


class Derivation(StrEnum):
    """How a field that a log does not have is made of those it has."""

    SAME = "same"
    INTEGER = "integer"
    ACCOUNT = "account"
    INTEGRITY = "integrity"
    REGISTRY_PATH = "registry_path"
    REGISTRY_DETAILS = "registry_details"
    REGISTRY_OPERATION = "registry_operation"
    DEVICE_PATH = "device_path"
    DIRECTION = "direction"
    PROTOCOL = "protocol"
    PROGRAM = "program"
    ARGUMENTS = "arguments"


class Derived(msgspec.Struct, frozen=True):
    """A rule's field made of fields of the event: which ones, and how."""

    sources: tuple[str, ...]
    how: Derivation = Derivation.SAME


class Route(msgspec.Struct, frozen=True):
    """One kind of event that a rule is held against.

    An event fits if its channel (without case) and event id are these, where given, and its
    source, where given, does not contradict (see engine.routing). ``fields`` says how fields of
    the rule are made of the event's; all others keep their names. ``also`` must hold besides; it
    speaks of the event's own fields.
    """

    channel: str | None = None
    event_ids: frozenset[int] | None = None
    source: LogSource | None = None
    fields: dict[str, Derived] = {}
    also: Node | None = None


class Event(msgspec.Struct, frozen=True):
    """One log line as rules see it. ``time`` is in microseconds since 1970, UTC; records from 1.

    ``fields`` may be nested; ``a.b`` in a rule finds both ``{"a.b": …}`` and ``{"a": {"b": …}}``.
    ``channel`` is set for Windows events alone.
    """

    fields: Mapping[str, Any]
    channel: str | None = None
    event_id: int | None = None
    source: LogSource = LogSource()
    time: int | None = None
    file: str = ""
    record: int = 0


class Record(msgspec.Struct, frozen=True, order=True):
    """Which record of which file: what makes an event itself, so that it counts once."""

    file: str
    record: int


class Match(msgspec.Struct, frozen=True):
    """A rule's or correlation's hit; ``record`` is the event with which it came about.

    ``entities`` are the users, hosts and addresses in it, by kind.
    """

    rule_id: str
    rule_title: str
    level: Level
    time: int | None
    record: Record
    records: tuple[Record, ...] = ()
    group: dict[str, str] = {}
    entities: dict[str, tuple[str, ...]] = {}
