"""Log-ons out of the text logs of VPN and other servers (pure).

Some servers tell who and from where on different lines; ``TextLogons`` remembers, within one
file, the little that is needed to join them. "No credentials were given" is no failed log-on.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from sekisho.detection.engine.entities import read_address
from sekisho.detection.engine.logons import Logon, Outcome
from sekisho.detection.model import Event, LogSource, Record

_MOST_REMEMBERED = 10_000


def make_logon(
    event: Event, service: str, outcome: Outcome, user: str = "", source: str = ""
) -> Logon:
    """Make the log-on that one line tells of."""
    fields = event.fields
    place = read_address(source) or source
    destination = str(fields.get("host") or fields.get("devname") or "")
    record = Record(event.file, event.record)
    return Logon(service, user, place, destination, outcome, event.time, record)


_SSHD = re.compile(
    r"(?:sshd[^:]*: )?(Accepted|Failed) (\S+) for (?:invalid user )?(.*?) from (\S+) port"
)


def read_sshd(message: str, event: Event) -> Iterator[Logon]:
    """Read a line of sshd."""
    if found := _SSHD.match(message):
        outcome = Outcome.SUCCESS if found[1] == "Accepted" else Outcome.FAILURE
        if found[1] == "Failed" and found[2] == "none":
            return
        yield make_logon(event, "SSH", outcome, found[3], found[4])


class TextLogons:
    """Reads the lines of one file in their order."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, str] = OrderedDict()  # connection → user
        self._places: OrderedDict[str, str] = OrderedDict()  # connection → address
        self._last_user = ""

    def see(self, event: Event) -> Iterator[Logon]:
        """Yield the log-ons that this line makes known."""
        fields = event.fields
        if "sc-status" in fields:
            yield from _read_access(event)
        elif event.source.product == "fortigate":
            yield from _read_fortigate(event)
        elif isinstance(message := fields.get("message"), str):
            for hint, pattern, read in _LINES:
                if hint in message and (found := pattern.search(message)):
                    yield from read(self, found, event)
                    return
            if "rom " in message:
                yield from read_sshd(message, event)

    def remember_user(self, connection: str, user: str) -> None:
        """Keep who is behind a connection."""
        _keep(self._users, connection, user)
        self._last_user = user

    def remember_place(self, connection: str, address: str) -> None:
        """Keep where a connection comes from."""
        _keep(self._places, connection, address)

    def user(self, connection: str = "") -> str:
        """Return who was last said to be behind the connection."""
        return self._users.get(connection, "") if connection else self._last_user

    def place(self, connection: str) -> str:
        """Return where the connection came from."""
        return self._places.get(connection, "")

    def forget(self) -> None:
        """Begin anew: the server did."""
        self._users.clear()
        self._places.clear()
        self._last_user = ""


def _keep(table: OrderedDict[str, str], key: str, value: str) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _MOST_REMEMBERED:
        table.popitem(last=False)


def join_logons(events: Iterable[Event]) -> Iterator[tuple[Event, list[Logon]]]:
    """Pass the events of one file on, each with the log-ons that its line makes known."""
    logs = TextLogons()
    for event in events:
        yield event, list(logs.see(event)) if event.channel is None else []


def mark_logon(event: Event, logon: Logon) -> Event:
    """Return the event with what its line tells of a log-on as fields, for rules on any server.

    The fields are ``logon_service``, ``logon_outcome``, ``logon_user`` and ``logon_source`` (those
    that were said); a line without a category of its own gets ``authentication``.
    """
    said = {
        "logon_service": logon.service,
        "logon_outcome": logon.outcome.value,
        "logon_user": logon.user,
        "logon_source": logon.source,
    }
    fields = {**event.fields, **{name: value for name, value in said.items() if value}}
    source = event.source
    marked = LogSource(source.category or "authentication", source.product, source.service)
    return replace(event, fields=fields, source=marked)


_UNAUTHORIZED = 401
_ERROR = 400


def _read_access(event: Event) -> Iterator[Logon]:
    """Read an access log: a user with 401 failed, a user with an answer is logged in."""
    user, status = str(event.fields.get("cs-username") or ""), event.fields["sc-status"]
    try:
        code = int(status)
    except (TypeError, ValueError):
        return
    if user and user != "-" and (code == _UNAUTHORIZED or code < _ERROR):
        outcome = Outcome.FAILURE if code == _UNAUTHORIZED else Outcome.SUCCESS
        yield make_logon(event, "Web", outcome, user, str(event.fields.get("c-ip") or ""))


