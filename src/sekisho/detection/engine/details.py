"""Which fields of an event say most to the person who reads a match (pure).

First what the rule's author asks for, then what the rule itself looks at, then what is telling in
any event; where nothing of that is there, whatever the event holds besides its envelope.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from sekisho.detection.model import AllOf, AnyOf, AtLeast, Atom, Node, Rule

_TELLING = (
    "CommandLine", "Image", "NewProcessName", "ThreatName", "Path", "ParentImage",
    "ParentProcessName", "TargetUserName", "SubjectUserName", "User", "IpAddress",
    "WorkstationName", "TargetServerName", "LogonType", "SubStatus", "TargetFilename",
    "TargetObject", "Details", "ServiceName", "ServiceFileName", "ImagePath", "TaskName",
    "ShareName", "RelativeTargetName", "ObjectName", "ObjectDN", "ObjectType",
    "AttributeLDAPDisplayName", "AttributeValue", "Properties", "AccessMask", "ImageLoaded",
    "TargetImage", "SourceImage", "GrantedAccess",
    "CallTrace", "QueryName", "Application", "SourceAddress", "DestAddress", "DestPort",
    "DestinationIp", "DestinationPort", "DestinationHostname", "PipeName", "ScriptBlockText",
    "Payload", "Name", "Query", "Destination", "Consumer", "Filter", "AccountName",
    "ClientAddress", "MemberName", "MemberSid", "ModifyingApplication", "ProcessName", "Data",
    "payload", "Param1", "Param3", "message", "cs-method", "cs-uri", "sc-status", "c-ip",
    "cs-username", "action", "user", "remip", "msg", "Hashes",
)  # fmt: skip
_ENVELOPE = frozenset(
    ("EventID", "Channel", "Computer", "Provider_Name", "Provider_Guid", "Version", "Level", "Task",
     "Opcode", "Keywords", "TimeCreated", "EventRecordID", "Execution_ProcessID",
     "Execution_ThreadID", "Security_UserID", "Correlation_ActivityID", "UtcTime", "RuleName",
     "ProcessGuid", "product", "category", "service", "host", "hostname", "timestamp",
     "@timestamp", "time", "date")
)  # fmt: skip
_RANKS = {name: rank for rank, name in enumerate(_TELLING)}
_MOST = 8
_MOST_OF_REST = 4
_LONGEST = 1_000
_EMPTY = frozenset(("", "-", "None"))


def ask_rule(rule: Rule) -> tuple[str, ...]:
    """Return the fields to show of what a rule matched: its author's, then those that it tests."""
    tested = dict.fromkeys(name for name in _find_tested(rule.tree) if name not in _ENVELOPE)
    return (*rule.fields, *sorted(tested, key=lambda name: _RANKS.get(name, len(_RANKS))))


def _find_tested(node: Node) -> Iterator[str]:
    """Yield the fields that speak for a match; those of exceptions do not."""
    match node:
        case Atom(field):
            if field:
                yield field
        case AllOf(parts) | AnyOf(parts) | AtLeast(_, parts):
            for part in parts:
                yield from _find_tested(part)


def pick_details(wanted: tuple[str, ...], fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the few fields of an event that say most, as text of bounded length."""
    telling, rest = _order(wanted, tuple(fields))
    return _take(telling, fields, _MOST) or _take(rest, fields, _MOST_OF_REST)


def _take(names: tuple[str, ...], fields: Mapping[str, Any], most: int) -> dict[str, str]:
    picked: dict[str, str] = {}
    for name in names:
        text = _say(fields[name])
        if text not in _EMPTY:
            picked[name] = text
            if len(picked) >= most:
                break
    return picked


@lru_cache(maxsize=4096)
def _order(
    wanted: tuple[str, ...], names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of an event's fields say most, and what else it holds."""
    has = frozenset(names)
    telling = tuple(dict.fromkeys(name for name in (*wanted, *_TELLING) if name in has))
    rest = tuple(name for name in names if name not in _ENVELOPE)
    return telling, rest


def _say(value: Any) -> str:
    """Return a value as one text; lists are joined, and what is long is cut."""
    if isinstance(value, list | tuple):
        text = ", ".join(map(str, value))
    else:
        text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
