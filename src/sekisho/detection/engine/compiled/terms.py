"""What a compiled plan is made of. Everything here is saved with msgspec and holds no code.

A *column* is where a value comes from, a *term* one test of one column, numbered within its
group. A *group* holds the rules that can still fire for one kind of event, cut to what that kind
leaves open.
"""

from enum import IntEnum

import msgspec

from sekisho.detection.model import Derivation, Node, Route, Test


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Where a value comes from.

    One source and no ``how``: the event's field of that name. With ``how``: made of the sources.
    ``other``: the pair with a second column, for tests that compare two fields. No source: the
    values of all fields together (keywords).
    """

    sources: tuple[str, ...] = ()
    how: Derivation | None = None
    other: "Column | None" = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the fields of the event that must be known, in the order of a key's parts."""
        return self.sources + (self.other.names if self.other else ())


KEYWORDS = Column()

FIRM = ("EventID", "Channel", "Provider_Name")
"""What System says of these counts even where the data has a field of the same name."""

BESIDES = (
    "Computer", "EventRecordID", "Level", "Task", "Opcode", "Keywords", "Version",
)  # fmt: skip
"""Names of System that count where the data has none of the same name."""

NESTED = frozenset({
    "TimeCreated", "Provider_Guid", "Security_UserID", "Execution_ProcessID",
    "Execution_ThreadID", "Correlation_ActivityID",
})  # fmt: skip
"""Names made of System's attributes: a record whose rules ask for them goes the slow way.

The elements themselves (``Provider``) are no fields; what has such a name stands in the data.
"""

IN_SYSTEM = NESTED.union(FIRM, BESIDES)


class Term(msgspec.Struct, frozen=True):
    """One test of one column."""

    column: Column
    test: Test


class Kind(IntEnum):
    """How the parts of a branch combine; ``NONE`` is the negation of ``ANY``."""

    ALL = 0
    ANY = 1
    NONE = 2
    SOME = 3


class Branch(msgspec.Struct, frozen=True, array_like=True):
    """A rule's tree over numbers of terms; ``count`` is for ``SOME`` (at least so many)."""

    kind: Kind
    terms: frozenset[int] = frozenset()
    parts: tuple["Branch", ...] = ()
    count: int = 0

    @property
    def numbers(self) -> frozenset[int]:
        """Return all terms of the tree."""
        return self.terms.union(*(part.numbers for part in self.parts))


class Piece(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Text that stands in the JSON of a record, in any case of ASCII.

    With a ``name`` it stands in the value of that field. ``alone``: it is all of that value, which
    may be a text, a number or a truth. ``loose``: it stands there if that value is no number.
    ``run``: so many of the letters of ``text`` in a row.
    """

    text: str
    name: str = ""
    alone: bool = False
    loose: bool = False
    run: int = 0


class SievePlan(msgspec.Struct, frozen=True, array_like=True):
    """What to look for in the JSON of records, and the rules (by position) worth trying then.

    One of a rule's ``pieces`` (packed: whoever has the database does not ask for them) stands in
    every record that the rule matches; ``rules[n]`` are those of the n-th. Of some rules one of
    the pieces ``besides`` (by number) has to be there too. ``always`` are rules of which no piece
    is known. ``database`` is the search for the pieces as it is kept, empty where none was made.
    """

    pieces: bytes = b""
    rules: tuple[tuple[int, ...], ...] = ()
    besides: dict[int, tuple[int, ...]] = {}
    always: tuple[int, ...] = ()
    database: bytes = b""


class ColumnGate(msgspec.Struct, frozen=True, array_like=True):
    """Rules (by position) that need a column's casefolded text to be one of ``texts``."""

    place: int
    texts: dict[str, tuple[int, ...]]


class ClassSearch(msgspec.Struct, frozen=True, array_like=True):
    """A search over the texts of some fields; its ``rules`` are needs (see ``ClassPlan.bits``)."""

    names: tuple[str, ...]
    sieve: SievePlan


class ClassPlan(msgspec.Struct, frozen=True, array_like=True):
    """How the rules of a kind with many are told apart by the values of its records.

    ``names`` are the fields with few values. Each rule (by position) has ``depths`` needs, one in
    each layer; need n of rule r is the bit ``n * number of rules + r``. ``bits`` leads from a term
    on those fields to the needs that it satisfies, ``searches`` do so from texts of the others.
    ``searched`` are the rules of which a text has to be found.
    """

    names: tuple[str, ...]
    depths: tuple[int, ...]
    bits: dict[int, tuple[int, ...]]
    searches: tuple[ClassSearch, ...]
    searched: tuple[int, ...]


class GroupPlan(msgspec.Struct, frozen=True, array_like=True):
    """The rules of one kind of event.

    The n-th term is ``tests[n]`` of the column ``columns[places[n]]``. ``sieve`` says which rules
    to try by the data of a record, ``words`` by all of it (keywords). Of those that are tried
    always, ``free`` really are, the others where one of their ``gates`` is open. ``blind`` are
    rules with a keyword that cannot be looked for. ``classes`` is another way to tell what to try,
    for kinds with many rules.
    """

    rules: tuple[int, ...]
    trees: tuple[Branch, ...]
    columns: tuple[Column, ...]
    places: tuple[int, ...]
    tests: tuple[Test, ...]
    sieve: SievePlan
    words: SievePlan
    free: tuple[int, ...]
    gates: tuple[ColumnGate, ...]
    blind: tuple[int, ...]
    windows: bool
    classes: ClassPlan | None = None


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A rule by number, and one of the kinds of event that it is held against."""

    rule: int
    route: Route


class Uncut(msgspec.Struct, frozen=True, array_like=True):
    """All rules as they are, for events of which the kind is not known beforehand."""

    entries: tuple[Entry, ...]
    trees: tuple[Node, ...]


class Plan(msgspec.Struct, frozen=True):
    """All groups of a set of rules, each packed by itself so that it is read when first needed.

    ``groups`` leads from channel (case folded, "" any other) and event id ("" any other) to the
    packed GroupPlan, None where no rule is left. ``loose`` is the group of Windows events that
    do not say their channel. ``uncut`` is a packed Uncut. ``keywords`` leads from a piece of text
    to the channels in which a keyword with it matters (None: in all).
    """

    rule_ids: tuple[str, ...]
    groups: dict[str, dict[str, bytes | None]]
    loose: bytes | None
    uncut: bytes
    keywords: dict[str, tuple[str, ...] | None]
