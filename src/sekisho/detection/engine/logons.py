"""Log-ons over remote access, out of the events that speak of them (pure).

RDP as Windows sees it (Security, TerminalServices), and OpenSSH on Windows; log-ons at VPN and
other servers out of their text logs are in ``textlogons``.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from sekisho.detection.engine.entities import is_nobody, read_address
from sekisho.detection.model import Event, Record


class Outcome(StrEnum):
    """What became of it."""

    SUCCESS = "success"
    FAILURE = "failure"
    EXPLICIT = "explicit"  # somebody used another account's credentials (4648)
    RECONNECT = "reconnect"
    DISCONNECT = "disconnect"
    LOGOFF = "logoff"
    ATTEMPT = "attempt"  # a connection; nobody said a name yet


class Logon(msgspec.Struct, frozen=True):
    """One log-on, or its end. ``source`` and ``user`` are "" where the log does not say them."""

    service: str
    user: str
    source: str
    destination: str
    outcome: Outcome
    time: int | None
    record: Record
    detail: str = ""


SECURITY = "security"
SESSIONS = "microsoft-windows-terminalservices-localsessionmanager/operational"
CONNECTIONS = "microsoft-windows-terminalservices-remoteconnectionmanager/operational"
CORE = "microsoft-windows-remotedesktopservices-rdpcorets/operational"
OPENSSH = "openssh/operational"
WATCHED: frozenset[tuple[str, int]] = frozenset(
    [(SECURITY, n) for n in (4624, 4625, 4648, 4778, 4779, 4825)]
    + [(SESSIONS, n) for n in (21, 24, 25)]
    + [(CONNECTIONS, 1149), (CORE, 131), (OPENSSH, 4)]
)
"""The Windows events (channel in lower case, id) that a log-on summary needs to see."""

_REMOTE_TYPES = {"10": "RDP", "12": "RDP"}
_NETWORK = "3"
_UNLOCK = "7"


def read_windows(event: Event) -> Iterator[Logon]:
    """Yield the log-on that a Windows event tells of, if it tells of one."""
    if event.channel is None or event.event_id is None:
        return
    read = _READERS.get((event.channel.lower(), event.event_id))
    if read is not None:
        yield from read(event)


def _logon(event: Event, service: str, outcome: Outcome, **said: Any) -> Logon:
    fields = event.fields
    return Logon(
        service=service,
        user=_name(said.get("user")),
        source=_place(said.get("address"), said.get("workstation")),
        destination=_name(said.get("destination")) or _name(fields.get("Computer")),
        outcome=outcome,
        time=event.time,
        record=Record(event.file, event.record),
        detail=str(said.get("detail", "")),
    )


def _name(value: Any) -> str:
    text = str(value).strip() if value is not None else ""
    return "" if text == "-" or text.casefold() == "null" else text


def _place(address: Any, workstation: Any = None) -> str:
    """Return where it came from: the address, else the name of the machine."""
    text = _name(address)
    if text and text.upper() != "LOCAL":
        return read_address(text) or text
    return _name(workstation)


def _account(fields: Mapping[str, Any], name: str, domain: str) -> str:
    user, where = _name(fields.get(name)), _name(fields.get(domain))
    return f"{where}\\{user}" if user and where and "@" not in user else user


def _read_4624(event: Event) -> Iterator[Logon]:
    fields = event.fields
    kind = str(fields.get("LogonType"))
    remote = _place(fields.get("IpAddress"))
    if kind in _REMOTE_TYPES or (kind == _UNLOCK and remote not in {"", "127.0.0.1", "::1"}):
        yield _logon(
            event, "RDP", Outcome.SUCCESS,
            user=_account(fields, "TargetUserName", "TargetDomainName"),
            address=remote, workstation=fields.get("WorkstationName"), detail=f"4624/{kind}",
        )  # fmt: skip


def _read_4625(event: Event) -> Iterator[Logon]:
    fields = event.fields
    kind = str(fields.get("LogonType"))
    remote = _place(fields.get("IpAddress"))
    if kind in _REMOTE_TYPES or kind == _NETWORK or remote:
        yield _logon(
            event, _REMOTE_TYPES.get(kind, "Windows"), Outcome.FAILURE,
            user=_account(fields, "TargetUserName", "TargetDomainName"),
            address=remote, workstation=fields.get("WorkstationName"),
            detail=f"4625/{kind} {fields.get('SubStatus') or fields.get('Status') or ''}".strip(),
        )  # fmt: skip


def _read_4648(event: Event) -> Iterator[Logon]:
    fields = event.fields
    user = _account(fields, "TargetUserName", "TargetDomainName")
    if user.endswith("$") or is_nobody(user):
        return
    target = _name(fields.get("TargetServerName"))
    yield _logon(
        event, "Windows", Outcome.EXPLICIT, user=user, address=fields.get("IpAddress"),
        workstation=fields.get("SubjectUserName"), detail="4648",
        destination="" if target == "localhost" else target,
    )  # fmt: skip


def _read_session(outcome: Outcome, event: Event) -> Iterator[Logon]:
    """Read 4778 and 4779: a session was joined again or left."""
    fields = event.fields
    yield _logon(
        event, "RDP", outcome, user=_account(fields, "AccountName", "AccountDomain"),
        address=fields.get("ClientAddress"), workstation=fields.get("ClientName"),
        detail=str(event.event_id),
    )  # fmt: skip


def _read_manager(outcome: Outcome, event: Event) -> Iterator[Logon]:
    """Read 21, 24, 25 of the session manager; LOCAL means the machine's own screen."""
    fields = event.fields
    address = _name(fields.get("Address"))
    if address.upper() in {"LOCAL", "ローカル"} and outcome is Outcome.SUCCESS:
        return
    yield _logon(
        event, "RDP", outcome, user=fields.get("User"), address=address,
        detail=str(event.event_id),
    )  # fmt: skip


