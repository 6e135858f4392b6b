"""From what is to what a folder wants: the steps, in the order in which they can be done (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    read_role,
    write_role,
)
from sekisho.server.apply.places import did_you_mean
from sekisho.server.apply.resources import REST
from sekisho.server.apply.state import State

_REST: Mapping[Kind, Mapping[str, Value]] = {
    Kind.UNIT: {"kind": "department", "country": "", "time_zone": "", "language": ""},
    Kind.GROUP: {"note": "", "members": frozenset()},
    Kind.SELF_CHECK: {"every_days": "90", "open_days": "14", "remind_days": "5"},
    Kind.CHANNEL: {"language": "ja", "enabled": "true", "topics": frozenset()},
    Kind.RESOURCE: REST,
}
_ADMIN = "admin"


@dataclass(slots=True)
class _Names:
    """The units, groups and people that there will be, and who named one that there is not."""

    units: dict[str, str]
    groups: set[str]
    people: frozenset[str]
    faults: list[Fault] = field(default_factory=list)

    def find_unit(self, path: str, mark: Mark) -> str:
        """Return the path as the unit itself is called."""
        found = self.units.get(fold(path))
        if found is None:
            self._miss(msg("There is no unit “%(name)s”.", name=path), path,
                       self.units.values(), mark)  # fmt: skip
        return found or path

    def require_group(self, name: str, mark: Mark) -> None:
        """Note a group that there is not."""
        if name not in self.groups:
            self._miss(msg("There is no group “%(name)s”.", name=name), name, self.groups, mark)

    def require_person(self, address: str, mark: Mark) -> None:
        """Note an address that nobody has."""
        if address not in self.people:
            why = msg("Nobody here has the address %(address)s.", address=address)
            self._miss(why, address, self.people, mark)

    def _miss(self, why: Text, got: str, known: Iterable[str], mark: Mark) -> None:
        said = msg("%(why)s %(hint)s", why=why, hint=did_you_mean(got, known))
        self.faults.append(mark.fault(said))


def make_plan(sections: Sequence[Section], state: State, environment: Mapping[str, str]) -> Plan:
    """Return the steps from ``state`` to what the files want; nothing else is touched.

    ``environment`` holds the secrets of channels. Raises FolderError naming every person, unit,
    group and variable that is named and is not there.
    """
    names = _names_after(sections, state)
    steps: list[Step] = []
    for section in sections:
        wanted = [_resolved(item, names) for item in section.items]
        steps += _compare(replace(section, items=tuple(wanted)), state, environment, names.faults)
    if names.faults:
        raise FolderError(names.faults)
    return Plan(tuple(sorted(steps, key=_turn)))


def _names_after(sections: Iterable[Section], state: State) -> _Names:
    units = {path: item.key[0] for path, item in state.units.items()}
    groups = set(state.groups)
    for section in sections:
        if section.kind is Kind.UNIT:
            wanted = {fold(item.key[0]): item.key[0] for item in section.items}
            kept = {path: name for path, name in units.items() if path in wanted}
            units = wanted | (kept if section.complete else units)
        if section.kind is Kind.GROUP:
            named = {item.key[0] for item in section.items}
            groups = named if section.complete else groups | named
    return _Names(units, groups, frozenset(state.people))


def _resolved(item: Wanted, names: _Names) -> Wanted:
    """Return an item whose names are those of what there will be; notes what there will not."""
    if item.kind is Kind.GROUP:
        for address, mark in item.marks.items():
            names.require_person(address, mark)
    if item.kind is Kind.ROLES:
        names.require_person(item.key[0], item.mark)
        roles = frozenset(_resolve_role(role, mark, names) for role, mark in item.marks.items())
        return replace(item, fields={"roles": roles})
    if item.kind is Kind.SELF_CHECK:
        return replace(item, key=_resolve_audience(item, names))
    return item


def _resolve_role(written: str, mark: Mark, names: _Names) -> str:
    role, unit = read_role(written)
    return write_role(role, names.find_unit(unit, mark) if unit else "")


def _resolve_audience(item: Wanted, names: _Names) -> tuple[str, ...]:
    check, audience, whom = item.key
    if audience == "unit":
        return check, audience, names.find_unit(whom, item.marks[whom])
    if audience == "group":
        names.require_group(whom, item.marks[whom])
    return item.key


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
                wanted.mark, present, wanted.text)  # fmt: skip


def _addition(wanted: Wanted) -> Step:
    fields = {**_REST.get(wanted.kind, {}), **wanted.fields}
    differences = [
        Difference(name, frozenset() if isinstance(value, frozenset) else "", value)
        for name, value in fields.items()
        if value
    ]
    return Step(Act.ADD, wanted.kind, wanted.key, tuple(differences), fields, wanted.mark,
                text=wanted.text)  # fmt: skip


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
