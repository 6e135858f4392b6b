"""Events of Windows as other tools export them, with their data in a text or under other names.

EvtxECmd puts the data into a column ``Payload`` as JSON, Wazuh below ``data.win`` with small first
letters, PowerShell's ``Get-WinEvent`` and the event viewer into a message for people: Sysmon has
its fields there, PowerShell its script, of other messages no field can be told. Opened, they are
what the log held, and rules on their fields apply (pure).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_CHANNELS = {
    "Microsoft-Windows-Sysmon": "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-PowerShell": "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-Security-Auditing": "Security",
    "Microsoft-Windows-Eventlog": "Security",
    "Service Control Manager": "System",
    "Microsoft-Windows-Windows Defender": "Microsoft-Windows-Windows Defender/Operational",
    "Microsoft-Windows-TaskScheduler": "Microsoft-Windows-TaskScheduler/Operational",
    "Microsoft-Windows-WMI-Activity": "Microsoft-Windows-WMI-Activity/Operational",
}
"""Providers that write to one channel alone."""

_PIECE = re.compile(r"\((\d+)\D+(\d+)")
_LONGEST_HEAD = 200
_BACKSLASHES = re.compile(r"\\+")
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
    if "Message" in value and "ProviderName" in value:
        return _open_message(value)
    if "extra" in value:
        return _open_viewer(value)
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


def _open_message(value: Mapping[str, Any]) -> Mapping[str, Any]:
    message = value["Message"]
    found = _read_message(value["ProviderName"], message) if isinstance(message, str) else {}
    return {**value, "EventData": found} if found else value


def _read_message(provider: object, message: str) -> dict[str, str]:
    """Return the fields that a message holds under names, or at places, of every language."""
    match provider.lower() if isinstance(provider, str) else None:
        case "microsoft-windows-sysmon":
            return dict(_LINE.findall(message))
        case "microsoft-windows-powershell":
            return _read_script(message.replace("\r\n", "\n"))
    return {}


def _read_script(message: str) -> dict[str, str]:
    """Return the parts of a message about a block of script; its first line says which piece."""
    head, _, rest = message.partition("\n")
    script, found, tail = rest.rpartition("\nScriptBlock ID:")
    piece = _PIECE.search(head[:_LONGEST_HEAD])
    if not found or piece is None:
        return {}
    block, _, path = tail.partition("\nPath:")
    return {
        "MessageNumber": piece[1],
        "MessageTotal": piece[2],
        "ScriptBlockText": script.removesuffix("\n"),
        "ScriptBlockId": block.strip(),
        "Path": path.strip(),
    }


def _open_viewer(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open a row of the event viewer: five names, and the message beyond them; no channel."""
    source = value.get("Source", value.get("ソース"))
    channel = _CHANNELS.get(source) if isinstance(source, str) else None
    if channel is None:
        return value
    opened = {**value, "Channel": channel, "ProviderName": source, "Message": value["extra"]}
    time = value.get("Date and Time", value.get("日付と時刻"))
    return _open_message({**opened, "TimeCreated": time} if time else opened)


def _open_wazuh(value: Mapping[str, Any]) -> Mapping[str, Any]:
    win = value["data"].get("win")
    system = win.get("system") if isinstance(win, Mapping) else None
    if not isinstance(system, Mapping):
        return value
    data = win.get("eventdata")
    named = data.items() if isinstance(data, Mapping) else ()
    return {
        **{name[:1].upper() + name[1:]: _single(each) for name, each in named},
        **{name: system[theirs] for name, theirs in _WAZUH.items() if theirs in system},
    }


def _single(value: Any) -> Any:
    """Return a text of which every backslash was written twice with one for each two."""
    if type(value) is not str or "\\\\" not in value:
        return value
    if any(len(run) % 2 for run in _BACKSLASHES.findall(value)):
        return value
    return _BACKSLASHES.sub(lambda run: run[0][: len(run[0]) // 2], value)
