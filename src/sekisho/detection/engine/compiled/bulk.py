"""Many records in JSON at once: the way of most of them is a few look-ups long (pure)."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sekisho.detection.engine.compiled.classes import Classes
from sekisho.detection.engine.compiled.found import read_event, read_json
from sekisho.detection.engine.compiled.keywords import Keywords
from sekisho.detection.engine.compiled.kinds import Kind
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.sieve import Sieve
from sekisho.detection.engine.compiled.tally import Tally
from sekisho.detection.engine.compiled.trial import NO_RULES
from sekisho.detection.engine.compiled.typed import (
    MISSING,
    EventOf,
    data_of,
    decode_record,
    decode_records,
    event_of,
    kind_of,
    plain_id,
    time_of,
)
from sekisho.detection.engine.shaping import WINDOWS, Shaping, shape_value, unwrap
from sekisho.detection.model import Event

Place = Callable[[int], tuple[str, int]]
"""From a record's place in a batch to its file and its number there."""

_ODD = (msgspec.MsgspecError, TypeError, KeyError, ValueError, RecursionError)
_NULL = msgspec.Raw(b"null")
_ONLY_RAW = frozenset((msgspec.Raw,))
_BLANK = b" \t\r\n\x00\x1e"
NO_FIELDS = "no object"
_DEFENDER = "windows defender"
_SECURITY = b'"Security":'
"""A name that each record has, and a text that rules look for; with the colon it is no value."""

_MOST_KINDS = 1 << 16


class Seen(NamedTuple):
    """An event in which something was found, and the rules (by position)."""

    event: Event
    rules: tuple[int, ...]


class Unread(NamedTuple):
    """A record that is no event: its file and number, and what is wrong."""

    file: str
    record: int
    reason: str


