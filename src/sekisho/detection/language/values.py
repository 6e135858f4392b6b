"""One ``field|modifiers: value`` of a rule as tests.

Sigma modifiers appendix 2.1.0. Which modifiers go together is checked: a combination without a
meaning is a fault, never ignored.
"""

import ipaddress
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sekisho.detection.engine.regexes import RegexError, compile_regex
from sekisho.detection.language.documents import Block, Scalar
from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.patterns import (
    ENCODINGS,
    Parts,
    encode_value,
    expand_placeholders,
    join_parts,
    permute_dashes,
    read_pattern,
)
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    Atom,
    Compare,
    Exists,
    Glob,
    InNetwork,
    IsNull,
    Node,
    Not,
    Operator,
    Place,
    Regex,
    SameAs,
    Test,
    TimePart,
    Wildcard,
)
from sekisho.kernel.i18n import msg

_TIMES = frozenset(TimePart)
_COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})
_PLACES = {"startswith": Place.START, "endswith": Place.END, "contains": Place.WITHIN}
_TEXT = frozenset({*_PLACES, *ENCODINGS, "cased", "windash"})
_EVERYWHERE = frozenset({"all", "neq", "expand"})
# What may stand beside the modifier that decides the kind of test, besides all, neq and expand.
_BESIDE: Mapping[str, frozenset[str]] = {
    "re": frozenset({"i", "m", "s", *_PLACES}),
    "cidr": frozenset(),
    "fieldref": frozenset({*_PLACES, "cased"}),
    "exists": frozenset(),
    **dict.fromkeys(_COMPARISONS, _TIMES),
    **dict.fromkeys(_TIMES, _COMPARISONS),
}
KNOWN = frozenset({*_BESIDE, *_TEXT, *_EVERYWHERE, "i", "m", "s"})


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of a selection, taken apart: the field (None: any), its modifiers, and their kind."""

    field: str | None
    modifiers: tuple[str, ...]
    kind: str | None
    values: Mapping[str, Sequence[str]]

    def has(self, name: str) -> bool:
        return name in self.modifiers


def read_item(key: str, value: object, placeholders: Mapping[str, Sequence[str]]) -> Node:
    """Say what ``key: value`` of a selection tests; raises LanguageError."""
    taken = _take_apart(key, placeholders)
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise LanguageError(
            msg("“%(key)s” has an empty list.", key=key), msg("A field is held against a value.")
        )
    nodes = [_read_value(taken, _checked(key, one, listed)) for one in listed]
    if taken.has("neq"):
        return all_of([Atom(taken.field, Exists()), *_besides(taken, listed), *map(Not, nodes)])
    return all_of(nodes) if taken.has("all") else any_of(nodes)


def _besides(key: _Key, listed: Sequence[object]) -> list[Node]:
    """Return what else must be there before “different” means anything."""
    return [Atom(str(name), Exists()) for name in listed] if key.kind == "fieldref" else []


def all_of(nodes: Iterable[Node]) -> Node:
    """Combine with AND, without repeating one and without a needless level."""
    unique = tuple(dict.fromkeys(nodes))
    return unique[0] if len(unique) == 1 else AllOf(unique)


def any_of(nodes: Iterable[Node]) -> Node:
    """Combine with OR, without repeating one and without a needless level."""
    unique = tuple(dict.fromkeys(nodes))
    return unique[0] if len(unique) == 1 else AnyOf(unique)


def _take_apart(key: str, placeholders: Mapping[str, Sequence[str]]) -> _Key:
    name, *modifiers = key.split("|")
    for modifier in modifiers:
        if modifier not in KNOWN:
            raise LanguageError(
                msg("The modifier “%(name)s” is not known.", name=modifier),
                msg("Known are: %(known)s.", known=", ".join(sorted(KNOWN))),
            )
    kinds = [modifier for modifier in modifiers if modifier in _BESIDE]
    kind = next((one for one in kinds if one not in _TIMES), kinds[0] if kinds else None)
    allowed = _TEXT if kind is None else {*_BESIDE[kind], kind}
    for modifier in modifiers:
        if modifier not in allowed and modifier not in _EVERYWHERE:
            raise _misfit(modifier, kind)
    if not name and modifiers and (kind not in {None, "re"} or "neq" in modifiers):
        raise LanguageError(
            msg("“%(key)s” names no field.", key=key),
            msg("Keywords are texts or expressions."),
        )
    return _Key(name or None, tuple(modifiers), kind, placeholders)


def _misfit(modifier: str, kind: str | None) -> LanguageError:
    if kind is None:
        got = msg("The modifier “%(name)s” stands without re.", name=modifier)
    else:
        got = msg("The modifier “%(name)s” stands beside “%(kind)s”.", name=modifier, kind=kind)
    return LanguageError(got, msg("The two together have no meaning."))


def _checked(key: str, value: object, listed: Sequence[object]) -> Scalar:
    if isinstance(value, list | Block):
        raise LanguageError(
            msg("“%(key)s” has a list or a mapping within its value.", key=key),
            msg("A field has one value or one list of values."),
        )
    if value is None and len(listed) > 1:
        raise LanguageError(
            msg("“%(key)s” has null in a list.", key=key),
            msg("null stands alone."),
            msg("Make it a selection of its own and join both with “or”."),
        )
    return value if isinstance(value, str | int | float | bool) else None


def _read_value(key: _Key, value: Scalar) -> Node:
    if key.kind == "exists":
        return _read_exists(key, value)
    if value is None:
        return _read_null(key)
    if key.kind in _COMPARISONS or key.kind in _TIMES:
        return Atom(key.field, _read_comparison(key, value))
    texts = [text_of(value)]
    if key.has("expand"):
        texts = expand_placeholders(texts[0], key.values)
    if key.kind is not None:
        return any_of(Atom(key.field, _read_special(key, text)) for text in texts)
    return any_of(Atom(key.field, test) for text in texts for test in _read_globs(key, text))


def text_of(value: Scalar) -> str:
    """Return a rule's value as text, as events' values are turned into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _read_exists(key: _Key, value: Scalar) -> Node:
    said = {"true": True, "yes": True, "false": False, "no": False}.get(text_of(value).lower())
    if said is None:
        raise LanguageError(
            msg("“exists” has the value “%(value)s”.", value=text_of(value)),
            msg("It is true or false."),
        )
    atom = Atom(key.field, Exists())
    return atom if said else Not(atom)


