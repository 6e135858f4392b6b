"""Many records in JSON at once: the way of most of them is a few look-ups long (pure)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sekisho.detection.engine.compiled.group import FIRM, NO_RULES, Group
from sekisho.detection.engine.compiled.keywords import Keywords
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.typed import (
    BESIDES,
    MISSING,
    NESTED,
    EventOf,
    SystemOf,
    decode_record,
    fill_besides,
    row_decoders,
)
from sekisho.detection.engine.moments import EARLIEST, parse_moment
from sekisho.detection.engine.shaping import Shaping, shape_value, unwrap
from sekisho.detection.model import Event

Place = Callable[[int], tuple[str, int]]
"""From a record's place in a batch to its file and its number there."""

_ODD = (msgspec.MsgspecError, TypeError, KeyError, ValueError, RecursionError)
_BLANK = b" \t\r\n\x00\x1e"
NO_FIELDS = "no object"
_DEFENDER = "windows defender"
_MOST_KINDS = 1 << 16
_EARLIEST, _LATEST = "1990", "2100"
_TOO_LATE = 4_102_444_800_000_000


class Seen(NamedTuple):
    """An event in which something was found, and the rules (by position)."""

    event: Event
    rules: tuple[int, ...]


class Unread(NamedTuple):
    """A record that is no event: its file and number, and what is wrong."""

    file: str
    record: int
    reason: str


class OddError(ValueError):
    """A record that only the slow way gets right."""


class Kind:
    """How the records of one channel and event id are read and judged."""

    def __init__(self, group: Group | None, *, watched: bool, slow: bool) -> None:
        # A group with nothing but keywords is idle only where all of them can be looked for.
        self.watched, self._idle = watched, group is None or (group.idle and not slow)
        self._slow = slow
        if group is None:
            return
        plain = [name for name in group.names if name not in FIRM]
        self._firm = tuple(name for name in group.names if name in FIRM)
        self._slow |= not NESTED.isdisjoint(plain)
        self._besides = tuple((at, name) for at, name in enumerate(plain) if name in BESIDES)
        self._decode, self._decode_user, self._get = row_decoders(plain)
        self._known, self._memo, self._fire = group.known, group.memo, group.fire
        self._arrange = group.arrange

    def judge(self, event: EventOf, text: bytes) -> tuple[int, ...]:
        """Return the rules that one record matches; ``text`` is all of it.

        Raises OddError and what decoding raises where the record has to go the slow way.
        """
        if self._idle:
            return NO_RULES
        if self._slow:
            raise OddError
        data = event.EventData
        row = self._decode_user(event.UserData) if data is MISSING else self._decode(data)
        values = self._get(row)
        if self._besides:
            values = fill_besides(values, self._besides, text)
        if self._firm:
            values += _firm_values(self._firm, event.System)
        if self._arrange is not None:
            values = self._arrange(values)
        signature = tuple(map(_get_known, self._known, values))
        rules = self._memo.get(signature)
        return self._fire(values, signature) if rules is None else rules


# Of a value that is not known yet it gives None, which no signature in the memory holds.
_get_known: Any = dict.get


class Tally:
    """What is counted of all records, found or not."""

    def __init__(self) -> None:
        self.by: dict[tuple[str | None, str | None], int] = {}
        self.first = self.last = ""
        self.low: int | None = None
        self.high: int | None = None

    def note(self, time: int | None) -> None:
        """Note the time of an event that came shaped, in microseconds."""
        if time is not None and EARLIEST <= time < _TOO_LATE:
            self.low = time if self.low is None else min(time, self.low)
            self.high = time if self.high is None else max(time, self.high)

    def span(self) -> tuple[int | None, int | None]:
        """Return when the first and the last event was."""
        self.note(parse_moment(self.first))
        self.note(parse_moment(self.last))
        return self.low, self.high

    def stretch(self, times: Sequence[str]) -> None:
        """Note when records were written; clocks before 1990 and after 2100 do not count."""
        sane = [time for time in times if _EARLIEST <= time < _LATEST]
        if sane:
            self.first = min(*sane, self.first or _LATEST)
            self.last = max(*sane, self.last)


