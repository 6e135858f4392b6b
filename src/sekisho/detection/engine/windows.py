"""Windows events in their many shapes, flattened to the names that rules use (pure).

The shapes: that of the EVTX readers (``{"Event": {"System": …, "EventData": …}}``), that of log
shippers (``winlog.event_data``), and records whose names already lie flat. System's EventID,
Channel and Provider_Name win over data of the same name, otherwise the data wins.
"""

from collections.abc import Mapping
from typing import Any

_ATTRIBUTES = "#attributes"
_DEFENDER = "windows defender"
_TAKEN_WITH_PART = {
    "Provider": (("Name", "Provider_Name"), ("Guid", "Provider_Guid")),
    "Execution": (("ProcessID", "Execution_ProcessID"), ("ThreadID", "Execution_ThreadID")),
    "Security": (("UserID", "Security_UserID"),),
    "Correlation": (("ActivityID", "Correlation_ActivityID"),),
}
_PLAIN = frozenset((str, int, type(None)))
_EVENT_ID = "EventID"
_FIRM = (_EVENT_ID, "Channel", "Provider_Name")


def find_system(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the event (the part with ``System``) of an EVTX-shaped value, or None."""
    event = value.get("Event", value)
    if _is_mapping(event) and _is_mapping(event.get("System")):
        return event  # type: ignore[no-any-return] # just asked
    return None


def shape_windows(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat fields of an event that has ``System`` and data in the EVTX shape."""
    system = flatten_system(event["System"])
    data: Any = event.get("EventData")
    if type(data) is not dict or not _is_flat(data):
        data = flatten_data(event)
    if writes_blanks(str(system.get("Channel", ""))):
        data = {name.replace(" ", ""): value for name, value in data.items()}
    firm = [(name, system[name]) for name in _FIRM if name in system]
    system.update(data)
    system.update(firm)
    return system


def writes_blanks(channel: str) -> bool:
    """Say whether the data of a channel may have blanks in its names, which rules leave out."""
    return _DEFENDER in channel.lower()


def flatten_system(system: Mapping[str, Any]) -> dict[str, Any]:
    """Return System with its attributes under names such as ``Provider_Name``."""
    flat: dict[str, Any] = {}
    for name, value in system.items():
        if type(value) is dict:
            taken = _TAKEN_WITH_PART.get(name)
            if taken is None:
                flat[name] = _system_value(name, value)
                continue
            attributes = _attributes(value)
            for of, to in taken:
                if of in attributes:
                    flat[to] = attributes[of]
        elif name == _EVENT_ID:
            flat[name] = value if type(value) is int else read_event_id(value)
        elif name not in _TAKEN_WITH_PART:
            flat[name] = value
    return flat


def _system_value(name: str, value: Mapping[str, Any]) -> Any:
    if name == _EVENT_ID:
        return read_event_id(value)
    if name == "TimeCreated":
        return _attributes(value).get("SystemTime")
    return _text_of(value)


def read_event_id(value: Any) -> int | None:
    """Return an event id that came as a number, as text or with qualifiers beside it."""
    if type(value) is int:
        return value
    if isinstance(value, Mapping):
        value = value.get("#text", value.get("Value"))
    if isinstance(value, bool):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def flatten_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return EventData, or UserData one level down, under the names of the data."""
    data = event.get("EventData")
    if data is not None:
        return _flatten_items(data)
    flat: dict[str, Any] = {}
    for name, value in event.items():
        if name in {"System", "RenderingInfo", _ATTRIBUTES} or not isinstance(value, Mapping):
            continue
        for inner, below in value.items():
            flat.update(_flatten_items(below) if isinstance(below, Mapping) else {inner: below})
    flat.pop(_ATTRIBUTES, None)
    return flat


def _flatten_items(data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        return {"Data": data}
    if _is_flat(data):
        return dict(data)
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if name == _ATTRIBUTES:
            continue
        part = type(value) not in _PLAIN and isinstance(value, Mapping) and "#text" in value
        flat[name] = _text_of(value) if part else value
    return flat


def _is_flat(data: Mapping[str, Any]) -> bool:
    return _PLAIN.issuperset(map(type, data.values())) and _ATTRIBUTES not in data


def _text_of(value: Any) -> Any:
    """Return the text of an element that also has attributes; a mapping of parts as it is."""
    if isinstance(value, Mapping):
        if "#text" in value:
            return value["#text"]
        return None if set(value) <= {_ATTRIBUTES} else value
    return value


def _attributes(value: Any) -> Mapping[str, Any]:
    if type(value) is dict and type(found := value.get(_ATTRIBUTES)) is dict:
        return found  # what nearly all are, and the other questions are dear
    found = value.get(_ATTRIBUTES, value) if isinstance(value, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _is_mapping(value: Any) -> bool:
    return type(value) is dict or isinstance(value, Mapping)


_WINLOG_SYSTEM = {
    "event_id": "EventID",
    "channel": "Channel",
    "computer_name": "Computer",
    "provider_name": "Provider_Name",
    "provider_guid": "Provider_Guid",
    "record_id": "EventRecordID",
    "task": "Task",
    "opcode": "Opcode",
    "keywords": "Keywords",
    "version": "Version",
}


def shape_winlog(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the flat fields of an event as Winlogbeat and kin send it, or None."""
    winlog = value.get("winlog")
    if not isinstance(winlog, Mapping):
        winlog = {n.removeprefix("winlog."): v for n, v in value.items() if n.startswith("winlog.")}
    if not winlog:
        return None
    system = {to: winlog[of] for of, to in _WINLOG_SYSTEM.items() if of in winlog}
    if "EventID" in system:
        system["EventID"] = read_event_id(system["EventID"])
    data = _winlog_data(winlog)
    if "message" in value:
        data.setdefault("Message", value["message"])
    return {"TimeCreated": value.get("@timestamp"), **system, **data, **_firm(system)}


def _winlog_data(winlog: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in winlog.items():
        part, _, below = name.partition(".")
        if part not in {"event_data", "user_data"}:
            continue
        if below:
            data[below] = value
        elif isinstance(value, Mapping):
            data.update(value)
    return data


def _firm(system: Mapping[str, Any]) -> dict[str, Any]:
    return {name: system[name] for name in _FIRM if name in system}


_FLAT_NAMES = {
    "event_id": "EventID", "EventId": "EventID", "Event ID": "EventID", "Id": "EventID",
    "LogName": "Channel", "log_name": "Channel", "Log Name": "Channel",
    "SourceName": "Provider_Name", "ProviderName": "Provider_Name", "Provider": "Provider_Name",
    "Source": "Provider_Name", "MachineName": "Computer", "Hostname": "Computer",
    "host": "Computer", "ComputerName": "Computer", "RecordNumber": "EventRecordID",
    "RecordId": "EventRecordID", "ログの名前": "Channel", "イベント ID": "EventID",
    "ソース": "Provider_Name", "コンピューター": "Computer",
}  # fmt: skip


def shape_flat(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a Windows event whose names lie flat, or None where it is none.

    It is one if it has an event id and a channel, under any of the names in use.
    """
    names = {_FLAT_NAMES.get(name, name): name for name in value}
    if "EventID" not in names or "Channel" not in names:
        return None
    event_id = read_event_id(value[names["EventID"]])
    channel = value[names["Channel"]]
    if event_id is None or not isinstance(channel, str) or not channel:
        return None
    fields = {**value, **_data_within(value)}
    for known in ("Provider_Name", "Computer", "EventRecordID", "Channel"):
        if known in names and known not in fields:
            fields[known] = value[names[known]]
    return {**fields, "EventID": event_id}


def _data_within(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an event whose System alone lies flat, as Velociraptor writes it."""
    parts = ("EventData", "UserData")
    data = {name: value[name] for name in parts if isinstance(value.get(name), Mapping)}
    return flatten_data(data) if data else {}
