"""Lines of system and program logs, taken apart: time, host, program, message and more (pure).

Known shapes: syslog (RFC 3164, RFC 5424, with an ISO time), access logs in the combined format,
``key=value`` bodies such as FortiGate's, Linux audit, and the own formats of OpenVPN, SoftEther,
strongSwan, nginx, xrdp, FreeRDP, ocserv and sshd. A line of none of them is its own message.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from sekisho.detection.engine.moments import (
    EPOCH,
    MONTHS,
    SECOND,
    make_moment,
    parse_moment,
    read_offset,
)
from sekisho.detection.model import LogSource

LINUX = LogSource(product="linux")
WEBSERVER = LogSource(category="webserver")
NOTHING = LogSource()
_DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Clock:
    """How times without a zone or a year are read.

    ``until`` is when the file was last written (microseconds): a line without a year is of the
    last year in which it was not after that.
    """

    zone: tzinfo = UTC
    until: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line, taken apart."""

    fields: dict[str, Any]
    source: LogSource
    time: int | None


_UTC = Clock()


def parse_line(text: str, clock: Clock) -> Line:
    """Take ``text`` apart by the first shape that fits; a very long line is its own message."""
    if len(text) > _LONGEST:
        return Line({"message": text}, NOTHING, None)
    priority = _PRIORITY.match(text)
    body = text[priority.end() :] if priority else text
    for pattern, read in _SHAPES:
        if found := pattern.match(body):
            line = read(found, clock)
            break
    else:
        line = _read_plain(body)
    if priority:
        number = int(priority[1])
        line.fields.setdefault("facility", number >> 3)
        line.fields.setdefault("severity", number & 7)
    return line


_LONGEST = 64 * 1024  # no shape needs more, and no expression is held against more
_PRIORITY = re.compile(r"<(\d{1,3})>")
_PAIR = re.compile(r"([A-Za-z_][\w.\-]*)=(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|(\S*))")
_PROGRAM = r"([^\s\[:]{1,64}?)(?:\[(\d+)\])?:\s?"
_RFC3164 = re.compile(
    r"([A-Z][a-z]{2}) +(\d{1,2}) (?:(\d{4}) )?(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))? (.*)$", re.DOTALL
)
_CHARON = re.compile(r"(\d\d)\[([A-Z]{3})\] (.*)$", re.DOTALL)
_HOST_PROGRAM = re.compile(r"(\S+) " + _PROGRAM + r"(.*)$", re.DOTALL)
_TAGGED = re.compile(_PROGRAM + r"(.*)$", re.DOTALL)
_RFC5424 = re.compile(
    r"1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*\")*\])+) ?(.*)$",
    re.DOTALL,
)
_ISO_START = re.compile(
    r"(\d{4}-\d\d-\d\d[T ,]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)[ ,]+(.*)$",
    re.DOTALL,
)
_COMBINED = re.compile(
    r"(\S+) (\S+) (.+?) \[([^\]]{20,30})\] \"((?:[^\"\\]|\\.)*)\" (\d{3}) (\d+|-)"
    r"(?: \"((?:[^\"\\]|\\.)*)\" \"((?:[^\"\\]|\\.)*)\")?(.*)$"
)
_NGINX_ERROR = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#(\d+): (?:\*(\d+) )?(.*)$"
)
_XRDP = re.compile(r"\[(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)\] \[(\w+) *\] (.*)$")
_FREERDP = re.compile(
    r"\[(\d\d:\d\d:\d\d):(\d{3})\] \[(\d+):\w+\] ?\[(\w+)\] ?\[([\w.]+)\] - (.*)$"
)
_CODED = re.compile(r"a[0-9]+=(?:[0-9A-F]{2})+")
"""An argument that holds more than plain letters is written in hexadecimal, without quotes."""

_AUDIT = re.compile(
    r"(?:node=\S+ )?type=(\S+) msg=audit\((\d+(?:\.\d+)?):(\d+)\): ?(.*)$", re.DOTALL
)
_FORTI = re.compile(
    r"(?=.*\bdate=\d{4}-\d\d-\d\d)(?=.*\btime=\"?\d\d:)(?=.*\b(?:devname|devid|logid)=)"
)
_CISCO = re.compile(r"(.*?)%(ASA|FTD|SEC|SYS|BGP|LDP|PIX)-(\d)-([\w]+): (.*)$", re.DOTALL)
_OCSERV = re.compile(r"(ocserv)\[(\d+)\]: (.*)$", re.DOTALL)


def _read_3164(found: re.Match[str], clock: Clock) -> Line:
    month, day, year, hour, minute, second, fraction, rest = found.groups()
    number = MONTHS.get(month.lower(), 0)
    parts = (number, day, hour, minute, second)
    time = _with_year(parts, fraction or "", clock, year)
    return _read_rest(rest, time)


