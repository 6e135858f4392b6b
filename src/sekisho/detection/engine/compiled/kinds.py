"""How the records of one channel and event id are judged in bulk (pure)."""

from sekisho.detection.engine.compiled.classes import Classes, Open
from sekisho.detection.engine.compiled.group import Group
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.typed import EventOf, Reader

_MOST_STRANGE = 1_000


class OddError(ValueError):
    """A record that only the slow way gets right."""


class Kind:
    """How the records of one channel and event id are read and judged.

    ``slow``: each record goes the slow way. ``loose``: their channel is not known. ``judge`` raises
    OddError, or what reading raises, for records that have to go it.
    """

    def __init__(
        self, group: Group | None, event_id: int, *, watched: bool, slow: bool, loose: bool
    ) -> None:
        self.watched, self.slow, self.loose = watched, slow, loose
        self.sieve = None if group is None else group.sieve
        self.classes: Classes | None = None
        self._strange = 0
        if group is None:
            return
        # Without a channel all ids share one group.
        names, self._fire_steady = group.steady(event_id if loose else None)
        self._whole, self._part = Reader(group.names), Reader(names)
        sees = group.blind.isdisjoint(group.sieve.always)
        self._able, self._able_part = self._whole.able and sees, self._part.able and sees
        self._fire, self._fire_sifted, self._blind = group.fire, group.fire_sifted, group.blind
        if self._able:
            self.classes = group.classes

    def judge(
        self, event: EventOf, lines: Lines, at: int, worth: frozenset[int] | None
    ) -> tuple[int, ...]:
        """Return the rules that the record in line ``at`` matches; the sieve found ``worth``."""
        if worth is None:
            if not self._able_part:
                raise OddError
            return self._fire_steady(self._part.read(event, lines, at))
        if not self._able or not self._blind.isdisjoint(worth):
            raise OddError
        return self._fire(worth, self._whole.read(event, lines, at))

    def judge_open(self, one: Open, event: EventOf, lines: Lines, at: int) -> tuple[int, ...]:
        """Return the rules of the record in line ``at``, of which ``classes`` left some open."""
        fired = self._fire_sifted(one.worth, self._whole.read(event, lines, at))
        sure = one.standing.sure
        return tuple(sorted(sure.union(fired))) if sure else fired

    def note_strange(self) -> None:
        """Note a record of a form that ``classes`` cannot take; after many they are not asked."""
        self._strange += 1
        if self._strange > _MOST_STRANGE:
            self.classes = None