class Bulk:
    """Matches batches of records in the EVTX form; what is odd goes through ``shape``."""

    def __init__(
        self,
        matcher: Matcher,
        shaping: Shaping,
        watched: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self.matcher, self.shaping, self._watched = matcher, shaping, watched
        self._kinds: dict[tuple[str | None, int], Kind] = {}
        self._keywords = Keywords(
            {p: None if c is None else frozenset(c) for p, c in matcher.plan.keywords.items()}
        )
        self.tally = Tally()
        self.exactly = 0

    def feed(self, lines: Lines, place: Place) -> list[Seen | Unread]:
        """Match records, each one JSON text; return what was found and what was unreadable."""
        batch = Batch(lines)
        kinds = batch.by_kind()
        sorts = self._sort(batch, kinds)
        for at, channels in self._keywords.find(lines, kinds).items():
            if at not in batch.odd and _matters(batch.events[at], channels):
                batch.odd[at] = True
        for kind, places in sorts:
            _judge_all(kind, places, batch)
        out: list[Seen | Unread] = []
        for at in sorted({*batch.fired, *batch.odd}):
            if at in batch.odd:
                out += self._judge_odd(batch, at, *place(at))
            else:
                event = read_event(lines[at], self.shaping, *place(at))
                out.append(Seen(event, batch.fired[at]))
        return out

    def _sort(
        self, batch: "Batch", kinds: Mapping[tuple[str | None, int], list[int]]
    ) -> list[tuple[Kind, list[int]]]:
        """Count the records and return their places by kind."""
        events = batch.events
        for (channel, _), here in kinds.items():
            self.tally.count(channel, [events[at] for at in here])
        if batch.odd:
            events = [event for at, event in enumerate(events) if at not in batch.odd]
        self.tally.stretch(list(map(time_of, events)))
        return [(self._kind(*key), here) for key, here in kinds.items()]

    def _kind(self, channel: str | None, event_id: int) -> Kind:
        known = self._kinds.get((channel, event_id))
        if known is not None:
            return known
        folded = (channel or "").casefold()
        kind = Kind(
            self.matcher.group(channel, event_id)
            if channel
            else self.matcher.source_group(WINDOWS),
            event_id,
            watched=(folded, event_id) in self._watched,
            # Blanks in the names of these records come and go; only the slow way knows how.
            slow=_DEFENDER in folded,
            loose=not channel,
        )
        if len(self._kinds) < _MOST_KINDS:
            self._kinds[channel, event_id] = kind
        return kind

    def _judge_odd(self, batch: "Batch", at: int, file: str, record: int) -> list[Seen | Unread]:
        """Hold one record against the rules, the way every other format goes."""
        text, counted = batch.lines[at], batch.odd[at]
        if not text.strip(_BLANK):
            return []
        self.exactly += 1
        try:
            value = read_json(text)
            # What was decoded as an event wraps nothing.
            values = list(unwrap(value)) if batch.events[at] is None else [value]
        except _ODD as error:
            return [Unread(file, record, str(error))]
        out: list[Seen | Unread] = []
        for value in values:
            if isinstance(value, Mapping):
                event = shape_value(value, self.shaping, file, record)
                out += self.judge_event(event, counted=counted)
            else:
                out.append(Unread(file, record, NO_FIELDS))
        return out

    def judge_event(self, event: Event, *, counted: bool = False) -> Iterator[Seen]:
        """Hold one event against the rules."""
        if not counted:
            self._count(event)
        rules = self.matcher.match(event)
        if rules or ((event.channel or "").casefold(), event.event_id) in self._watched:
            yield Seen(event, rules)

    def _count(self, event: Event) -> None:
        computer = event.fields.get("Computer")
        self.tally.by[event.channel, computer if isinstance(computer, str) else None] += 1
        self.tally.note(event.time)


class Batch:
    """Records as they come: ``events`` None, and a place in ``odd``, where the form is another.

    ``odd`` says of each such place whether its record is in the tally already; ``fired`` has the
    rules of the others in which something was found.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.fired: dict[int, tuple[int, ...]] = {}
        self.odd: dict[int, bool] = {}
        self.events: Sequence[Any] = _decode_even(lines) or self._decode_each()

    def _decode_each(self) -> list[EventOf | None]:
        events: list[EventOf | None] = []
        for at in range(len(self.lines)):
            try:
                events.append(decode_record(self.lines[at]).Event)
            except _ODD:
                events.append(None)
                self.odd[at] = False
        return events

    def by_kind(self) -> dict[tuple[str | None, int], list[int]]:
        """Return the places of the records by channel and event id; those without id become odd."""
        found: dict[tuple[Any, Any], list[int]] = defaultdict(list)
        if self.odd:
            for at, event in enumerate(self.events):
                if event is not None:
                    found[kind_of(event)].append(at)
        else:
            for at, key in enumerate(map(kind_of, self.events)):
                found[key].append(at)
        kinds: dict[tuple[str | None, int], list[int]] = {}
        for (channel, event_id), here in found.items():
            plain = self._settle(event_id, here)
            if plain is not None:
                kind = (channel or None, plain)
                kinds[kind] = kinds[kind] + here if kind in kinds else here
        return kinds

    def _settle(self, event_id: Any, here: Sequence[int]) -> int | None:
        """Return the plain id of all records ``here``, None where they are odd."""
        if type(event_id) is int:
            return event_id
        try:
            plain = plain_id(event_id)
        except ValueError:
            self.odd.update(dict.fromkeys(here, False))
            return None
        for at in here:
            self.events[at].System.EventID = plain
        return plain


def _decode_even(lines: Lines) -> list[EventOf] | None:
    """Return all records at once, None where one of them is odd."""
    if not lines.even:
        return None
    try:
        records = decode_records(lines.whole)
    except _ODD:
        return None
    return list(map(event_of, records)) if len(records) == len(lines) else None


def _judge_all(kind: Kind, places: Sequence[int], batch: Batch) -> None:
    """Fill ``fired`` for the records of one kind; those of another form become odd."""
    if kind.watched:
        batch.fired.update(dict.fromkeys(places, NO_RULES))
    if kind.sieve is None:
        return
    if kind.slow:
        batch.odd.update(dict.fromkeys(places, True))
    elif kind.classes is not None:
        _judge_by_class(kind, kind.classes, places, batch)
    else:
        _judge_by_sieve(kind, kind.sieve, places, batch)


def _judge_by_sieve(kind: Kind, sieve: Sieve, places: Sequence[int], batch: Batch) -> None:
    """Judge what a search over the whole data of the records finds something in.

    Where the channel is not known, rules ask for what System says too, and all of it is searched.
    """
    texts = _datas(places, batch) if sieve.always or sieve.searches else []
    if kind.loose:
        texts = [batch.lines[at].replace(_SECURITY, b"") for at in places]
    found = sieve.find(texts)
    events, lines, odd = batch.events, batch.lines, batch.odd
    for number in range(len(places)) if sieve.always else found:
        at = places[number]
        if at in odd:
            continue
        try:
            rules = kind.judge(events[at], lines, at, found.get(number))
        except _ODD:
            odd[at] = True
            continue
        if rules:
            batch.fired[at] = rules


def _judge_by_class(kind: Kind, classes: Classes, places: Sequence[int], batch: Batch) -> None:
    """Judge the records of a kind with many rules, by the values of their fields."""
    events, odd = batch.events, batch.odd
    if odd:
        places = [at for at in places if at not in odd]
    try:
        known, left = classes.sift(map(data_of, [events[at] for at in places]))
    except _ODD:
        _judge_apart(kind, classes, places, batch)
        return
    for number, rules in known.items():
        batch.fired[places[number]] = rules
    for one in left:
        at = places[one.at]
        try:
            rules = kind.judge_open(one, events[at], batch.lines, at)
        except _ODD:
            odd[at] = True
            continue
        classes.keep(one, rules)
        if rules:
            batch.fired[at] = rules


def _judge_apart(kind: Kind, classes: Classes, places: Sequence[int], batch: Batch) -> None:
    """Judge records of which one has another form."""
    if len(places) > 1:
        for at in places:
            _judge_by_class(kind, classes, [at], batch)
        return
    batch.odd.update(dict.fromkeys(places, True))
    kind.note_strange()


def _datas(places: Sequence[int], batch: Batch) -> list[Any]:
    """Return the texts of the records' data; records that keep it elsewhere become odd."""
    events = batch.events
    datas: list[Any] = list(map(data_of, [events[at] for at in places]))
    if _ONLY_RAW.issuperset(map(type, datas)) and min(map(len, datas)) > len(_NULL):
        return datas
    for number, at in enumerate(places):
        event = events[at]
        data = event.UserData if event.EventData is MISSING else event.EventData
        if data is MISSING or (len(data) == len(_NULL) and data == _NULL):
            batch.odd[at] = True
            data = b""
        datas[number] = data
    return datas


def _matters(event: EventOf | None, channels: frozenset[str] | None) -> bool:
    if channels is None or event is None or not event.System.Channel:
        return True
    return event.System.Channel.casefold() in channels
