"""Records in JSON decoded to just the fields that rules look at: no dictionary is ever built.

Whatever does not have the expected form raises msgspec.MsgspecError or TypeError, and the record
then goes the slow way, through the same shaping as every other format.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.terms import BESIDES, FIRM, NESTED

MISSING = msgspec.UNSET
Decode = Callable[[Any], Any]
Get = Callable[[Any], tuple[Any, ...]]


class NameOf(msgspec.Struct, gc=False):
    """Attributes of a provider."""

    Name: str | msgspec.UnsetType = MISSING


class ProviderOf(msgspec.Struct, gc=False):
    """The provider of a record."""

    attributes: NameOf = msgspec.field(name="#attributes")


class TimeOf(msgspec.Struct, gc=False):
    """Attributes of a time."""

    SystemTime: str = ""


class CreatedOf(msgspec.Struct, gc=False):
    """The time of a record."""

    attributes: TimeOf = msgspec.field(name="#attributes")


class QualifiedOf(msgspec.Struct, gc=False, frozen=True):
    """An event id with its qualifiers, which count for nothing."""

    text: int | str = msgspec.field(name="#text")


class SystemOf(msgspec.Struct, gc=False):
    """The part of System that decides which rules a record is held against."""

    EventID: int | str | QualifiedOf
    Channel: str | None
    Provider: msgspec.Raw
    TimeCreated: CreatedOf
    Computer: str | None = None


class EventOf(msgspec.Struct, gc=False):
    """A record's parts, its data still as text. With ``hits`` it would be a search's answer."""

    System: SystemOf
    EventData: msgspec.Raw | msgspec.UnsetType = MISSING
    UserData: msgspec.Raw | msgspec.UnsetType = MISSING
    hits: msgspec.UnsetType = MISSING


class RecordOf(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A record in the form of the EVTX readers; anything beside it might wrap other events."""

    Event: EventOf


_BESIDES = msgspec.defstruct(
    "Besides",
    [(name, str | int | float | msgspec.UnsetType, MISSING) for name in BESIDES],
    gc=False,
)


_records = msgspec.json.Decoder(RecordOf)
decode_record, decode_records = _records.decode, _records.decode_lines

event_of = attrgetter("Event")
kind_of = attrgetter("System.Channel", "System.EventID")
computer_of = attrgetter("System.Computer")
time_of = attrgetter("System.TimeCreated.attributes.SystemTime")
data_of = attrgetter("EventData")
"""What is asked of every record, without Python in between."""


def plain_id(event_id: int | str | QualifiedOf) -> int:
    """Return an event id without its qualifiers; ValueError if it is no number."""
    return int(event_id.text if isinstance(event_id, QualifiedOf) else event_id)


def row_decoders(names: Sequence[str]) -> tuple[Decode, Decode, Get]:
    """Return decoders of EventData and of UserData, and a getter of the values of ``names``."""
    fields = [(f"f{at}", Any, MISSING) for at in range(len(names))]
    rename = {f"f{at}": name for at, name in enumerate(names)}
    row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
    below = msgspec.json.Decoder(dict[str, row]).decode  # type: ignore[valid-type] # made just now

    def decode_user(text: Any) -> Any:
        (inner,) = below(text).values()
        return inner

    return msgspec.json.Decoder(row).decode, decode_user, _getter([name for name, _, _ in fields])


_besides_of: Decode = msgspec.json.Decoder(
    msgspec.defstruct("Outer", [("Event", msgspec.defstruct("Inner", [("System", _BESIDES)]))])
).decode


def fill_besides(
    values: Sequence[Any], places: Sequence[tuple[int, str]], text: bytes
) -> tuple[Any, ...]:
    """Return ``values`` with System's where the data had none; ``text`` is the whole record."""
    filled = list(values)
    system = None
    for at, name in places:
        if filled[at] is MISSING:
            system = system or _besides_of(text).Event.System
            filled[at] = getattr(system, name)
    return tuple(filled)


def _getter(attributes: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not attributes:
        return lambda _row: ()
    get = attrgetter(*attributes)
    return get if len(attributes) > 1 else lambda row: (get(row),)


class Reader:
    """Takes the values of ``names`` out of records of the usual form, those of FIRM last.

    ``read`` raises msgspec.MsgspecError, TypeError or ValueError where a record is of another
    form. ``able`` is false where the names are such that no record can be read so.
    """

    def __init__(self, names: Sequence[str]) -> None:
        plain = [name for name in names if name not in FIRM]
        self.able = NESTED.isdisjoint(plain) and not any("." in name for name in plain)
        self._firm = tuple(name for name in names if name in FIRM)
        self._besides = tuple((at, name) for at, name in enumerate(plain) if name in BESIDES)
        self._decode, self._decode_user, self._get = row_decoders(plain)

    def read(self, event: EventOf, lines: Lines, at: int) -> tuple[Any, ...]:
        """Return the values of one record, which stands in the line ``at``, as they stand there."""
        data = event.EventData
        row = self._decode_user(event.UserData) if data is MISSING else self._decode(data)
        values = self._get(row)
        if self._besides:
            values = fill_besides(values, self._besides, lines[at])
        if self._firm:
            values += _firm_values(self._firm, event.System)
        return values


def texts_of(values: Sequence[Any]) -> Sequence[Any]:
    """Return values as rules see them: of elements with attributes their text."""
    return tuple(map(_text_of, values)) if dict in map(type, values) else values


def _text_of(value: Any) -> Any:
    """Return the text of an element that also has attributes, as ``windows.flatten_data`` does."""
    return value["#text"] if type(value) is dict and "#text" in value else value


_provider_of = msgspec.json.Decoder(ProviderOf).decode


def _firm_values(names: Sequence[str], system: SystemOf) -> tuple[Any, ...]:
    return tuple([_FIRM_VALUES[name](system) for name in names])


@lru_cache(maxsize=4096)
def _provider_name(text: bytes) -> str:
    name = _provider_of(text).attributes.Name
    if name is MISSING:
        raise ValueError  # the data may have one of that name
    return name


_FIRM_VALUES: dict[str, Callable[[SystemOf], Any]] = {
    "EventID": attrgetter("EventID"),
    "Channel": attrgetter("Channel"),
    "Provider_Name": lambda system: _provider_name(bytes(system.Provider)),
}
