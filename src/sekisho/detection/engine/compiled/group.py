"""One kind of event at run time: which of its rules to try, and which of those hold."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from sekisho.detection.engine.compiled.classes import Classes
from sekisho.detection.engine.compiled.remembered import Room
from sekisho.detection.engine.compiled.sieve import Sieve, write_whole
from sekisho.detection.engine.compiled.terms import FIRM, ColumnGate, GroupPlan
from sekisho.detection.engine.compiled.texts import ABSENT
from sekisho.detection.engine.compiled.trial import NO_RULES, Trials
from sekisho.detection.engine.values import MISSING, find

Fire = Callable[[tuple[Any, ...]], tuple[int, ...]]
"""From values of fields to the rules that hold."""

Judge = Callable[[frozenset[int], tuple[Any, ...]], tuple[int, ...]]
"""From rules worth trying, and the values of a group's fields in order, to the rules that hold."""

_NONE: frozenset[int] = frozenset()
_EVENT_ID = "EventID"
_MOST_IDS = 64


class Group:
    """The rules of one kind of event; ``names`` are the fields that they look at.

    ``sieve`` says by the data of a record which rules to try (by position).
    """

    def __init__(self, plan: GroupPlan, room: Room) -> None:
        self.names = _names_of(plan, range(len(plan.tests)))
        self._plan, self._room = plan, room
        self.sieve = Sieve(plan.sieve)
        self.blind = frozenset(plan.blind)
        self._words = Sieve(plan.words)
        self._everything = range(len(plan.rules))
        self._trials = Trials(plan, self.names, room)
        self.fire: Judge = self._trials.judge
        """Holds an event without keywords against the rules that the sieve found worth it."""

        self.fire_sifted = self.fire
        """Does the same with the rules that ``classes`` found: there are no others to try."""

        self._steady: dict[int | None, tuple[tuple[str, ...], Fire]] = {}
        self.classes: Classes | None = None
        if plan.classes is not None and not plan.blind:
            self.classes = Classes(plan, plan.classes)
            # What is worth trying is all there is to try.
            bare = msgspec.structs.replace(plan, free=(), gates=())
            self.fire_sifted = Trials(bare, self.names, room).judge

    def steady(self, event_id: int | None = None) -> tuple[tuple[str, ...], Fire]:
        """Return what does as ``fire`` where the sieve found none, and the fields it looks at.

        With an id it is for records of that id alone, which matters where the group has many.
        """
        if event_id not in self._steady:
            if len(self._steady) >= _MOST_IDS:
                event_id = None
            plan = self._plan if event_id is None else _narrow(self._plan, event_id)
            tried = {*plan.free, *(at for gate in plan.gates for at in _rules_of(gate))}
            gates = {name for gate in plan.gates for name in plan.columns[gate.place].names}
            names = _names_of(plan, {n for at in tried for n in plan.trees[at].numbers}, gates)
            trials = Trials(plan, names, self._room)
            self._steady[event_id] = names, partial(trials.judge, _NONE)
        return self._steady[event_id]

    def fire_whole(self, fields: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the rules that hold for an event of which all fields are known."""
        worth = self._worth(fields)
        if not worth and not self.sieve.always:
            return NO_RULES
        return self._trials.hold_whole(worth, _Found(fields, self.names), fields)

    def _worth(self, fields: Mapping[str, Any]) -> Collection[int]:
        if not self.sieve.searches and not self._words.searches:
            return ()
        text = write_whole(fields)
        if text is None:
            return self._everything
        return {*self.sieve.find((text,)).get(0, ()), *self._words.find((text,)).get(0, ())}


def _rules_of(gate: ColumnGate) -> set[int]:
    return set().union(*gate.texts.values())


def _narrow(plan: GroupPlan, event_id: int) -> GroupPlan:
    """Return the plan for events of one id: what asks for others is not tried always."""
    free, gates = list(plan.free), list[ColumnGate]()
    for gate in plan.gates:
        if plan.columns[gate.place].sources == (_EVENT_ID,):
            free += gate.texts.get(str(event_id), ())
        else:
            gates.append(gate)
    return msgspec.structs.replace(plan, free=tuple(free), gates=tuple(gates))


def _names_of(
    plan: GroupPlan, terms: Iterable[int], besides: Iterable[str] = ()
) -> tuple[str, ...]:
    places = dict.fromkeys(plan.places[number] for number in terms)
    names = dict.fromkeys(name for place in places for name in plan.columns[place].names)
    names.update(dict.fromkeys(besides))
    return tuple(sorted(names, key=lambda name: name in FIRM))


class _Found:
    """The values of an event's fields by the position of their names."""

    def __init__(self, fields: Mapping[str, Any], names: tuple[str, ...]) -> None:
        self._fields, self._names = fields, names

    def __getitem__(self, at: int, /) -> Any:
        name = self._names[at]
        if name in self._fields:
            return self._fields[name]
        if "." not in name:
            return ABSENT
        value = find(self._fields, name)
        return ABSENT if value is MISSING else value
