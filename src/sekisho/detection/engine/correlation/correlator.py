"""Correlations over matches as they come: live, in any order, saved and resumed.

What has fired is a function of the set of matches alone, as long as none is later than the
lateness allowed: a late one corrects what was said (``withdrawn``), a repeated one changes
nothing. Nothing waits: a correlation fires with the match that makes it true.
"""

from collections.abc import Iterable, Mapping

import msgspec

from sekisho.detection.engine.correlation.group import Group
from sekisho.detection.engine.correlation.plan import (
    Entry,
    Fired,
    Hit,
    Plan,
    entry_for,
)
from sekisho.detection.model import MICROSECONDS, Correlation, Record

DEFAULT_LATENESS = 3600 * MICROSECONDS
MOST_ENTRIES = 1_000_000
MOST_A_GROUP = 200_000
_SWEEP_EVERY = 10_000

Key = tuple[str, tuple[str, ...]]
Changes = dict[tuple[str, ...], tuple[list[Entry], list[Entry]]]
"""By the values of a group: what to put in and what to take out."""


class Outcome(msgspec.Struct, frozen=True):
    """What a match brought about: what fires now, and what was said before and holds no more."""

    fired: tuple[Fired, ...] = ()
    withdrawn: tuple[Fired, ...] = ()


class _SavedGroup(msgspec.Struct, frozen=True, array_like=True):
    correlation_id: str
    digest: str
    key: tuple[str, ...]
    entries: list[Entry]
    true: list[bool]
    fired: list[tuple[int, Fired]]


class _Saved(msgspec.Struct, frozen=True):
    version: int
    newest: int | None
    lateness: int | None
    late: int
    dropped: int
    groups: list[_SavedGroup]