def _read_null(key: _Key) -> Node:
    if key.field is None or (set(key.modifiers) - {"neq", "all"}):
        raise LanguageError(
            msg("null stands with modifiers, or without a field."),
            msg("null says of a field that it is empty."),
        )
    return Atom(key.field, IsNull())


def _read_comparison(key: _Key, value: Scalar) -> Test:
    operator = next((name for name in key.modifiers if name in _COMPARISONS), "eq")
    part = next((name for name in key.modifiers if name in _TIMES), None)
    return Compare(Operator(operator), _number(value), TimePart(part) if part else None)


def _number(value: Scalar) -> float:
    try:
        number = float(value) if not isinstance(value, bool) and value is not None else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise LanguageError(
            msg("“%(value)s” is compared as a number.", value=text_of(value)),
            msg("It must be a number."),
        )
    return number


def _read_special(key: _Key, text: str) -> Test:
    if key.kind == "cidr":
        return _read_network(text)
    if key.kind == "fieldref":
        place = next((_PLACES[name] for name in key.modifiers if name in _PLACES), Place.WHOLE)
        return SameAs(text, place, key.has("cased"))
    return _read_regex(key, text)


def _read_network(text: str) -> Test:
    try:
        return InNetwork(str(ipaddress.ip_network(text.strip(), strict=False)))
    except ValueError:
        raise LanguageError(
            msg("“%(text)s” is no network.", text=text),
            msg("A network is written like 192.168.0.0/16 or fd00::/8."),
        ) from None


def _read_regex(key: _Key, text: str) -> Test:
    before = r"\A" if key.has("startswith") else ""
    after = r"\Z" if key.has("endswith") else ""
    pattern = f"{before}(?:{text}){after}" if before or after else text
    flags = "".join(flag for flag in "ims" if key.has(flag))
    try:
        compile_regex(pattern, flags)
    except RegexError as error:
        raise LanguageError(
            msg("“%(text)s” is no regular expression: %(why)s.", text=text, why=str(error)),
            msg("Expressions follow PCRE."),
        ) from None
    return Regex(pattern, flags)


def _read_globs(key: _Key, text: str) -> list[Test]:
    texts = permute_dashes(text) if key.has("windash") else [text]
    forms = [read_pattern(one) for one in texts]
    steps = [name for name in key.modifiers if name in ENCODINGS]
    cased = key.has("cased")
    if steps:
        forms = [encoded for form in forms for encoded in encode_value(form, steps)]
        cased = cased or "base64" in steps or "base64offset" in steps
    return [Glob(_placed(key, form), cased) for form in forms]


def _placed(key: _Key, form: Parts) -> Parts:
    """Put the stars that the modifiers mean around a value; keywords stand anywhere."""
    within = key.has("contains") or key.has("base64offset")
    if key.field is None and not form:
        raise LanguageError(
            msg("A keyword is empty."), msg("An empty keyword would find every line.")
        )
    if key.field is None and not any(key.has(name) for name in _PLACES):
        within = True
    before = (Wildcard.MANY,) if within or key.has("endswith") else ()
    after = (Wildcard.MANY,) if within or key.has("startswith") else ()
    return join_parts([*before, *form, *after])
