"""Records in which something was found, made into events: where that is often, it must cost little.

Windows writes nearly all records in one form, which is read here with its names known beforehand.
The same event comes out as from ``shaping.shape_value``, to which every other form is left.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from sekisho.detection.engine.moments import parse_moment
from sekisho.detection.engine.shaping import WINDOWS, Shaping, make_windows, shape_value
from sekisho.detection.engine.windows import writes_blanks
from sekisho.detection.model import Event

_UNSET = msgspec.UNSET
_ATTRIBUTES = "#attributes"
_Plain = str | int | None
_Maybe = str | int | msgspec.UnsetType | None


class _Provider(msgspec.Struct, gc=False):
    Name: _Plain
    Guid: _Maybe = _UNSET


class _Time(msgspec.Struct, gc=False):
    SystemTime: str


class _Correlation(msgspec.Struct, gc=False):
    ActivityID: _Maybe = _UNSET


class _Execution(msgspec.Struct, gc=False):
    ProcessID: _Plain
    ThreadID: _Plain


class _Security(msgspec.Struct, gc=False):
    UserID: _Maybe = _UNSET


def _of(attributes: type) -> Any:
    """Return the type of an element that has these attributes."""
    field = ("attributes", attributes, msgspec.field(name=_ATTRIBUTES))
    return msgspec.defstruct(f"{attributes.__name__}Of", [field], gc=False)


_System = msgspec.defstruct(
    "System",
    [
        ("Provider", _of(_Provider)),
        ("EventID", int),
        *((name, _Plain) for name in ("Version", "Level", "Task", "Opcode", "Keywords")),
        ("TimeCreated", _of(_Time)),
        ("EventRecordID", _Plain),
        ("Correlation", _of(_Correlation) | None),
        ("Execution", _of(_Execution)),
        ("Channel", str),
        ("Computer", _Plain),
        ("Security", _of(_Security) | None),
    ],
    gc=False,
    forbid_unknown_fields=True,
)
_Data = dict[str, str | int | float | bool | None]
_Event = msgspec.defstruct("Event", [("System", _System), ("EventData", _Data)], gc=False)
_decode_usual: Callable[[bytes], Any] = msgspec.json.Decoder(
    msgspec.defstruct("Record", [("Event", _Event)])
).decode
_decode = msgspec.json.Decoder().decode


def read_json(text: bytes | str) -> Any:
    """Return the value of a JSON text; wrong UTF-8, NaN and half surrogates are no hindrance."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError):
        whole = text if isinstance(text, str) else text.decode("utf-8", "replace")
        return json.loads(whole.strip("\x00\x1e"))


def read_event(text: bytes, how: Shaping, file: str, record: int) -> Event:
    """Return the event of a record, one JSON object in the form of the EVTX readers."""
    try:
        event = _decode_usual(text).Event
    except (msgspec.MsgspecError, UnicodeError):
        event = None
    if event is None or how.time_field or not _is_usual(event):
        return shape_value(read_json(text), how, file, record)
    system = event.System
    fields = _fields_of(system, event.EventData)
    time = parse_moment(fields["TimeCreated"], how.zone)
    if time is None:
        return make_windows(fields, how, file, record)
    return Event(fields, system.Channel or None, system.EventID, WINDOWS, time, file, record)


def _is_usual(event: Any) -> bool:
    return _ATTRIBUTES not in event.EventData and not writes_blanks(event.System.Channel)


def _fields_of(system: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as ``windows.shape_windows`` does, in the order in which Windows writes."""
    provider, execution = system.Provider.attributes, system.Execution.attributes
    fields = {"Provider_Name": provider.Name}
    if provider.Guid is not _UNSET:
        fields["Provider_Guid"] = provider.Guid
    fields["EventID"] = system.EventID
    fields["Version"] = system.Version
    fields["Level"] = system.Level
    fields["Task"] = system.Task
    fields["Opcode"] = system.Opcode
    fields["Keywords"] = system.Keywords
    fields["TimeCreated"] = system.TimeCreated.attributes.SystemTime
    fields["EventRecordID"] = system.EventRecordID
    if system.Correlation and (activity := system.Correlation.attributes.ActivityID) is not _UNSET:
        fields["Correlation_ActivityID"] = activity
    fields["Execution_ProcessID"] = execution.ProcessID
    fields["Execution_ThreadID"] = execution.ThreadID
    fields["Channel"] = system.Channel
    fields["Computer"] = system.Computer
    if system.Security and (account := system.Security.attributes.UserID) is not _UNSET:
        fields["Security_UserID"] = account
    fields.update(data)
    fields["Provider_Name"] = provider.Name
    fields["EventID"] = system.EventID
    fields["Channel"] = system.Channel
    return fields