def _with_year(parts: tuple[Any, ...], fraction: str, clock: Clock, year: str | None) -> int | None:
    if year:
        return make_moment((year, *parts), fraction, clock.zone)
    latest = EPOCH.fromtimestamp(clock.until / SECOND, clock.zone).year
    for guess in (latest, latest - 1, latest - 2, latest - 3, latest - 4):  # 29 February
        time = make_moment((guess, *parts), fraction, clock.zone)
        if time is not None and time <= clock.until + _DAY:
            return time
    return None


def _read_rest(rest: str, time: int | None) -> Line:
    """Read what follows a syslog time: ``host program[pid]: message`` or charon's own."""
    if found := _CHARON.match(rest):
        thread, group, message = found.groups()
        fields = {"program": "charon", "thread": thread, "group": group, "message": message}
        return Line(fields, LINUX, time)
    found = _HOST_PROGRAM.match(rest)
    if found is None:
        host, _, message = rest.partition(" ")
        return _finish({"host": host}, message, time) if message else _finish({}, rest, time)
    host, program, pid, message = found.groups()
    fields = {"host": host, "program": program}
    if pid:
        fields["pid"] = pid
    return _finish(fields, message, time)


def _finish(fields: dict[str, Any], message: str, time: int | None) -> Line:
    """Add the message, and what its own shape says: pairs, Cisco's mnemonic, an access line."""
    whole = f"{fields['program']}: {message}" if "program" in fields else message
    if _FORTI.match(whole) or _FORTI.match(message):
        return _merge(fields, _read_pairs(message), time)
    if found := _CISCO.match(whole):
        _, facility, severity, mnemonic, text = found.groups()
        fields |= {"facility": facility, "severity": int(severity), "mnemonic": mnemonic}
        fields["message"] = text
        return Line(fields, LogSource(product="cisco"), time)
    if found := _COMBINED.match(message):
        return _merge(fields, _read_combined(found, _UTC), time)
    if found := _AUDIT.match(message):
        return _merge(fields, _read_audit(found, _UTC), time)
    fields["message"] = message
    program = fields.get("program", "")
    return Line(fields, _PRODUCTS.get(str(program), LINUX), time)


def _merge(outer: dict[str, Any], inner: Line, time: int | None) -> Line:
    return Line(
        {**outer, **inner.fields}, inner.source, inner.time if inner.time is not None else time
    )


_PRODUCTS = {
    "nginx": WEBSERVER,
    "guacd": LogSource(product="linux", service="guacamole"),
    "clamd": LogSource(product="linux", service="clamav"),
    "vsftpd": LogSource(product="linux", service="vsftpd"),
    "CRON": LogSource(product="linux", service="cron"),
}


def _read_5424(found: re.Match[str], clock: Clock) -> Line:
    stamp, host, program, pid, message_id, data, message = found.groups()
    given = {"host": host, "program": program, "pid": pid, "msgid": message_id}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value != "-"}
    for name, value in re.findall(r"([^\s\[\]=\"]+)=\"((?:[^\"\\]|\\.)*)\"", data):
        fields.setdefault(name, re.sub(r"\\([\"\\\]])", r"\1", value))
    return _finish(fields, message.removeprefix("\ufeff"), parse_moment(stamp, clock.zone))


def _read_iso(found: re.Match[str], clock: Clock) -> Line:
    """Read a line that begins with an ISO time: syslog in that form, OpenVPN, SoftEther and kin."""
    stamp, rest = found.groups()
    time = parse_moment(stamp, clock.zone)
    if "T" in stamp[:11] and _HOST_PROGRAM.match(rest):
        return _read_rest(rest, time)
    if tagged := _HOST_PROGRAM.match(rest):
        host, program, pid, message = tagged.groups()
        if pid and not any(c in host for c in ':[]/"'):
            return _finish({"host": host, "program": program, "pid": pid}, message, time)
    return Line({"message": rest}, NOTHING, time)


def _read_combined(found: re.Match[str], clock: Clock) -> Line:
    address, _, user, stamp, request, status, size, referer, agent, _ = found.groups()
    method, target, version = _split_request(request)
    stem, mark, query = target.partition("?")
    fields: dict[str, Any] = {
        "c-ip": address, "cs-method": method, "cs-uri": target, "cs-uri-stem": stem,
        "cs-uri-query": query if mark else "", "cs-version": version, "sc-status": int(status),
        "sc-bytes": int(size) if size.isdigit() else 0, "message": found.string,
    }  # fmt: skip
    if user != "-":
        fields["cs-username"] = user
    if referer is not None:
        fields |= {"cs-referer": referer, "cs-user-agent": agent}
    return Line(fields, WEBSERVER, parse_moment(stamp, clock.zone))


def _split_request(request: str) -> tuple[str, str, str]:
    method, _, rest = request.partition(" ")
    target, _, version = rest.rpartition(" ")
    return (method, target, version) if target else (method, rest or request, "")