class Bulk:
    """Matches batches of records in the EVTX form; what is odd goes through ``shape``."""

    def __init__(
        self,
        matcher: Matcher,
        shaping: Shaping,
        watched: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self.matcher, self.shaping, self._watched = matcher, shaping, watched
        self._kinds: dict[tuple[str, int], Kind] = {}
        self._keywords = Keywords(
            {p: None if c is None else frozenset(c) for p, c in matcher.plan.keywords.items()}
        )
        self.tally = Tally()
        self.exactly = 0

    def feed(self, texts: Sequence[bytes], place: Place) -> list[Seen | Unread]:
        """Match records, each one JSON text; return what was found and what was unreadable."""
        fired: dict[int, tuple[int, ...]] = {}
        odd = self._run(texts, fired)
        for at, channels in self._keywords.find(texts).items():
            if at not in odd and _matters(texts[at], channels):
                odd[at] = True
        out: list[Seen | Unread] = []
        for at in sorted({*fired, *odd}):
            if at in odd:
                out += self.judge(texts[at], *place(at), counted=odd[at])
            else:
                value = read_json(texts[at])
                out.append(Seen(shape_value(value, self.shaping, *place(at)), fired[at]))
        self.matcher.memory.tidy()
        return out

    def _run(self, texts: Sequence[bytes], fired: dict[int, tuple[int, ...]]) -> dict[int, bool]:
        """Fill ``fired`` for records of the usual form.

        Return the places of all others, and whether they are in the tally already.
        """
        odd: dict[int, bool] = {}
        times: list[str] = []
        kinds, by, add_time = self._kinds, self.tally.by, times.append
        for at, text in enumerate(texts):
            counted = False
            try:
                event = decode_record(text).Event
                system = event.System
                if type(system.EventID) is not int:
                    system.EventID = _plain_id(system.EventID)
                kind = kinds.get((system.Channel, system.EventID)) or self._kind(system)
                add_time(system.TimeCreated.attributes.SystemTime)
                where = (system.Channel, system.Computer)
                by[where] = by.get(where, 0) + 1
                counted = True
                rules = kind.judge(event, text)
            except _ODD:
                odd[at] = counted
                continue
            if rules or kind.watched:
                fired[at] = rules
        self.tally.stretch(times)
        return odd

    def _kind(self, system: SystemOf) -> Kind:
        if not system.Channel:
            raise OddError
        channel = system.Channel.casefold()
        kind = Kind(
            self.matcher.group(system.Channel, system.EventID),
            watched=(channel, system.EventID) in self._watched,
            # Blanks in the names of these records come and go; only the slow way knows how.
            slow=_DEFENDER in channel or self._keywords.blind(channel),
        )
        if len(self._kinds) < _MOST_KINDS:
            self._kinds[system.Channel, system.EventID] = kind
        return kind

    def judge(
        self, text: bytes, file: str, record: int, *, counted: bool = False
    ) -> Iterator[Seen | Unread]:
        """Hold one record of any form against the rules, the way every other format goes."""
        if not text.strip(_BLANK):
            return
        self.exactly += 1
        try:
            values = list(unwrap(read_json(text)))
        except _ODD as error:
            yield Unread(file, record, str(error))
            return
        for value in values:
            if isinstance(value, Mapping):
                event = shape_value(value, self.shaping, file, record)
                yield from self.judge_event(event, counted=counted)
            else:
                yield Unread(file, record, NO_FIELDS)

    def judge_event(self, event: Event, *, counted: bool = False) -> Iterator[Seen]:
        """Hold one event against the rules."""
        if not counted:
            self._count(event)
        rules = self.matcher.match(event)
        if rules or ((event.channel or "").casefold(), event.event_id) in self._watched:
            yield Seen(event, rules)

    def _count(self, event: Event) -> None:
        computer = event.fields.get("Computer")
        where = (event.channel, computer if isinstance(computer, str) else None)
        self.tally.by[where] = self.tally.by.get(where, 0) + 1
        self.tally.note(event.time)


def read_json(text: bytes) -> Any:
    """Return the value of a JSON text; wrong UTF-8, NaN and half surrogates are no hindrance."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text.decode("utf-8", "replace").strip("\x00\x1e"))


def _plain_id(event_id: Any) -> int:
    """Return the id that stands beside qualifiers; anything else is odd."""
    plain = event_id["#text"] if type(event_id) is dict else event_id
    if type(plain) is str:
        plain = int(plain)
    if type(plain) is not int:
        raise TypeError(plain)
    return plain


def _firm_values(names: Sequence[str], system: SystemOf) -> tuple[Any, ...]:
    known = {
        "EventID": system.EventID,
        "Channel": system.Channel,
        "Provider_Name": system.Provider.attributes.Name,
    }
    return tuple([known[name] for name in names])


def _matters(text: bytes, channels: frozenset[str] | None) -> bool:
    return channels is None or decode_record(text).Event.System.Channel.casefold() in channels