def _read_1149(event: Event) -> Iterator[Logon]:
    fields = event.fields
    yield _logon(
        event, "RDP", Outcome.SUCCESS, user=_account(fields, "Param1", "Param2"),
        address=fields.get("Param3"), detail="1149",
    )  # fmt: skip


def _read_131(event: Event) -> Iterator[Logon]:
    yield _logon(event, "RDP", Outcome.ATTEMPT, address=event.fields.get("ClientIP"), detail="131")


def _read_4825(event: Event) -> Iterator[Logon]:
    fields = event.fields
    yield _logon(
        event, "RDP", Outcome.FAILURE, user=_account(fields, "AccountName", "AccountDomain"),
        address=fields.get("ClientAddress"), detail="4825",
    )  # fmt: skip


def _read_openssh(event: Event) -> Iterator[Logon]:
    from sekisho.detection.engine.textlogons import read_sshd  # noqa: PLC0415 - they share Logon

    yield from read_sshd(str(event.fields.get("payload", "")), event)


_READERS = {
    (SECURITY, 4624): _read_4624,
    (SECURITY, 4625): _read_4625,
    (SECURITY, 4648): _read_4648,
    (SECURITY, 4778): lambda event: _read_session(Outcome.RECONNECT, event),
    (SECURITY, 4779): lambda event: _read_session(Outcome.DISCONNECT, event),
    (SECURITY, 4825): _read_4825,
    (SESSIONS, 21): lambda event: _read_manager(Outcome.SUCCESS, event),
    (SESSIONS, 24): lambda event: _read_manager(Outcome.DISCONNECT, event),
    (SESSIONS, 25): lambda event: _read_manager(Outcome.RECONNECT, event),
    (CONNECTIONS, 1149): _read_1149,
    (CORE, 131): _read_131,
    (OPENSSH, 4): _read_openssh,
}


class LogonRow(msgspec.Struct):
    """All log-ons of one kind by one person from one place to one place."""

    service: str
    user: str
    source: str
    destination: str
    outcome: Outcome
    count: int = 0
    first: int | None = None
    last: int | None = None
    details: list[str] = []


_MOST_DETAILS = 6
_CASELESS = frozenset(("RDP", "Windows"))
"""Services to which TARO and taro are one."""


def summarise_logons(logons: Iterable[Logon]) -> list[LogonRow]:
    """Group log-ons; the most frequent failures first, then what else there is by number.

    What two logs of one server tell with the same time is counted once.
    """
    rows: dict[tuple[str, ...], LogonRow] = {}
    seen: set[tuple[object, ...]] = set()
    for one in logons:
        names = (one.user, one.source, one.destination)
        if one.service in _CASELESS:
            names = (one.user.casefold(), one.source.casefold(), one.destination.casefold())
        key = (one.service, *names, one.outcome.value)
        if one.service == "SoftEther" and one.time is not None:
            told = (*key, one.time)
            if told in seen:
                continue
            seen.add(told)
        row = rows.setdefault(
            key,
            LogonRow(one.service, one.user, one.source, one.destination, one.outcome, details=[]),
        )
        _count(row, one)
    order = {Outcome.FAILURE: 0, Outcome.SUCCESS: 1}
    return sorted(
        rows.values(),
        key=lambda r: (order.get(r.outcome, 2), -r.count, r.service, r.user, r.source),
    )


def _count(row: LogonRow, one: Logon) -> None:
    row.count += 1
    if one.detail and one.detail not in row.details and len(row.details) < _MOST_DETAILS:
        row.details.append(one.detail)
    if one.time is not None:
        row.first = one.time if row.first is None else min(row.first, one.time)
        row.last = one.time if row.last is None else max(row.last, one.time)
