"""Events of Windows as other tools export them, with their data in a text or under other names.

EvtxECmd puts the data into a column ``Payload`` as JSON, PowerShell's ``Get-WinEvent`` into a
message for people, Wazuh below ``data.win`` with small first letters. Opened, they are what the
log held, and rules on their fields apply (pure).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_SYSMON = "microsoft-windows-sysmon"
_LINE = re.compile(r"^([A-Z]\w{0,40}): ?(.*?)\r?$", re.MULTILINE)
_ZONED = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_WAZUH = {
    "Channel": "channel", "EventID": "eventID", "Computer": "computer",
    "TimeCreated": "systemTime", "Provider_Name": "providerName", "EventRecordID": "eventRecordID",
}  # fmt: skip


def open_export(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the event as its log held it; ``value`` itself where it is no such export."""
    if "Payload" in value and ("EventId" in value or "EventID" in value):
        return _open_evtxecmd(value)
    if "Message" in value and _is_sysmon(value.get("ProviderName")):
        return _open_message(value)
    if isinstance(value.get("data"), Mapping):
        return _open_wazuh(value)
    return value


def _open_evtxecmd(value: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = value["Payload"]
    try:
        inner = json.loads(payload) if isinstance(payload, str) else payload
    except (ValueError, RecursionError):
        return value
    if not isinstance(inner, Mapping):
        return value
    opened = {name: each for name, each in value.items() if name != "Payload"}
    time = opened.get("TimeCreated")
    if isinstance(time, str) and time and not _ZONED.search(time):
        opened["TimeCreated"] = f"{time}Z"  # the tool writes UTC and does not say so
    if "Provider" in opened:
        opened["Provider_Name"] = opened.pop("Provider")
    return {**opened, **_find_data(inner)}


def _find_data(payload: Mapping[str, Any]) -> dict[str, Any]:
    data = payload.get("EventData")
    if isinstance(data, Mapping):
        return {"EventData": _name_data(data)}
    if isinstance(payload.get("UserData"), Mapping):
        return {"UserData": payload["UserData"]}
    return {}


def _name_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data by name: it is a list of ``@Name`` and ``#text``, one of them, or texts."""
    held = data.get("Data")
    listed = held if isinstance(held, list) else [held]
    named = {
        each["@Name"]: each.get("#text", "")
        for each in listed
        if isinstance(each, Mapping) and isinstance(each.get("@Name"), str)
    }
    plain = [each for each in listed if isinstance(each, str)]
    others = {name: each for name, each in data.items() if name != "Data" and name[:1] != "@"}
    return {**others, **named, **({"Data": plain if len(plain) > 1 else plain[0]} if plain else {})}


def _is_sysmon(provider: object) -> bool:
    return isinstance(provider, str) and provider.lower() == _SYSMON


def _open_message(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the fields out of a message of Sysmon, whose names are the same in every language."""
    message = value["Message"]
    found = dict(_LINE.findall(message)) if isinstance(message, str) else {}
    return {**value, "EventData": found} if found else value


def _open_wazuh(value: Mapping[str, Any]) -> Mapping[str, Any]:
    win = value["data"].get("win")
    system = win.get("system") if isinstance(win, Mapping) else None
    if not isinstance(system, Mapping):
        return value
    data = win.get("eventdata")
    named = data.items() if isinstance(data, Mapping) else ()
    return {
        **{name[:1].upper() + name[1:]: each for name, each in named},
        **{name: system[theirs] for name, theirs in _WAZUH.items() if theirs in system},
    }
