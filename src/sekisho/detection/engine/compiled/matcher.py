"""The compiled matcher: events in, rules out. It holds no time, no files and no order of events."""

from collections.abc import Iterable, Sequence

import msgspec

from sekisho.detection.engine.compiled.group import Group
from sekisho.detection.engine.compiled.plan import LOOSE, OTHER, WINDOWS, KindOfEvent, Planner
from sekisho.detection.engine.compiled.remembered import Room
from sekisho.detection.engine.compiled.terms import GroupPlan, Plan, Uncut
from sekisho.detection.engine.compiled.trial import NO_RULES
from sekisho.detection.model import Event, LogSource

_GROUP = msgspec.msgpack.Decoder(GroupPlan)
_UNCUT = msgspec.msgpack.Decoder(Uncut)
_MOST_UNCUT = 256


class Matcher:
    """Holds events against all rules of a plan; live and back in time.

    Only what the same values come to is remembered, within bounds: any order, any batches and any
    number of matchers give the same rules. Not for use by several threads.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rule_ids = plan.rule_ids
        self._room = Room()
        self._packed: dict[tuple[str, str], Group | None] = {}
        self._groups: dict[tuple[str, int | None], Group | None] = {}
        self._sourced: dict[KindOfEvent, Group | None] = {}

    def match(self, event: Event) -> tuple[int, ...]:
        """Return the positions (in ``rule_ids``) of the rules that ``event`` matches."""
        group = self.group_of(event)
        return NO_RULES if group is None else group.fire_whole(event.fields)

    def match_events(self, events: Iterable[Event]) -> list[tuple[int, tuple[str, ...]]]:
        """Return for each event with at least one rule: its place in ``events``, the rules' ids."""
        found: list[tuple[int, tuple[str, ...]]] = []
        for at, event in enumerate(events):
            fired = self.match(event)
            if fired:
                found.append((at, self.ids(fired)))
        return found

    def ids(self, fired: Sequence[int]) -> tuple[str, ...]:
        """Return the ids of rules given by position."""
        return tuple(map(self.rule_ids.__getitem__, fired))

    def group_of(self, event: Event) -> Group | None:
        """Return the group whose rules an event is held against."""
        if event.channel is None or event.source != WINDOWS or not _consistent(event):
            # Without a channel no route asks for the id, so all ids share one group.
            event_id = None if event.channel is None else event.event_id
            return self._by_source(KindOfEvent(event.channel, event_id, event.source))
        return self.group(event.channel, event.event_id)

    def group(self, channel: str, event_id: int | None) -> Group | None:
        """Return the group of Windows events of this channel and id, None where no rule is."""
        key = (channel, event_id)
        if key in self._groups:
            return self._groups[key]
        group = self._open(channel.casefold(), OTHER if event_id is None else str(event_id))
        if len(self._groups) < 1 << 16:
            self._groups[key] = group
        return group

    def _open(self, channel: str, event_id: str) -> Group | None:
        groups = self.plan.groups
        key = (
            channel if channel in groups else OTHER,
            event_id if event_id in groups.get(channel, groups[OTHER]) else OTHER,
        )
        if key not in self._packed:
            packed = groups[key[0]][key[1]]
            self._packed[key] = None if packed is None else Group(_GROUP.decode(packed), self._room)
        return self._packed[key]

    def source_group(self, source: LogSource) -> Group | None:
        """Return the group of events without a channel from ``source``."""
        return self._by_source(KindOfEvent(None, None, source))

    def _by_source(self, kind: KindOfEvent) -> Group | None:
        if kind not in self._sourced:
            plan = self._plan(kind)
            if len(self._sourced) >= _MOST_UNCUT:
                self._sourced.clear()
            self._sourced[kind] = None if plan is None else Group(plan, self._room)
        return self._sourced[kind]

    def _plan(self, kind: KindOfEvent) -> GroupPlan | None:
        if kind == LOOSE:
            return None if self.plan.loose is None else _GROUP.decode(self.plan.loose)
        planner = Planner()
        ways = planner.ways(_UNCUT.decode(self.plan.uncut), kind)
        return planner.group(ways, kind, settled=False)


def _consistent(event: Event) -> bool:
    """Say whether the fields of a Windows event name the same channel and id as the event.

    Groups are cut by these two; an event that says two things is held against uncut rules.
    """
    fields = event.fields
    event_id = fields.get("EventID")
    return (
        fields.get("Channel") == event.channel
        and event_id == event.event_id
        and (event_id is None or type(event_id) is int)
    )
