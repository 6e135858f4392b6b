"""Words for an explanation: what was expected of which field, and what stood there."""

from collections.abc import Iterator
from dataclasses import dataclass

from sekisho.detection.engine.explain import Branch, Explanation, Joint, RouteTold, Tested
from sekisho.detection.model import (
    Compare,
    Exists,
    Glob,
    InNetwork,
    IsNull,
    Operator,
    Place,
    Regex,
    SameAs,
    Test,
    Wildcard,
)
from sekisho.kernel.i18n import Text, msg

_JOINTS = {
    Joint.ALL: msg("all of these"),
    Joint.ANY: msg("at least one of these"),
    Joint.NOT: msg("none of this"),
}
_SIGNS = {
    Operator.EQ: "=", Operator.NEQ: "≠", Operator.LT: "<", Operator.LTE: "≤", Operator.GT: ">",
    Operator.GTE: "≥",
}  # fmt: skip
_PLACES = {
    Place.WHOLE: msg("is the value of the field %(other)s"),
    Place.START: msg("begins with the value of the field %(other)s"),
    Place.END: msg("ends with the value of the field %(other)s"),
    Place.WITHIN: msg("contains the value of the field %(other)s"),
}
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an explanation, ``depth`` steps in; ``got`` is empty for a branch."""

    depth: int
    held: bool
    words: Text
    field: str = ""
    got: tuple[str, ...] = ()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class RouteLines:
    """How one kind of event went; ``kind`` says which it is."""

    kind: str
    fits: bool
    matched: bool
    lines: tuple[Line, ...]


def write_lines(explanation: Explanation) -> list[RouteLines]:
    """Return the explanation by kind of event, those that the event is of first."""
    told = [_write_route(route) for route in explanation.routes]
    return sorted(told, key=lambda each: (not each.fits, not each.matched))


def _write_route(told: RouteTold) -> RouteLines:
    route = told.route
    source = route.source
    said = [source.product, source.category, source.service] if source else []
    ids = ", ".join(str(number) for number in sorted(route.event_ids or ()))
    kind = " ".join(filter(None, [route.channel or "", ids, *(said or [])]))
    lines: list[Line] = []
    for branch in (told.also, told.condition, *(each for _, each in told.filters)):
        lines += _walk(branch, 0) if branch else ()
    return RouteLines(kind, told.fits, told.matched, tuple(lines))


def _walk(branch: Branch, depth: int) -> Iterator[Line]:
    if branch.tested is not None:
        yield _write_test(branch, branch.tested, depth)
        return
    yield Line(depth, branch.held, _say_branch(branch))
    for part in branch.parts:
        yield from _walk(part, depth + 1)


def _say_branch(branch: Branch) -> Text:
    if branch.joint is Joint.NAMED:
        return msg("selection “%(name)s”", name=branch.name)
    if branch.joint is Joint.AT_LEAST:
        return msg("at least %(n)s of these", n=branch.count)
    return _JOINTS[branch.joint]


def _write_test(branch: Branch, tested: Tested, depth: int) -> Line:
    got = tuple("null" if value is None else value[:_SHOWN] for value in tested.got[:8])
    return Line(
        depth, branch.held, say_test(tested.atom.test), tested.atom.field or "", got,
        missing=not tested.there,
    )  # fmt: skip


def say_test(test: Test) -> Text:  # noqa: PLR0911 - one answer for each kind of test
    """Say in words what a test expects."""
    match test:
        case Glob(parts, cased):
            words = msg("is exactly %(pattern)s") if cased else msg("is %(pattern)s")
            return Text(words.id, {"pattern": _write_pattern(parts)})
        case Regex(pattern, _):
            return msg("matches the expression %(pattern)s", pattern=pattern[:_SHOWN])
        case Compare(operator, number, part):
            sign = f"{_SIGNS[operator]} {number:g}"
            return (
                msg("is %(sign)s", sign=sign)
                if part is None
                else msg("has the time part %(part)s %(sign)s", part=part.value, sign=sign)
            )
        case InNetwork(network):
            return msg("is an address in %(network)s", network=network)
        case SameAs(other, place, _):
            return Text(_PLACES[place].id, {"other": other})
        case IsNull():
            return msg("is empty or not there")
        case Exists():
            return msg("is there")


def _write_pattern(parts: tuple[str | Wildcard, ...]) -> str:
    signs = {Wildcard.MANY: "*", Wildcard.ONE: "?"}
    said = "".join(part if isinstance(part, str) else signs[part] for part in parts)
    return f"“{said[:_SHOWN]}”"