def _read_nginx(found: re.Match[str], clock: Clock) -> Line:
    stamp, level, pid, _, connection, message = found.groups()
    fields: dict[str, Any] = {"program": "nginx", "level": level, "pid": pid, "message": message}
    if connection:
        fields["connection"] = connection
    for name in ("client", "server", "request", "host", "upstream"):
        if part := re.search(rf", {name}: (\"[^\"]*\"|[^,]*)", message):
            fields[name] = part[1].strip('"')
    return Line(fields, LogSource(service="nginx"), parse_moment(stamp, clock.zone))


def _read_xrdp(found: re.Match[str], clock: Clock) -> Line:
    *parts, level, message = found.groups()
    fields = {"program": "xrdp", "level": level, "message": message}
    return Line(fields, LINUX, make_moment(tuple(parts), "", clock.zone))


def _read_freerdp(found: re.Match[str], clock: Clock) -> Line:
    """Read a line with a time of day alone; its date is that of the file's last change."""
    clocked, milli, pid, level, module, message = found.groups()
    fields = {
        "program": "freerdp",
        "level": level,
        "pid": pid,
        "module": module,
        "message": message,
    }
    day = datetime.fromtimestamp(clock.until / SECOND, clock.zone)
    hour, minute, second = clocked.split(":")
    time = make_moment((day.year, day.month, day.day, hour, minute, second), milli, clock.zone)
    if time is not None and time > clock.until + 3600 * SECOND:
        time -= _DAY
    return Line(fields, LINUX, time)


def _read_audit(found: re.Match[str], _clock: Clock) -> Line:
    kind, stamp, serial, rest = found.groups()
    fields: dict[str, Any] = {"type": kind, "serial": serial}
    for name, double, single, bare in _PAIR.findall(rest.replace("\x1d", " ")):
        coded = kind == "EXECVE" and _CODED.fullmatch(f"{name}={bare}")
        said = bytes.fromhex(bare).decode("utf-8", "replace") if coded else bare
        fields.setdefault(name, double or single or said)
        if single and "=" in single:  # msg='op=PAM:… acct="…"'
            for inner, *values in _PAIR.findall(single):
                fields.setdefault(inner, next(filter(None, values), ""))
    return Line(fields, LogSource(product="linux", service="auditd"), int(float(stamp) * SECOND))


def _read_forti(found: re.Match[str], clock: Clock) -> Line:
    return _read_pairs(found.string, clock)


def _read_pairs(body: str, clock: Clock | None = None) -> Line:
    fields: dict[str, Any] = {}
    for name, double, single, bare in _PAIR.findall(body):
        fields.setdefault(name, double or single or bare)
    zone = read_offset(fields.get("tz"), clock.zone if clock else UTC)
    time = None
    if "eventtime" in fields:
        time = parse_moment(_as_number(fields["eventtime"]))
    if time is None:
        time = parse_moment(f"{fields.get('date')} {fields.get('time')}", zone)
    service = fields.get("type")
    return Line(fields, LogSource(product="fortigate", service=service), time)


def _as_number(text: str) -> int | None:
    return int(text) if text.isdigit() and len(text) < 25 else None  # noqa: PLR2004 - nanoseconds have 19


def _read_ocserv(found: re.Match[str], _clock: Clock) -> Line:
    program, pid, message = found.groups()
    return Line({"program": program, "pid": pid, "message": _mask(message)}, LINUX, None)


def _mask(text: str) -> str:
    """Hide what ocserv writes at -d 4: the password of the user in the body of the request."""
    return re.sub(r"(<password>)[^<]*", r"\1********", text)


def _read_tagged(found: re.Match[str], _clock: Clock) -> Line:
    program, pid, message = found.groups()
    return _finish({"program": program, "pid": pid}, message, None)


_SSHD = re.compile(
    r"(Accepted|Failed) \S+ for |Invalid user |Connection (from|closed by) |Disconnected from |"
    r"Server listening on |Received disconnect from |User child is on pid |Starting session: "
)


def _read_plain(body: str) -> Line:
    """Take a line of no known shape; sshd writing to its terminal is told by its words."""
    if _SSHD.match(body):
        return Line({"program": "sshd", "message": body}, LINUX, None)
    return Line({"message": _mask(body)}, NOTHING, None)


_Reader = Callable[[re.Match[str], Clock], Line]
_SHAPES: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (_RFC5424, _read_5424),
    (_RFC3164, _read_3164),
    (_AUDIT, _read_audit),
    (_FORTI, _read_forti),
    (_NGINX_ERROR, _read_nginx),
    (_ISO_START, _read_iso),
    (_XRDP, _read_xrdp),
    (_FREERDP, _read_freerdp),
    (_OCSERV, _read_ocserv),
    (_COMBINED, _read_combined),
    (re.compile(r"([A-Za-z][\w.\-/]{0,40})\[(\d+)\]: (.*)$", re.DOTALL), _read_tagged),
)
