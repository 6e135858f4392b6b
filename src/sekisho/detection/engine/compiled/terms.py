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

    def holds(self, true: frozenset[int]) -> bool:
        """Say whether the tree holds when exactly the terms ``true`` do."""
        if self.kind is Kind.ALL:
            return self.terms <= true and all(part.holds(true) for part in self.parts)
        if self.kind is Kind.SOME:
            held = len(self.terms & true) + sum(part.holds(true) for part in self.parts)
            return held >= self.count
        found = not self.terms.isdisjoint(true) or any(part.holds(true) for part in self.parts)
        return found if self.kind is Kind.ANY else not found


class ColumnPlan(msgspec.Struct, frozen=True, array_like=True):
    r"""How the values of one column are judged; numbers are those of terms.

    ``literals``: casefolded texts to look for in ``\x01`` value ``\x01``. Finding the n-th makes
    the terms ``direct[n]`` true and makes it worth while to test ``checked[n]``. ``each`` are
    tested on every value, ``nulls`` and ``exists`` follow from presence alone.
    """

    column: Column
    literals: tuple[str, ...] = ()
    direct: tuple[tuple[int, ...], ...] = ()
    checked: tuple[tuple[int, ...], ...] = ()
    each: tuple[int, ...] = ()
    nulls: tuple[int, ...] = ()
    exists: tuple[int, ...] = ()


class GroupPlan(msgspec.Struct, frozen=True, array_like=True):
    """The rules of one kind of event. A rule is tried if a term that it needs holds.

    ``index`` leads from a term to the positions of the rules that need it; ``always`` are tried on
    every new combination. ``tests`` are the terms' tests by number.
    """

    rules: tuple[int, ...]
    trees: tuple[Branch, ...]
    index: dict[int, tuple[int, ...]]
    always: tuple[int, ...]
    columns: tuple[ColumnPlan, ...]
    tests: tuple[Test, ...]
    windows: bool


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