_FORTI_ACTIONS = {
    "tunnel-up": Outcome.SUCCESS,
    "tunnel-down": Outcome.LOGOFF,
    "ssl-login-fail": Outcome.FAILURE,
}


def _read_fortigate(event: Event) -> Iterator[Logon]:
    fields = event.fields
    action, status = str(fields.get("action", "")).lower(), str(fields.get("status", "")).lower()
    outcome = _FORTI_ACTIONS.get(action)
    service = "FortiGate VPN"
    if action in {"login", "auth-logon", "authentication"}:
        service = "FortiGate VPN" if fields.get("subtype") == "vpn" else "FortiGate"
        outcome = Outcome.SUCCESS if status == "success" else Outcome.FAILURE
    if outcome is not None:
        user = str(fields.get("user") or fields.get("xauthuser") or "")
        source = str(fields.get("remip") or fields.get("srcip") or fields.get("ui") or "")
        yield make_logon(event, service, outcome, "" if user == "N/A" else user, source)


_Read = Callable[[TextLogons, re.Match[str], Event], Iterator[Logon]]


def _tells(service: str, outcome: Outcome) -> _Read:
    """Make the reader of a line that says user and source (groups of those names) by itself."""

    def read(_: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
        said = found.groupdict()
        yield make_logon(event, service, outcome, said.get("user") or "", said.get("source") or "")

    return read


def _joins(service: str, outcome: Outcome) -> _Read:
    """Make the reader of a line whose user or source was said before, under its connection."""

    def read(logs: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
        said = found.groupdict()
        connection = said.get("connection") or ""
        user = said.get("user") or logs.user(connection)
        source = said.get("source") or logs.place(connection)
        yield make_logon(event, service, outcome, user, source)

    return read


def _learns(logs: TextLogons, found: re.Match[str], _: Event) -> Iterator[Logon]:
    """Remember the user or the source of a connection."""
    said = found.groupdict()
    connection = said.get("connection") or ""
    if said.get("user"):
        logs.remember_user(connection, said["user"])
    if said.get("source"):
        logs.remember_place(connection, said["source"])
    return iter(())


def _restarts(logs: TextLogons, _: re.Match[str], __: Event) -> Iterator[Logon]:
    logs.forget()
    return iter(())


def _last(service: str, outcome: Outcome) -> _Read:
    """Make the reader of a line that speaks of whoever was named last (ocserv, strongSwan)."""

    def read(logs: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
        yield make_logon(
            event, service, outcome, logs.user(), found.groupdict().get("source") or ""
        )
        if outcome is not Outcome.SUCCESS:
            logs.remember_user("", "")

    return read


def _line(hint: str, pattern: str, read: _Read) -> tuple[str, re.Pattern[str], _Read]:
    return hint, re.compile(pattern), read


def _succeed(logs: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
    """SoftEther: the address was said when the connection was made."""
    connection, user = found["connection"], found["user"]
    logs.remember_user(connection, user)
    yield make_logon(event, "SoftEther", Outcome.SUCCESS, user, logs.place(connection))


def _name_session(logs: TextLogons, found: re.Match[str], _: Event) -> Iterator[Logon]:
    """SoftEther: a session is who made its connection."""
    logs.remember_user(found["session"], logs.user(found["connection"]))
    logs.remember_place(found["session"], logs.place(found["connection"]))
    return iter(())


def _end_session(logs: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
    session = found["connection"]
    if user := logs.user(session):
        yield make_logon(event, "SoftEther", Outcome.LOGOFF, user, logs.place(session))


def _administer(logs: TextLogons, found: re.Match[str], event: Event) -> Iterator[Logon]:
    place = logs.place(found["connection"])
    yield make_logon(event, "SoftEther", Outcome.SUCCESS, "Administrator", place)


_CID = r"[Cc]onnection \"(?P<connection>CID-\d+)\""
_LINES: tuple[tuple[str, re.Pattern[str], _Read], ...] = (
    # OpenVPN: joined by address and port
    _line(
        "authentication succeeded for username",
        r"^(?P<connection>\S+:\d+) TLS: .* succeeded for username '(?P<user>[^']*)'",
        _learns,
    ),
    _line(
        "TLS Auth Error",
        r"^(?P<connection>(?P<source>\S+):\d+) TLS Auth Error",
        _joins("OpenVPN", Outcome.FAILURE),
    ),
    _line(
        "Peer Connection Initiated",
        r"\[(?P<user>[^\]]+)\] Peer Connection Initiated with \[AF_INET6?\](?P<source>\S+):\d+",
        _tells("OpenVPN", Outcome.SUCCESS),
    ),
    _line(
        "client-instance",
        r"^(?P<user>[^/\s]+)/(?P<source>\S+):\d+ SIG\w+\[.*client-instance",
        _tells("OpenVPN", Outcome.LOGOFF),
    ),
    # SoftEther: joined by connection, until the server starts again
    _line("Server has been started", r"SoftEther VPN Server has been started", _restarts),
    _line("(IP address: ", rf"{_CID} \(IP address: (?P<source>[^,]+),", _learns),
    _line("(IP address: ", rf"\(IP address: (?P<source>[^,]+),.*{_CID} has been created", _learns),
    _line(
        "User authentication failed. ",
        rf"{_CID}: User auth\S* failed\. .*was \"(?P<user>[^\"]*)\", from (?P<source>\S+?)\.?$",
        _tells("SoftEther", Outcome.FAILURE),
    ),
    _line(
        "Successfully authenticated",
        rf"{_CID}: Successfully authenticated as user \"(?P<user>[^\"]*)\"",
        _succeed,
    ),
    _line(
        "The new session",
        rf"{_CID}: The new session \"(?P<session>SID-[^\"]+)\" has been created",
        _name_session,
    ),
    _line(
        "administration mode",
        rf"{_CID} successfully logged in using administration mode",
        _administer,
    ),
    _line(
        "session has been terminated",
        r"Session \"(?P<connection>SID-[^\"]+)\": The session has been terminated",
        _end_session,
    ),
    # ocserv: the points of its ban list tell a failure; the name was said just before
    _line("auth cont for user", r"auth cont for user '(?P<user>[^']*)'", _learns),
    _line(
        "points (total",
        r"added \d+ points \(total \d+\) for IP '(?P<source>[^']+)'",
        _last("ocserv", Outcome.FAILURE),
    ),
    _line(
        "user logged in",
        r"main\[(?P<user>[^\]]+)\]:\s?(?P<source>\S+?)(?::\d+)? user logged in",
        _tells("ocserv", Outcome.SUCCESS),
    ),
    _line(
        "user disconnected",
        r"main\[(?P<user>[^\]]+)\]:\s?(?P<source>\S+?)(?::\d+)? user disconnected",
        _tells("ocserv", Outcome.LOGOFF),
    ),
    # strongSwan: within one peer, in order
    _line("EAP identity", r"received EAP identity '(?P<user>[^']*)'", _learns),
    _line(
        "failed for peer",
        r"EAP method \S+ failed for peer (?P<source>\S+)",
        _last("strongSwan", Outcome.FAILURE),
    ),
    _line("EAP_FAILURE", r"received EAP_FAILURE", _last("strongSwan", Outcome.FAILURE)),
    _line(
        "established between",
        r"IKE_SA \S+ established between \S+\.\.\.(?P<source>[^\[\s]+)\[",
        _last("strongSwan", Outcome.SUCCESS),
    ),
    _line(
        "deleting IKE_SA",
        r"deleting IKE_SA \S+ between \S+\.\.\.(?P<source>[^\[\s]+)\[",
        _last("strongSwan", Outcome.LOGOFF),
    ),
    # nginx (error log), FreeRDP, Cisco ASA
    _line(
        "password mismatch",
        r"user \"(?P<user>[^\"]*)\": password mismatch, client: (?P<source>[^,]+)",
        _tells("Web", Outcome.FAILURE),
    ),
    _line(
        "was not found in",
        r"user \"(?P<user>[^\"]*)\" was not found in .*client: (?P<source>[^,]+)",
        _tells("Web", Outcome.FAILURE),
    ),
    _line(
        "client authentication failure",
        r"client authentication failure",
        _tells("RDP", Outcome.FAILURE),
    ),
    _line(
        "AAA user authentication",
        r"AAA user authentication Successful .*user = (?P<user>\S+)",
        _tells("Cisco VPN", Outcome.SUCCESS),
    ),
    _line(
        "AAA user authentication",
        r"authentication Rejected .*user = (?P<user>\S+?)(?: : user IP = (?P<source>\S+))?$",
        _tells("Cisco VPN", Outcome.FAILURE),
    ),
    _line(
        "parent session started",
        r"User <(?P<user>[^>]+)> IP <(?P<source>[^>]+)> .*parent session started",
        _tells("Cisco VPN", Outcome.SUCCESS),
    ),
    _line(
        "Session disconnected",
        r"Username = (?P<user>[^,]+), IP = (?P<source>[^,]+), Session disconnected",
        _tells("Cisco VPN", Outcome.LOGOFF),
    ),
)
