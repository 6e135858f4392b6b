"""Correlation documents: what is counted, over which rules, in which time, for which group.

Sigma correlation rules specification 2.1.0; ``percentile``, ``value_median`` and conditions
written as expressions are extensions that pySigma made common.
"""

import re
from typing import Any

from sekisho.detection.language.conditions import read_condition
from sekisho.detection.language.documents import Block
from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.headers import Notes, line_of, read_header
from sekisho.detection.model import (
    MICROSECONDS,
    Bound,
    Correlation,
    CorrelationKind,
    Node,
    Operator,
)
from sekisho.kernel.i18n import msg

_TIMESPAN = re.compile(r"([1-9][0-9]{0,8})\s*([smhdwMy])")
_UNITS = {
    "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000,
}  # fmt: skip
_TEMPORAL = frozenset({CorrelationKind.TEMPORAL, CorrelationKind.TEMPORAL_ORDERED})
_OPERATORS = frozenset(Operator)
LONGEST_TIMESPAN = 366 * 86_400 * MICROSECONDS
MOST_RULES = 200
WHOLE = 100


def read_correlation(doc: Block, notes: Notes) -> Correlation:
    """Read one correlation; its ``rules`` are still as written. Raises LanguageError."""
    header = read_header(doc, notes)
    block: Any = doc["correlation"]
    if not isinstance(block, Block):
        raise LanguageError(
            msg("“%(key)s” is no mapping.", key="correlation"),
            msg("It says type, rules, timespan and condition."),
            line=line_of(doc, "correlation"),
        )
    kind = _kind(block)
    rules = _names(block, "rules")
    if not rules or len(rules) > MOST_RULES:
        raise _wrong(block, "rules")
    bounds, expression = _condition(block, kind, rules)
    return Correlation(
        **header,
        kind=kind,
        rules=rules,
        timespan=_timespan(block),
        group_by=_names(block, "group-by"),
        aliases=_aliases(block),
        bounds=bounds,
        measured=_measured(block, kind),
        percentile=_percentile(block, kind),
        expression=expression,
        generate=block.get("generate") is True,
    )


def _wrong(block: Block, key: str) -> LanguageError:
    return LanguageError(
        msg("“%(key)s” of the correlation is missing or cannot be meant.", key=key),
        _EXPECTED[key],
        line=line_of(block, key),
    )


_EXPECTED = {
    "type": msg("The type is one of: %(known)s.", known=", ".join(CorrelationKind)),
    "rules": msg("It lists ids or names of rules, at most %(most)s.", most=MOST_RULES),
    "timespan": msg("A time is written like 30s, 5m, 1h or 7d, at most a year."),
    "group-by": msg("It lists fields."),
    "aliases": msg("It says for each name which field it is in which rule."),
    "condition": msg("It compares with gt, gte, lt, lte, eq or neq, or joins rules by name."),
    "field": msg("A value is counted or measured: “field” says which."),
    "percentile": msg("A percentile lies between 0 and 100."),
}


def _kind(block: Block) -> CorrelationKind:
    try:
        return CorrelationKind(str(block.get("type")))
    except ValueError:
        raise _wrong(block, "type") from None


def _names(block: Block, key: str) -> tuple[str, ...]:
    value: Any = block.get(key)
    listed = value if isinstance(value, list) else ([] if value is None else [value])
    if any(not isinstance(one, str) or not one for one in listed):
        raise _wrong(block, key)
    return tuple(dict.fromkeys(listed))


def _timespan(block: Block) -> int:
    found = _TIMESPAN.fullmatch(str(block.get("timespan", "")).strip())
    span = int(found[1]) * _UNITS[found[2]] * MICROSECONDS if found else 0
    if not 0 < span <= LONGEST_TIMESPAN:
        raise _wrong(block, "timespan")
    return span


def _aliases(block: Block) -> dict[str, dict[str, str]]:
    value: Any = block.get("aliases", {})
    if not isinstance(value, Block | dict):
        raise _wrong(block, "aliases")
    for said in value.values():
        if not isinstance(said, Block) or any(
            not isinstance(name, str) or not name for name in said.values()
        ):
            raise _wrong(block, "aliases")
    return {name: dict(said) for name, said in value.items()}


def _condition(
    block: Block, kind: CorrelationKind, rules: tuple[str, ...]
) -> tuple[tuple[Bound, ...], Node | None]:
    value: Any = block.get("condition")
    if value is None and kind in _TEMPORAL:
        return (), None
    if isinstance(value, str) and kind in _TEMPORAL:
        try:
            return (), read_condition(value, rules)
        except LanguageError as error:
            raise error.at(line_of(block, "condition")) from None
    bounds = _bounds(block, value)
    if not bounds:
        raise _wrong(block, "condition")
    return bounds, None


def _bounds(block: Block, value: Any) -> tuple[Bound, ...]:
    if not isinstance(value, Block):
        raise _wrong(block, "condition")
    said = {key: one for key, one in value.items() if key not in {"field", "percentile"}}
    for key, one in said.items():
        if key not in _OPERATORS or isinstance(one, bool) or not isinstance(one, int | float):
            raise _wrong(block, "condition").at(line_of(value, key))
    return tuple(Bound(Operator(key), float(one)) for key, one in said.items())


def _measured(block: Block, kind: CorrelationKind) -> tuple[str, ...]:
    value: Any = block.get("condition")
    fields = _names(value, "field") if isinstance(value, Block) else ()
    if kind.startswith("value_") and not fields:
        raise _wrong(block, "field").at(line_of(block, "condition"))
    if len(fields) > 1 and kind is not CorrelationKind.VALUE_COUNT:
        raise _wrong(block, "field").at(line_of(block, "condition"))
    return fields


def _percentile(block: Block, kind: CorrelationKind) -> float:
    value: Any = block.get("condition")
    said = value.get("percentile", 50) if isinstance(value, Block) else 50
    if kind is not CorrelationKind.VALUE_PERCENTILE:
        return 50.0
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= WHOLE:
        raise _wrong(block, "percentile").at(line_of(block, "condition"))
    return float(said)