class Correlator:
    """Holds the state of all correlations of a plan.

    ``lateness`` in microseconds: how much older than the newest a match may be (None: any).
    ``late`` counts matches that came later than that, ``dropped`` entries let go for want of room.
    """

    def __init__(self, plan: Plan, lateness: int | None = DEFAULT_LATENESS) -> None:
        self.plan = plan
        self.lateness = lateness
        self.newest: int | None = None
        self.late = 0
        self.dropped = 0
        self._groups: dict[Key, Group] = {}
        self._held = 0
        self._sweep_at = _SWEEP_EVERY

    def step(self, hit: Hit, now: int | None = None) -> Outcome:
        """Take one match. ``now`` keeps clocks that run ahead from making all others late."""
        return self.step_all((hit,), now)

    def step_all(self, hits: Iterable[Hit], now: int | None = None) -> Outcome:
        """Take several matches: the same comes of it as one by one, each group judged once."""
        changes: dict[str, Changes] = {}
        for hit in hits:
            if self._is_late(hit.time):
                self.late += 1
                continue
            seen = hit.time if now is None else min(hit.time, now)
            self.newest = seen if self.newest is None else max(self.newest, seen)
            self._note(changes, hit.rule_id, hit.values, (hit.time, hit.record), (hit.record,))
        fired: list[Fired] = []
        withdrawn: list[Fired] = []
        for one in self.plan.correlations if changes else ():  # those that others use first
            if one.id in changes:
                self._change_all(one, changes, fired, withdrawn)
        self._make_room()
        return _settled(fired, withdrawn)

    def _is_late(self, time: int) -> bool:
        horizon = self._horizon()
        return horizon is not None and time < horizon

    def _horizon(self) -> int | None:
        if self.newest is None or self.lateness is None:
            return None
        return self.newest - self.lateness

    def _note(
        self,
        changes: dict[str, Changes],
        rule_id: str,
        values: Mapping[str, str],
        at: tuple[int, Record],
        records: tuple[Record, ...],
        *,
        out: bool = False,
    ) -> None:
        """Note what a match, or what a correlation said, changes in those that use it."""
        for one in self.plan.users.get(rule_id, ()):
            entry = entry_for(one, rule_id, values, at, records)
            if entry is not None:
                groups = changes.setdefault(one.id, {})
                key = tuple(label.casefold() for label in entry.labels)
                puts, takes = groups.setdefault(key, ([], []))
                if out:
                    takes.append(entry)
                else:
                    puts.append(entry)

    def _change_all(
        self,
        one: Correlation,
        changes: dict[str, Changes],
        fired: list[Fired],
        withdrawn: list[Fired],
    ) -> None:
        """Change the groups of one correlation, and note what that changes in those above."""
        for key, (puts, takes) in changes[one.id].items():
            group = self._group(one, key)
            before = len(group.entries)
            new, gone = group.change(puts, [entry.order for entry in takes])
            self._held += len(group.entries) - before
            fired += new
            withdrawn += gone
            for said, out in ((gone, True), (new, False)):
                for each in said:
                    at = (each.time, each.record)
                    self._note(changes, one.id, each.group, at, each.records, out=out)

    def _group(self, one: Correlation, labels: tuple[str, ...]) -> Group:
        """Return a group, the one used last standing last."""
        key = (one.id, labels)
        group = self._groups.pop(key, None) or Group(one)
        self._groups[key] = group
        if len(group.entries) >= MOST_A_GROUP:
            self._drop(group, group.entries[len(group.entries) // 2].time)
        return group

    def _drop(self, group: Group, time: int) -> None:
        count = group.forget_before(time)
        self.dropped += count
        self._held -= count

    def _make_room(self) -> None:
        """Let go of what no match can reach any more; beyond the bound, of the least used."""
        if self._held < self._sweep_at:
            return
        self._forget_old()
        while self._held > MOST_ENTRIES:
            key = next(iter(self._groups))
            count = len(self._groups.pop(key).entries)
            self.dropped += count
            self._held -= count
        self._sweep_at = min(2 * self._held + _SWEEP_EVERY, MOST_ENTRIES + 1)

    def _forget_old(self) -> None:
        horizon = self._horizon()
        if horizon is None:
            return
        for key, group in list(self._groups.items()):
            self._held -= group.forget_before(horizon - group.correlation.timespan)
            if not group.entries:
                del self._groups[key]

    def save(self) -> bytes:
        """Return the whole state as bytes (msgpack), for ``resume``."""
        self._forget_old()
        return msgspec.msgpack.encode(
            _Saved(1, self.newest, self.lateness, self.late, self.dropped, [
                _SavedGroup(key[0], self.plan.digests[key[0]], key[1], group.entries,
                            list(map(bool, group.true)), group.saved_fired())
                for key, group in self._groups.items()
            ])
        )  # fmt: skip

    @classmethod
    def resume(cls, plan: Plan, saved: bytes) -> "Correlator":
        """Go on where ``save`` stopped; correlations that mean something else now begin anew.

        Raises msgspec.ValidationError or DecodeError for bytes that ``save`` did not write.
        """
        state = msgspec.msgpack.decode(saved, type=_Saved)
        resumed = cls(plan, state.lateness)
        resumed.newest, resumed.late, resumed.dropped = state.newest, state.late, state.dropped
        known = {one.id: one for one in plan.correlations}
        for one in state.groups:
            if plan.digests.get(one.correlation_id) != one.digest:
                continue
            group = Group(known[one.correlation_id])
            group.restore(one.entries, one.true, one.fired)
            resumed._groups[one.correlation_id, one.key] = group
            resumed._held += len(group.entries)
        return resumed


def _settled(fired: list[Fired], withdrawn: list[Fired]) -> Outcome:
    """Leave out what both fired and was withdrawn within the same step."""
    gone = list(withdrawn)
    new: list[Fired] = []
    for one in fired:
        if one in gone:
            gone.remove(one)
        else:
            new.append(one)
    return Outcome(tuple(new), tuple(gone))


def run(plan: Plan, hits: Iterable[Hit]) -> list[Fired]:
    """Correlate all matches there are, in order of time; return what fired, in that order."""
    return replay(Correlator(plan, lateness=0), hits)


def replay(correlator: Correlator, hits: Iterable[Hit]) -> list[Fired]:
    """Do the same with a correlator of one's own, whose ``dropped`` can be asked afterwards."""
    ordered = sorted(hits, key=lambda hit: (hit.time, hit.record, hit.rule_id))
    return [fired for hit in ordered for fired in correlator.step(hit).fired]
