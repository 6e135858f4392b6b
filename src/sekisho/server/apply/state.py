"""Reads the present state through the services of the rooms, as items that a plan can compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sekisho.access import service as access
from sekisho.access.model import ResourceKind
from sekisho.access.policies import Policy
from sekisho.controls.selfchecks import Audience, Schedule
from sekisho.controls.service import content, selfchecks
from sekisho.identity import service as identity
from sekisho.identity.engine import units as tree
from sekisho.identity.model import Person, Role, Unit
from sekisho.kernel.db import Transaction
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service as notices
from sekisho.notices.engine.setup import FIELDS_OF_KIND
from sekisho.notices.model import Channel, ChannelKind
from sekisho.notices.service.sending import open_secrets
from sekisho.server.apply.model import Item, Kind, Value, fold, write_path, write_role
from sekisho.server.apply.policies import Names
from sekisho.server.apply.policies import item_of as policy_of
from sekisho.server.apply.resources import item_of

_EVERYBODY = 1_000_000


@dataclass(frozen=True)  # no slots: what is looked up often is remembered
class State:
    """Everything that a folder can speak of, as it is in one transaction.

    ``waiting`` holds the policies of each version that is made from the one in force and waits.
    """

    items: Mapping[Kind, Sequence[Item]]
    waiting: Mapping[int, Sequence[Item]] = field(default_factory=dict)

    @cached_property
    def units(self) -> dict[str, Item]:
        """Return folded path → unit."""
        return {fold(item.key[0]): item for item in self.items[Kind.UNIT]}

    @cached_property
    def groups(self) -> dict[str, Item]:
        """Return name → group."""
        return {item.key[0]: item for item in self.items[Kind.GROUP]}

    @cached_property
    def people(self) -> dict[str, Item]:
        """Return address → a person with the roles held."""
        return {item.key[0]: item for item in self.items[Kind.ROLES]}

    @cached_property
    def resources(self) -> dict[str, Item]:
        """Return short name → resource of the gate."""
        return {item.key[0]: item for item in self.items[Kind.RESOURCE]}


def read_state(tx: Transaction, box: SecretBox) -> State:
    """Read everything (identity, settings, selfchecks and access .read, everywhere)."""
    tx.principal.require("identity.read")
    units: dict[str, Unit] = {entry.unit.id: entry.unit for entry in identity.list_units(tx)}
    paths = {unit_id: _path(units, unit_id) for unit_id in units}
    people = identity.list_people(tx, limit=_EVERYBODY)
    groups = list(_read_groups(tx))
    names = {group.id: group.key[0] for group in groups}
    resources = access.list_resources(tx)
    called: Names = {
        "Unit": paths,
        "Group": names,
        "Person": {person.id: person.email for person in people},
        "Resource": {resource.id: resource.key for resource in resources},
        "Role": {role.value: role.value for role in Role},
        "Kind": {kind.value: kind.value for kind in ResourceKind},
    }
    in_force = access.version_in_force(tx)
    return State({
        Kind.UNIT: [_unit(unit, paths[unit.id]) for unit in units.values()],
        Kind.GROUP: groups,
        Kind.ROLES: [_person(person, paths) for person in people],
        Kind.SIGN_IN: _requirements(tx),
        Kind.SELF_CHECK: list(_schedules(tx, paths, names)),
        Kind.CONTENT: [_content(each) for each in content.list_content(tx)],
        Kind.CHANNEL: [_channel(each.channel, box) for each in notices.list_channels(tx)],
        Kind.RESOURCE: [item_of(each) for each in resources],
        Kind.POLICY: _policies(in_force.policies if in_force else (), called),
    }, {
        each.number: _policies(each.policies, called)
        for each in access.list_waiting(tx)
        if each.based_on == (in_force.number if in_force else 0)
    })  # fmt: skip


def _policies(policies: Iterable[Policy], names: Names) -> list[Item]:
    return [policy_of(each, names) for each in policies]


def _path(units: Mapping[str, Unit], unit_id: str) -> str:
    parents: tree.Parents = {key: unit.parent_id for key, unit in units.items()}
    return write_path(units[each].name for each in reversed(tree.above(parents, unit_id)))


def _unit(unit: Unit, path: str) -> Item:
    fields = {
        "name": unit.name,
        "kind": unit.kind.value,
        "country": unit.country,
        "time_zone": unit.time_zone,
        "language": unit.language,
    }
    return Item(Kind.UNIT, (path,), fields, unit.id, unit.version)


def _read_groups(tx: Transaction) -> Iterator[Item]:
    for group in identity.list_groups(tx):
        members = identity.list_members(tx, group.id, limit=_EVERYBODY)
        fields: dict[str, Value] = {
            "note": group.note,
            "members": frozenset(person.email for person in members),
        }
        yield Item(Kind.GROUP, (group.name,), fields, group.id, group.version)


def _person(person: Person, paths: Mapping[str, str]) -> Item:
    roles = frozenset(
        write_role(held.role.value, paths[held.unit_id] if held.unit_id else "")
        for held in person.assignments
    )
    return Item(Kind.ROLES, (person.email,), {"roles": roles}, person.id, person.version)


def _requirements(tx: Transaction) -> list[Item]:
    return [
        Item(Kind.SIGN_IN, (role.value,), {"strength": strength.name.lower()}, role.value)
        for role, strength in identity.list_requirements(tx).items()
    ]


def _schedules(
    tx: Transaction, paths: Mapping[str, str], groups: Mapping[str, str]
) -> Iterator[Item]:
    """Yield the schedules that run; one whose unit or group is gone has no name to be called by."""
    running = (each for each in selfchecks.list_schedules(tx) if each.stopped_at is None)
    for schedule in sorted(running, key=lambda each: each.id):
        whom = _whom(schedule, paths, groups)
        if whom is not None:
            key = (schedule.check_id, schedule.audience.value, whom)
            yield Item(Kind.SELF_CHECK, key, _days(schedule), schedule.id)


def _whom(schedule: Schedule, paths: Mapping[str, str], groups: Mapping[str, str]) -> str | None:
    if schedule.audience is Audience.EVERYBODY:
        return ""
    known = paths if schedule.audience is Audience.UNIT else groups
    return known.get(schedule.audience_id)


def _days(schedule: Schedule) -> dict[str, Value]:
    return {
        "every_days": str(schedule.every_days),
        "open_days": str(schedule.open_days),
        "remind_days": str(schedule.remind_days),
        "next_at": schedule.next_at.isoformat() if schedule.next_at else "",
    }


def _content(file: content.ContentFile) -> Item:
    return Item(Kind.CONTENT, (file.name,), {"digest": file.digest}, file.name, int(file.own),
                text=file.text)  # fmt: skip


def _channel(channel: Channel, box: SecretBox) -> Item:
    known = FIELDS_OF_KIND[channel.kind]
    fields: dict[str, Value] = {
        "name": channel.name,
        "language": channel.language,
        "enabled": str(channel.enabled).lower(),
        "topics": frozenset(topic.value for topic in channel.topics),
    }
    fields |= {f"setup.{name}": text for name, text in channel.setup.items() if name in known}
    key = (channel.kind.value, "" if channel.kind is ChannelKind.MAIL else channel.name)
    return Item(Kind.CHANNEL, key, fields, channel.id, secrets=open_secrets(channel, box))
