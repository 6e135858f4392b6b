"""What files name, held against what there will be: under its own name, or a mistake (pure)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sekisho.access.model import ResourceKind
from sekisho.controls.faults import Fault
from sekisho.identity.model import Role
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apply.model import (
    Item,
    Kind,
    Mark,
    Section,
    Wanted,
    fold,
    read_role,
    write_role,
)
from sekisho.server.apply.places import did_you_mean
from sekisho.server.apply.policies import CEDAR, GROUP
from sekisho.server.apply.references import Reference, rename
from sekisho.server.apply.state import State

_WORDS = {
    "Role": frozenset(role.value for role in Role),
    "Kind": frozenset(kind.value for kind in ResourceKind),
}


@dataclass(slots=True)
class Names:
    """The units, groups and people that there will be, and who named one that there is not."""

    units: dict[str, str]
    groups: set[str]
    people: frozenset[str]
    resources: set[str]
    twice: frozenset[str] = frozenset()
    faults: list[Fault] = field(default_factory=list)

    def find_unit(self, path: str, mark: Mark) -> str:
        """Return the path as the unit itself is called."""
        found = self.units.get(fold(path))
        if found is None:
            self._miss(msg("There is no unit “%(name)s”.", name=path), path,
                       self.units.values(), mark)  # fmt: skip
        elif fold(path) in self.twice:
            why = msg("There are two units “%(name)s”: rename one on its page.", name=path)
            self.faults.append(mark.fault(why))
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

    def require_resource(self, key: str, mark: Mark) -> None:
        """Note a resource of the gate that there is not."""
        if key not in self.resources:
            why = msg("There is no resource “%(name)s”.", name=key)
            self._miss(why, key, self.resources, mark)

    def find_entity(self, named: Reference, mark: Mark) -> str:
        """Return the name of what a policy names; notes what there is not."""
        if named.kind == "Unit":
            return self.find_unit(named.name, mark)
        if known := _WORDS.get(named.kind):
            if named.name not in known:
                why = msg("“%(got)s” is not known. %(hint)s", got=named.name[:60],
                          hint=did_you_mean(named.name, known))  # fmt: skip
                self.faults.append(mark.fault(why))
            return named.name
        requires = {
            "Group": self.require_group, "Person": self.require_person,
            "Resource": self.require_resource,
        }  # fmt: skip
        requires[named.kind](named.name, mark)
        return named.name

    def _miss(self, why: Text, got: str, known: Iterable[str], mark: Mark) -> None:
        said = msg("%(why)s %(hint)s", why=why, hint=did_you_mean(got, known))
        self.faults.append(mark.fault(said))


def names_after(sections: Sequence[Section], state: State) -> Names:
    """Return the names of what there will be once the files are applied."""
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
    return Names(
        units, groups, frozenset(state.people), _resources_after(sections, state),
        _twice(state.items[Kind.UNIT]),
    )  # fmt: skip


def _resources_after(sections: Iterable[Section], state: State) -> set[str]:
    keys = set(state.resources)
    for section in sections:
        if section.kind is Kind.RESOURCE:
            named = {item.key[0] for item in section.items}
            keys = named if section.complete else keys | named
    return keys


def _twice(units: Iterable[Item]) -> frozenset[str]:
    counted = Counter(fold(item.key[0]) for item in units)
    return frozenset(path for path, times in counted.items() if times > 1)


def resolve(item: Wanted, names: Names) -> Wanted:
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
    return _resolve_policy(item, names) if item.kind is Kind.POLICY else item


def _resolve_policy(item: Wanted, names: Names) -> Wanted:
    approvers, text = item.fields.get("approvers"), item.fields.get(CEDAR)
    if isinstance(approvers, str) and approvers.startswith(GROUP):
        group = Reference("Group", approvers.removeprefix(GROUP))
        names.find_entity(group, item.marks.get(str(group), item.mark))
    if not isinstance(text, str):
        return item

    found: dict[str, str] = {}  # what is missing is noted once, however often it is named

    def called(each: Reference) -> str:
        if str(each) not in found:
            mark = item.marks.get(str(each), item.mark)
            found[str(each)] = names.find_entity(each, mark)
        return found[str(each)]

    return replace(item, fields={**item.fields, CEDAR: rename(text, called)})


def _resolve_role(written: str, mark: Mark, names: Names) -> str:
    role, unit = read_role(written)
    return write_role(role, names.find_unit(unit, mark) if unit else "")


def _resolve_audience(item: Wanted, names: Names) -> tuple[str, ...]:
    check, audience, whom = item.key
    if audience == "unit":
        return check, audience, names.find_unit(whom, item.marks[whom])
    if audience == "group":
        names.require_group(whom, item.marks[whom])
    return item.key
