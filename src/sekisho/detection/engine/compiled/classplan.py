"""How the rules of one kind of event are told apart by fields that say few things (pure).

For kinds with many rules, such as the start of a process. Each rule is given up to three *needs*
(sets of terms of which one has to hold). Terms on fields with few different values (the program,
its parent, the account) are settled once for each value; terms on the others (the command line) by
a search over the texts of those fields alone. See ``classes`` and ADR 0022.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

from sekisho.detection.engine.compiled.needs import Need, needs
from sekisho.detection.engine.compiled.pieces import rarity, run_of
from sekisho.detection.engine.compiled.terms import (
    IN_SYSTEM,
    KEYWORDS,
    ClassPlan,
    ClassSearch,
    Column,
    Piece,
    SievePlan,
    Term,
)
from sekisho.detection.engine.compiled.trees import Tree

LAYERS = 3
"""How many needs of a rule are looked at, at most."""

LEAST_RULES = 500
"""Kinds of event with fewer rules are searched as a whole: to read fields costs more."""

FEW_VALUES = frozenset({
    "Image", "ParentImage", "GrandParentImage", "NewProcessName", "ParentProcessName",
    "OriginalFileName", "Description", "Product", "Company", "FileVersion", "IntegrityLevel",
    "MandatoryLabel", "TokenElevationType",
})  # fmt: skip
"""Fields of which ordinary logs have few different values. It decides what a hunt costs alone."""

MAIN_TEXT = "CommandLine"
"""The field of which most is asked where a process starts; it is searched by itself."""

_ANY_VALUE = 100.0
_THOUSAND = 1_000.0
_TRIALS = 3.0
"""What the trial of a rule costs in places where a text is found."""

_RARE = 0.5
"""Of a thousand records; a text so rare is looked for in any case."""

Make = Callable[[Mapping[Piece, Iterable[int]]], SievePlan]
"""From pieces and what they stand for to a search."""


def plan_classes(
    left: Mapping[int, Tree],
    terms: Sequence[Term],
    pieces: Callable[[int], tuple[Piece, ...]],
    numbers: Mapping[int, int],
    make: Make,
) -> ClassPlan | None:
    """Return how the rules ``left`` are told apart; None where no field tells.

    ``terms`` are those of the book, ``pieces`` what to look for by the number there, ``numbers``
    lead to the numbers within the group.
    """
    names = _names(terms, numbers)
    if not names:
        return None
    chooser = _Chooser(terms, pieces)
    chosen = [chooser.choose(tree) for tree in left.values()]
    bits: dict[int, list[int]] = {}
    for rule, some in enumerate(chosen):
        for layer, one in enumerate(some):
            for number in one.terms:
                bits.setdefault(number, []).append(layer * len(chosen) + rule)
    return ClassPlan(
        names=names,
        depths=tuple(map(len, chosen)),
        bits={numbers[number]: tuple(at) for number, at in bits.items() if chooser.low(number)},
        searches=tuple(_searches(bits, chooser, make)),
        searched=tuple(
            rule
            for rule, some in enumerate(chosen)
            if any(chooser.fresh(number) for one in some for number in one.terms)
        ),
    )


def is_low(column: Column) -> bool:
    """Say whether a column's value is made of fields with few values."""
    return bool(column.sources) and FEW_VALUES.issuperset(column.names)


class _Chooser:
    """Chooses what is looked at of each rule."""

    def __init__(self, terms: Sequence[Term], pieces: Callable[[int], tuple[Piece, ...]]) -> None:
        self._terms, self._pieces = terms, pieces

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """Return what to look for of a term."""
        return self._pieces(number) or run_of(self._terms[number])

    def sources(self, number: int) -> tuple[str, ...]:
        return self._terms[number].column.sources

    def low(self, number: int) -> bool:
        return is_low(self._terms[number].column)

    def fresh(self, number: int) -> bool:
        """Say whether a term can be looked for in the texts of fields with many values."""
        column = self._terms[number].column
        names = column.names
        if column == KEYWORDS or not FEW_VALUES.union(IN_SYSTEM).isdisjoint(names):
            return False
        return not any("." in name for name in names) and bool(self.pieces(number))

    def cost(self, number: int) -> float | None:
        """Guess how many of a thousand records hold a term, None where nobody can tell."""
        if self._terms[number].column == KEYWORDS:
            return 0.0  # records that hold one take another way
        if self.low(number):
            found = self.pieces(number)
            return min(sum(map(rarity, found)), _ANY_VALUE) if found else _ANY_VALUE
        return sum(map(rarity, self.pieces(number))) if self.fresh(number) else None

    def choose(self, tree: Tree) -> list[Need]:
        """Return the needs of a rule that are looked at.

        A text that is common is found in many records, which costs more than to try a rule there
        that hardly any program is tried for.
        """
        found = needs(tree, self.cost)
        searched = [one for one in found if any(map(self.fresh, one.terms))]
        settled = [one for one in found if not any(map(self.fresh, one.terms))]
        often = prod(one.cost / _THOUSAND for one in settled[:2]) * _THOUSAND
        most = max(_TRIALS * often, _RARE)
        first = [one for one in searched[:1] if not settled or one.cost <= most]
        second = [one for one in searched[1:2] if one.cost <= _RARE]
        return [*first, *(second if first else ()), *settled][:LAYERS]


def _names(terms: Sequence[Term], numbers: Iterable[int]) -> tuple[str, ...]:
    columns = (terms[number].column for number in numbers)
    return tuple(dict.fromkeys(name for one in columns if is_low(one) for name in one.names))


def _searches(
    bits: Mapping[int, Sequence[int]], chooser: _Chooser, make: Make
) -> Iterable[ClassSearch]:
    """Yield the searches: one over the field of which most is asked, one over all others."""
    fresh = [number for number in bits if chooser.fresh(number)]
    names = dict.fromkeys(name for number in fresh for name in chooser.sources(number))
    others = tuple(name for name in names if name != MAIN_TEXT)
    for here in ((MAIN_TEXT,), others):
        found: dict[Piece, dict[int, None]] = {}
        for number in fresh:
            if set(here).isdisjoint(chooser.sources(number)):
                continue
            for piece in chooser.pieces(number):
                # The search goes over this field alone, so the name need not be asked for.
                bare = Piece(piece.text, run=piece.run)
                found.setdefault(bare, {}).update(dict.fromkeys(bits[number]))
        if found:
            yield ClassSearch(here, make(found))
