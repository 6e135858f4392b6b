"""Many records in JSON at once: the way of most of them is a few look-ups long (pure)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sekisho.detection.engine.compiled.group import FIRM, NO_RULES, Group
from sekisho.detection.engine.compiled.keywords import Keywords
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.typed import (
    BESIDES,
    MISSING,
    NESTED,
    SystemOf,
    decode_record,
    fill_besides,
    row_decoders,
)
from sekisho.detection.model import Event

Shape = Callable[[Any], Sequence[Event]]
"""From a decoded JSON value to the events in it (one, but for texts that wrap several)."""

_ODD = (msgspec.MsgspecError, TypeError, KeyError, ValueError, RecursionError)
_DEFENDER = "windows defender"
_MOST_KINDS = 1 << 16
_EARLIEST, _LATEST = "1990", "2100"


class Seen(NamedTuple):
    """A record in which something was found: its place in the batch, the event, the rules."""

    at: int
    event: Event
    rules: tuple[int, ...]


class Unread(NamedTuple):
    """A record that is no event: its place in the batch, and what is wrong."""

    at: int
    reason: str


class Kind:
    """How the records of one channel and event id are read and judged."""

    __slots__ = (
        "arrange", "besides", "decode", "decode_user", "fire", "firm", "get", "idle", "known", "memo",
        "slow", "watched",
    )  # fmt: skip

    def __init__(self, group: Group | None, *, watched: bool, slow: bool) -> None:
        self.watched, self.idle = watched, group is None or group.idle
        self.slow = slow and not self.idle
        if group is None:
            return
        plain = [name for name in group.names if name not in FIRM]
        self.firm = tuple(name for name in group.names if name in FIRM)
        self.slow |= not NESTED.isdisjoint(plain)
        self.besides = tuple((at, name) for at, name in enumerate(plain) if name in BESIDES)
        self.decode, self.decode_user, self.get = row_decoders(plain)
        self.known, self.memo, self.fire = group.known, group.memo, group.fire
        self.arrange = group.arrange


class Tally:
    """What is counted of all records, found or not."""

    def __init__(self) -> None:
        self.by: dict[tuple[str | None, str | None], int] = {}
        self.first = self.last = ""

    def stretch(self, times: Sequence[str]) -> None:
        """Note when records were written; clocks before 1990 and after 2100 do not count."""
        sane = [time for time in times if _EARLIEST <= time < _LATEST]
        if sane:
            self.first = min(*sane, self.first or _LATEST)
            self.last = max(*sane, self.last)


class Bulk:
    """Matches batches of records in the EVTX form; what is odd goes through ``shape``."""

    def __init__(
        self, matcher: Matcher, shape: Shape, watched: frozenset[tuple[str, int]] = frozenset()
    ) -> None:
        self.matcher, self._shape, self._watched = matcher, shape, watched
        self._kinds: dict[tuple[str, int], Kind] = {}
        self._keywords = Keywords(
            {p: None if c is None else frozenset(c) for p, c in matcher.plan.keywords.items()}
        )
        self.tally = Tally()
        self.exactly = 0

    def feed(self, texts: Sequence[bytes]) -> tuple[list[Seen], list[Unread]]:
        """Match records, each one JSON text; return what was found and what was unreadable."""
        fired: dict[int, tuple[int, ...]] = {}
        odd = self._run(texts, fired)
        for at, channels in self._keywords.find(texts).items():
            if at not in odd and _matters(texts[at], channels):
                odd[at] = True
        seen: list[Seen] = []
        unread: list[Unread] = []
        for at in sorted({*fired, *odd}):
            if at in odd:
                self._exactly(at, texts[at], seen, unread, counted=odd[at])
            else:
                event = self._shape(msgspec.json.decode(texts[at]))[0]
                seen.append(Seen(at, event, fired[at]))
        self.matcher.memory.tidy()
        return seen, unread

    def _run(self, texts: Sequence[bytes], fired: dict[int, tuple[int, ...]]) -> dict[int, bool]:
        """Fill ``fired`` for records of the usual form.

        Return the places of all others, and whether they are in the tally already.
        """
        odd: dict[int, bool] = {}
        times: list[str] = []
        kinds, by, add_time, get_known = self._kinds, self.tally.by, times.append, dict.get
        # The one loop through which everything goes: calls are what it costs, so it is long.
        for at, text in enumerate(texts):
            counted = False
            try:
                event = decode_record(text).Event
                system = event.System
                event_id = system.EventID
                if type(event_id) is not int:
                    event_id = _plain_id(event_id)
                kind = kinds.get((system.Channel, event_id))
                if kind is None:
                    kind = self._kind(system.Channel, event_id)
                add_time(system.TimeCreated.attributes.SystemTime)
                where = (system.Channel, system.Computer)
                by[where] = by.get(where, 0) + 1
                counted = True
                if kind.idle:
                    if kind.watched:
                        fired[at] = NO_RULES
                    continue
                if kind.slow:
                    odd[at] = True
                    continue
                data = event.EventData
                row = kind.decode_user(event.UserData) if data is MISSING else kind.decode(data)
                values = kind.get(row)
                if kind.besides:
                    values = fill_besides(values, kind.besides, text)
                if kind.firm:
                    values = (*values, *_firm_values(kind.firm, system, event_id))
                if kind.arrange is not None:
                    values = kind.arrange(values)
                rules = kind.memo.get(tuple(map(get_known, kind.known, values)))
                if rules is None:
                    rules = kind.fire(values)
            except _ODD:
                odd[at] = counted
                continue
            if rules or kind.watched:
                fired[at] = rules
        self.tally.stretch(times)
        return odd

    def _kind(self, channel: str, event_id: int) -> Kind:
        if not channel:
            raise ValueError(channel)
        lower = channel.lower()
        # Blanks in the names of these records come and go; only the slow way knows how.
        slow = _DEFENDER in lower or self._keywords.blind(lower)
        kind = Kind(
            self.matcher.group(channel, event_id),
            watched=(lower, event_id) in self._watched,
            slow=slow,
        )
        if len(self._kinds) < _MOST_KINDS:
            self._kinds[channel, event_id] = kind
        return kind

    def _exactly(
        self, at: int, text: bytes, seen: list[Seen], unread: list[Unread], *, counted: bool
    ) -> None:
        self.exactly += 1
        try:
            events = self._shape(msgspec.json.decode(text))
        except _ODD as error:
            unread.append(Unread(at, str(error)))
            return
        for event in events:
            if not counted:
                self._count(event)
            rules = self.matcher.match(event)
            channel = (event.channel or "").lower()
            if rules or (channel, event.event_id) in self._watched:
                seen.append(Seen(at, event, rules))

    def _count(self, event: Event) -> None:
        computer = event.fields.get("Computer")
        where = (event.channel, computer if isinstance(computer, str) else None)
        self.tally.by[where] = self.tally.by.get(where, 0) + 1


def _plain_id(event_id: Any) -> int:
    """Return the id that stands beside qualifiers; anything else is odd."""
    plain = event_id["#text"] if type(event_id) is dict else event_id
    if type(plain) is str:
        plain = int(plain)
    if type(plain) is not int:
        raise TypeError(plain)
    return plain


def _firm_values(names: Sequence[str], system: SystemOf, event_id: int) -> list[Any]:
    known = {
        "EventID": event_id,
        "Channel": system.Channel,
        "Provider_Name": system.Provider.attributes.Name,
    }
    return [known[name] for name in names]


def _matters(text: bytes, channels: frozenset[str] | None) -> bool:
    return channels is None or decode_record(text).Event.System.Channel.lower() in channels
