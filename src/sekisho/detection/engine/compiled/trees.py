"""Rules' trees over numbers of terms: grown through a route, then cut by what is known."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sekisho.detection.engine.compiled.terms import KEYWORDS, Branch, Column, Kind, Term
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Derivation,
    Derived,
    Node,
    Not,
    SameAs,
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Trees combined; ``count`` is for ``Kind.SOME``."""

    kind: Kind
    parts: tuple["Tree", ...]
    count: int = 0


Tree = int | Gate
TRUE = Gate(Kind.ALL, ())
FALSE = Gate(Kind.ANY, ())


@dataclass(slots=True)
class TermBook:
    """Gives each term one number, so that trees are compared and hashed quickly."""

    terms: list[Term] = field(default_factory=list)
    _numbers: dict[Term, int] = field(default_factory=dict)

    def number(self, term: Term) -> int:
        """Return the number of ``term``."""
        known = self._numbers.get(term)
        if known is None:
            known = self._numbers[term] = len(self.terms)
            self.terms.append(term)
        return known


def grow(node: Node, fields: Mapping[str, Derived], book: TermBook) -> Tree:
    """Return the tree of ``node`` with its fields made through a route's ``fields``."""
    match node:
        case Atom():
            return book.number(_term(node, fields))
        case AllOf():
            return Gate(Kind.ALL, tuple(grow(part, fields, book) for part in node.parts))
        case AnyOf():
            return Gate(Kind.ANY, tuple(grow(part, fields, book) for part in node.parts))
        case Not():
            return Gate(Kind.NONE, (grow(node.part, fields, book),))
        case AtLeast():
            parts = tuple(grow(part, fields, book) for part in node.parts)
            return Gate(Kind.SOME, parts, node.count)
    raise TypeError(f"{node!r} cannot stand in a rule's tree")


def _term(atom: Atom, fields: Mapping[str, Derived]) -> Term:
    if atom.field is None:
        return Term(KEYWORDS, atom.test)
    column = _column(atom.field, fields)
    if isinstance(atom.test, SameAs):
        other = _column(atom.test.other, fields)
        column = Column(column.sources, column.how, other)
    return Term(column, atom.test)


def _column(name: str, fields: Mapping[str, Derived]) -> Column:
    made = fields.get(name)
    if made is None:
        return Column((name,))
    if made.how is Derivation.SAME and len(made.sources) == 1:
        return Column(made.sources)
    return Column(made.sources, made.how)


def cut(tree: Tree, known: Callable[[int], bool | None]) -> Tree:
    """Return ``tree`` with the terms that are ``known`` put in and everything settled left out."""
    if isinstance(tree, int):
        truth = known(tree)
        return tree if truth is None else TRUE if truth else FALSE
    parts = [cut(part, known) for part in tree.parts]
    match tree.kind:
        case Kind.ALL:
            return _join(Kind.ALL, parts, stop=FALSE, drop=TRUE)
        case Kind.ANY:
            return _join(Kind.ANY, parts, stop=TRUE, drop=FALSE)
        case Kind.NONE:
            return _negate(_join(Kind.ANY, parts, stop=TRUE, drop=FALSE))
        case Kind.SOME:
            return _some(parts, tree.count)


def _join(kind: Kind, parts: Iterable[Tree], *, stop: Gate, drop: Gate) -> Tree:
    kept: dict[Tree, None] = {}
    for part in parts:
        if part == stop:
            return stop
        same = isinstance(part, Gate) and part.kind is kind
        kept.update(dict.fromkeys(part.parts if same and isinstance(part, Gate) else (part,)))
    kept.pop(drop, None)
    if not kept:
        return drop
    return next(iter(kept)) if len(kept) == 1 else Gate(kind, tuple(kept))


def _negate(tree: Tree) -> Tree:
    if isinstance(tree, Gate):
        if tree in (TRUE, FALSE):
            return FALSE if tree == TRUE else TRUE
        if tree.kind is Kind.NONE:
            return _join(Kind.ANY, tree.parts, stop=TRUE, drop=FALSE)
        if tree.kind is Kind.ANY:
            return Gate(Kind.NONE, tree.parts)
    return Gate(Kind.NONE, (tree,))


def _some(parts: list[Tree], count: int) -> Tree:
    count -= parts.count(TRUE)
    left = [part for part in parts if part not in (TRUE, FALSE)]
    if count <= 0:
        return TRUE
    if count > len(left):
        return FALSE
    if count == 1:
        return _join(Kind.ANY, left, stop=TRUE, drop=FALSE)
    if count == len(left):
        return _join(Kind.ALL, left, stop=FALSE, drop=TRUE)
    return Gate(Kind.SOME, tuple(left), count)


def numbers_in(tree: Tree) -> set[int]:
    """Return the terms of ``tree``."""
    if isinstance(tree, int):
        return {tree}
    return set().union(*map(numbers_in, tree.parts))


def to_branch(tree: Tree, numbers: Mapping[int, int]) -> Branch:
    """Return the form that is saved and run, with the terms renumbered."""
    if isinstance(tree, int):
        return Branch(Kind.ALL, frozenset((numbers[tree],)))
    terms: set[int] = set()
    parts: list[Branch] = []
    for part in tree.parts:
        # The same term twice counts twice among "at least so many", which a set cannot say.
        if isinstance(part, int) and numbers[part] not in terms:
            terms.add(numbers[part])
        elif not isinstance(part, int) or tree.kind is Kind.SOME:
            parts.append(to_branch(part, numbers))
    return Branch(tree.kind, frozenset(terms), tuple(parts), tree.count)
