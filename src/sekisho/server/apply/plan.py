"""From what is to what a folder wants: the steps, in the order in which they can be done (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sekisho.controls.faults import Fault
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apply.model import (
    SEALED,
    Act,
    Difference,
    FolderError,
    Item,
    Kind,
    Mark,
    Plan,
    Section,
    Step,
    Value,
    Wanted,
    fold,
    read_path,
)
from sekisho.server.apply.policies import REST as POLICY_REST
from sekisho.server.apply.resolving import names_after, resolve
from sekisho.server.apply.resources import REST
from sekisho.server.apply.state import State

_REST: Mapping[Kind, Mapping[str, Value]] = {
    Kind.UNIT: {"kind": "department", "country": "", "time_zone": "", "language": ""},
    Kind.GROUP: {"note": "", "members": frozenset()},
    Kind.SELF_CHECK: {"every_days": "90", "open_days": "14", "remind_days": "5"},
    Kind.CHANNEL: {"language": "ja", "enabled": "true", "topics": frozenset()},
    Kind.RESOURCE: REST,
    Kind.POLICY: POLICY_REST,
}
_ADMIN = "admin"


def make_plan(sections: Sequence[Section], state: State, environment: Mapping[str, str]) -> Plan:
    """Return the steps from ``state`` to what the files want; nothing else is touched.

    ``environment`` holds the secrets of channels. Raises FolderError naming every person, unit,
    group and variable that is named and is not there.
    """
    names = names_after(sections, state)
    steps: list[Step] = []
    for section in sections:
        wanted = [resolve(item, names) for item in section.items]
        steps += _compare(replace(section, items=tuple(wanted)), state, environment, names.faults)
    if names.faults:
        raise FolderError(names.faults)
    return _without_waiting(Plan(tuple(sorted(steps, key=_turn))), state)


def _without_waiting(plan: Plan, state: State) -> Plan:
    """Leave policies out that a version waiting for approval would make already."""
    asked = [step for step in plan.steps if step.kind is Kind.POLICY]
    wanted = {item.key: item.fields for item in state.items[Kind.POLICY]}
    for step in asked:
        wanted[step.key] = step.fields
        if step.act is Act.REMOVE:
            del wanted[step.key]
    for number, policies in state.waiting.items() if asked else ():
        if {item.key: item.fields for item in policies} == wanted:
            kept = tuple(step for step in plan.steps if step.kind is not Kind.POLICY)
            return Plan(kept, (_waits(number),))
    return plan


def _waits(number: int) -> Text:
    return msg(
        "What the folder says of policies waits for approval already, as version %(n)s "
        "(/access/policies/versions/%(n)s).",
        n=number,
    )


def _compare(
    section: Section, state: State, environment: Mapping[str, str], faults: list[Fault]
) -> Iterator[Step]:
    pairs, rest = _pair(section.items, state.items[section.kind])
    for wanted, present in pairs:
        given = {**wanted.fields, **_secrets(wanted, present, environment, faults)}
        step = _step(replace(wanted, fields=given), present)
        if step is not None:
            yield step
    if section.complete:
        for present in rest:
            yield from _removal(present, section.mark)


def _pair(
    wanted: Sequence[Wanted], present: Sequence[Item]
) -> tuple[list[tuple[Wanted, Item | None]], list[Item]]:
    """Return each wanted item with what it is about, those that say the same first; and the rest.

    Only self-checks and channels can share a name.
    """
    left: dict[tuple[str, ...], list[Item]] = {}
    for item in present:
        left.setdefault(_match(item), []).append(item)
    pairs: list[tuple[Wanted, Item | None]] = []
    for one in wanted:
        among = left.get(_match(one), [])
        same = next((item for item in among if not _differences(one, item)), None)
        if same is not None:
            among.remove(same)
            pairs.append((one, same))
    paired = {id(one) for one, _ in pairs}
    for one in wanted:
        if id(one) not in paired:
            among = left.get(_match(one), [])
            pairs.append((one, among.pop(0) if among else None))
    return pairs, [item for items in left.values() for item in items]


def _match(item: Wanted | Item) -> tuple[str, ...]:
    return (fold(item.key[0]),) if item.kind is Kind.UNIT else item.key


def _differences(wanted: Wanted, present: Item) -> list[Difference]:
    found: list[Difference] = []
    for name, value in wanted.fields.items():
        before = present.fields.get(name, frozenset() if isinstance(value, frozenset) else "")
        after = _after(before, value, complete=wanted.complete)
        if before != after and name != "first":
            found.append(Difference(name, before, after))
    return found


def _after(before: Value, wanted: Value, *, complete: bool) -> Value:
    """Return what a field will hold; a set that is not complete only grows."""
    if isinstance(wanted, frozenset) and isinstance(before, frozenset) and not complete:
        return before | wanted
    return wanted


def _secrets(
    wanted: Wanted, present: Item | None, environment: Mapping[str, str], faults: list[Fault]
) -> dict[str, Value]:
    """Return ``secret.NAME`` → ``$VARIABLE`` for each that is new; notes a variable not set."""
    found: dict[str, Value] = {}
    kept = present.secrets if present else {}
    for name, variable in wanted.secrets.items():
        value = environment.get(variable, "")
        if not value and name not in kept:
            why = msg("The environment variable %(name)s is not set.", name=variable)
            faults.append(wanted.mark.fault(why))
        if value and value != kept.get(name):
            found[f"secret.{name}"] = f"${variable}"
    return found


def _step(wanted: Wanted, present: Item | None) -> Step | None:
    if present is None:
        return _addition(wanted)
    hidden = {f"secret.{name}": SEALED for name in present.secrets}
    differences = _differences(wanted, replace(present, fields={**present.fields, **hidden}))
    if not differences:
        return None
    fields = {**present.fields, **{each.field: each.after for each in differences}}
    return Step(Act.CHANGE, wanted.kind, present.key, tuple(differences), fields,
                wanted.mark, present, wanted.text, wanted.marks)  # fmt: skip


def _addition(wanted: Wanted) -> Step:
    fields = {**_REST.get(wanted.kind, {}), **wanted.fields}
    differences = [
        Difference(name, frozenset() if isinstance(value, frozenset) else "", value)
        for name, value in fields.items()
        if value
    ]
    return Step(Act.ADD, wanted.kind, wanted.key, tuple(differences), fields, wanted.mark,
                text=wanted.text, marks=wanted.marks)  # fmt: skip


def _removal(present: Item, mark: Mark) -> Iterator[Step]:
    """Yield what ends a thing; people stay and lose their roles, strengths stay as they are."""
    if present.kind is Kind.SIGN_IN:
        return
    if present.kind is Kind.CONTENT and not present.version:  # the program's own stays
        return
    if present.kind is Kind.ROLES:
        if present.fields["roles"]:
            gone = Difference("roles", present.fields["roles"], frozenset())
            yield Step(Act.CHANGE, present.kind, present.key, (gone,), {"roles": frozenset()},
                       mark, present)  # fmt: skip
        return
    yield Step(Act.REMOVE, present.kind, present.key, (), present.fields, mark, present)


def _turn(step: Step) -> tuple[object, ...]:
    """Return the place in the order: what others need comes first and goes last.

    Whoever stops being an administrator does so after others have become one; a unit goes after
    those below it.
    """
    kinds = list(Kind)
    if step.act is Act.REMOVE:
        return 1, -kinds.index(step.kind), -_depth(step), step.key
    late = step.kind is Kind.ROLES and _ADMIN not in step.values("roles")
    return 0, kinds.index(step.kind), late, _depth(step), step.key


def _depth(step: Step) -> int:
    return len(read_path(step.key[0])) if step.kind is Kind.UNIT else 0
