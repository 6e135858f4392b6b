"""The conditions that the form knows, each in three ways: as Cedar, read from Cedar, said.

A term is one link of a chain of ``&&``. The tree is Cedar's JSON form of policies
(https://docs.cedarpolicy.com/policies/json-format.html).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sekisho.access.policies import PolicyForm

Tree = Mapping[str, Any]
_SECONDS = 60


def write_terms(form: PolicyForm) -> list[tuple[str, str]]:
    """Return (field, Cedar) of what must hold, in a fixed order."""
    found = [
        ("trusts", f"{_list(sorted(form.trusts))}.contains(context.trust)" if form.trusts else ""),
        ("strength", f"context.mfa >= {form.strength}" if form.strength else ""),
        (
            "mfa_minutes",
            f"context.mfa_age <= {form.mfa_minutes * _SECONDS}" if form.mfa_minutes else "",
        ),
        *(("controls", _control(name)) for name in form.controls),
        ("networks", _any("networks", form.networks)),
        ("countries", _one("country", form.countries)),
        ("weekdays", _one("weekday", sorted(form.weekdays))),
        ("begin", f"context.minute >= {form.begin}" if form.begin >= 0 else ""),
        ("end", f"context.minute < {form.end}" if form.end >= 0 else ""),
        ("until", f"context.now < {form.until}" if form.until else ""),
        ("needs_grant", "context.granted" if form.needs_grant else ""),
    ]
    return [(name, text) for name, text in found if text]


def _list(values: Sequence[object]) -> str:
    return "[" + ", ".join(quote(v) if isinstance(v, str) else str(v) for v in values) + "]"


def quote(text: str) -> str:
    """Write a string as Cedar does: with the escapes of JSON, of which some are not Cedar's."""
    if any(c < " " and c not in "\n\r\t" for c in text):
        raise ValueError("control characters cannot stand in a policy")
    return json.dumps(text, ensure_ascii=False)


def _control(name: str) -> str:
    return f"(context.passing.contains({quote(name)}) || context.exempt.contains({quote(name)}))"


def _any(attribute: str, values: Sequence[str]) -> str:
    return f"context.{attribute}.containsAny({_list(values)})" if values else ""


def _one(attribute: str, values: Sequence[object]) -> str:
    return f"{_list(values)}.contains(context.{attribute})" if values else ""


def split_chain(tree: Tree) -> Iterator[Tree]:
    """Give the links of a chain of ``&&``, the first one first."""
    if "&&" in tree:
        yield from split_chain(tree["&&"]["left"])
        yield from split_chain(tree["&&"]["right"])
    else:
        yield tree


def attribute_of(tree: Tree) -> str:
    """Return ``x`` for ``context.x``, else ""."""
    dot = tree.get(".")
    return dot["attr"] if dot and dot["left"] == {"Var": "context"} else ""


def read_term(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    """Return the form with one more condition, or None for one that it does not know."""
    for reader in _READERS:
        found = reader(tree, form)
        if found is not None:
            return found
    return None


def _read_bound(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    for sign, attribute, field, scale in (
        (">=", "mfa", "strength", 1),
        ("<=", "mfa_age", "mfa_minutes", _SECONDS),
        (">=", "minute", "begin", 1),
        ("<", "minute", "end", 1),
        ("<", "now", "until", 1),
    ):
        sides = tree.get(sign)
        if sides and attribute_of(sides["left"]) == attribute:
            value = sides["right"].get("Value")
            if isinstance(value, int) and value % scale == 0:
                read: dict[str, Any] = {field: value // scale}
                return replace(form, **read)
    return None


def _read_list(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    sides = tree.get("contains")
    field = {"trust": "trusts", "country": "countries", "weekday": "weekdays"}
    if not sides or attribute_of(sides["right"]) not in field:
        return None
    values = _values(sides["left"])
    return values and replace(form, **{field[attribute_of(sides["right"])]: values})


def _read_networks(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    sides = tree.get("containsAny")
    if not sides or attribute_of(sides["left"]) != "networks":
        return None
    values = _values(sides["right"])
    return values and replace(form, networks=values)


def _read_control(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    either = tree.get("||")
    if not either:
        return None
    names = [_held(either["left"], "passing"), _held(either["right"], "exempt")]
    if not names[0] or names[0] != names[1]:
        return None
    return replace(form, controls=(*form.controls, names[0]))


def _read_grant(tree: Tree, form: PolicyForm) -> PolicyForm | None:
    return replace(form, needs_grant=True) if attribute_of(tree) == "granted" else None


def _held(tree: Tree, attribute: str) -> str:
    sides = tree.get("contains")
    fits = sides and attribute_of(sides["left"]) == attribute
    value = sides["right"].get("Value") if sides and fits else None
    return value if isinstance(value, str) else ""


def _values(tree: Tree) -> Any:
    values = tuple(item.get("Value") for item in tree.get("Set", []))
    return None if not values or any(v is None or isinstance(v, dict) for v in values) else values


_READERS: Sequence[Callable[[Tree, PolicyForm], PolicyForm | None]] = (
    _read_bound, _read_list, _read_networks, _read_control, _read_grant,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unmet:
    """A condition of a form that did not hold; ``known`` is False where nobody could tell."""

    field: str
    wanted: object
    known: bool = True


def list_unmet(form: PolicyForm, context: Mapping[str, Any]) -> list[Unmet]:
    """List which conditions of a form do not hold for a request."""
    tests: list[tuple[str, bool, str, Callable[[Any], bool], object]] = [
        ("trusts", bool(form.trusts), "trust", lambda v: v in form.trusts, form.trusts),
        ("strength", bool(form.strength), "mfa", lambda v: v >= form.strength, form.strength),
        ("mfa_minutes", bool(form.mfa_minutes), "mfa_age",
         lambda v: v <= form.mfa_minutes * _SECONDS, form.mfa_minutes),
        ("networks", bool(form.networks), "networks",
         lambda v: not set(form.networks).isdisjoint(v), form.networks),
        ("countries", bool(form.countries), "country",
         lambda v: v in form.countries, form.countries),
        ("weekdays", bool(form.weekdays), "weekday", lambda v: v in form.weekdays, form.weekdays),
        ("begin", form.begin >= 0, "minute", lambda v: v >= form.begin, form.begin),
        ("end", form.end >= 0, "minute", lambda v: v < form.end, form.end),
        ("until", bool(form.until), "now", lambda v: v < form.until,
         datetime.fromtimestamp(form.until, UTC)),
        ("needs_grant", form.needs_grant, "granted", bool, True),
    ]  # fmt: skip
    found = [
        Unmet(field, wanted, attribute in context)
        for field, asked, attribute, holds, wanted in tests
        if asked and not (attribute in context and holds(context[attribute]))
    ]
    kept = set(context.get("passing", ())) | set(context.get("exempt", ()))
    broken = tuple(name for name in form.controls if name not in kept)
    return [*found, Unmet("controls", broken, "passing" in context)] if broken else found
