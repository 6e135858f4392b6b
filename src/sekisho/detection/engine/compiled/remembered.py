"""What records on trial came to, kept for the next ones with the same values (pure).

Logs repeat themselves: the same program started by the same parent with the same arguments. A
verdict is a function of the rules tried and of the values that they look at, and of nothing else,
so it holds for every record in which those are the same; all that is fresh beside them (times,
process ids, digests) does not matter.
"""

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import Any

from sekisho.detection.engine.compiled.texts import ABSENT

ROOM = 8_000_000
"""Characters of values kept at most, by all kinds of event of a matcher together."""

_LONGEST = 4_000
_OVERHEAD = 100
_LOOK = 512
_PAUSE = 2_048
_PAYS = 3
_MOST_SETS = 4_096
_APART = frozenset((str, int, type(None), type(ABSENT)))
"""Kinds of value of which no two are equal that are not of one kind."""

_PLAIN = _APART | {bool}

Pick = Callable[[Any], Any]
Worth = frozenset[int] | tuple[int, ...]
Verdict = tuple[int, ...]


class Room:
    """How much is kept by all that share it; where it is full, all of it is forgotten."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = self._left = size
        self._kept: list[dict[Hashable, Verdict]] = []

    def open(self) -> dict[Hashable, Verdict]:
        """Return a place to keep verdicts in."""
        kept: dict[Hashable, Verdict] = {}
        self._kept.append(kept)
        return kept

    def take(self, size: int) -> None:
        """Take so many characters of the room."""
        if size > self._left:
            for kept in self._kept:
                kept.clear()
            self._left = self._size
        self._left -= size


class Remembered:
    """The verdicts of one kind of event.

    ``places`` leads from the rules tried to the positions of the values that they look at. Where
    next to nothing comes again, looking is left for a while: it would cost and bring nothing.
    """

    __slots__ = ("_asked", "_kept", "_known", "_picks", "_places", "_room")

    def __init__(self, room: Room, places: Callable[[Worth], Sequence[int]]) -> None:
        self._room, self._places, self._kept = room, places, room.open()
        self._picks: dict[Worth, Pick] = {}
        self._asked = self._known = 0

    def key(self, worth: Worth, values: Any) -> Hashable | None:
        """Return by what a record is known again, None where it is not to be kept."""
        self._asked += 1
        if self._asked > _LOOK and self._rests():
            return None
        pick = self._picks.get(worth) or self._pick(worth)
        picked = pick(values)
        if _APART.issuperset(map(type, picked)):
            return worth, picked
        # 1, 1.0 and True are one key of a dictionary, but not one value of a field.
        kinds = tuple(map(type, picked))
        return (worth, picked, kinds) if _PLAIN.issuperset(kinds) else None

    def get(self, key: Hashable) -> Verdict | None:
        """Return what a record with this key came to."""
        verdict = self._kept.get(key)
        if verdict is not None:
            self._known += 1
        return verdict

    def keep(self, key: Any, verdict: Verdict) -> None:
        """Keep what a record came to, unless its values are long."""
        size = _OVERHEAD + sum(len(value) for value in key[1] if type(value) is str)
        if size <= _LONGEST:
            self._room.take(size)
            self._kept[key] = verdict

    def _rests(self) -> bool:
        if self._asked > _PAUSE or self._known * _PAYS >= _LOOK:
            self._asked = self._known = 0
            return False
        return True

    def _pick(self, worth: Worth) -> Pick:
        if len(self._picks) >= _MOST_SETS:
            self._picks.clear()
        places = self._places(worth)
        pick: Pick
        if len(places) > 1:
            pick = itemgetter(*places)
        else:
            pick = lambda values: tuple([values[at] for at in places])  # noqa: E731 # as itemgetter
        self._picks[worth] = pick
        return pick
