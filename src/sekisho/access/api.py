"""Access as JSON: the register, the log, resources, and the answer for those who keep their VPN.

``POST /api/access/decide`` is the posture interface: a VPN, a proxy or a script asks whether a
person may reach a resource from a device, and gets yes or no with the reasons. It asks as a token
of scope ``access.decide`` and stands for what the caller has verified itself: it must name only
the device whose certificate it has checked and only the person it has signed in.
"""

from datetime import datetime, timedelta

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.access import published, service
from sekisho.access.model import AccessSession, Outcome, Reason
from sekisho.access.service import posture
from sekisho.access.service.log import Logged
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import Principal


class ReasonView(msgspec.Struct):
    """One reason, in the language asked for."""

    id: str
    text: str
    fix: str
    controls: list[str]
    missing: list[str]


class DecisionView(msgspec.Struct):
    """The answer; it may be used until ``valid_until`` and not a second longer."""

    allow: bool
    reasons: list[ReasonView]
    policy_version: int
    at: datetime
    valid_until: datetime


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """Who wants to reach what from where.

    ``person`` is an id or e-mail address; ``device`` an id, "" for any browser; ``serial`` the
    device certificate's; ``mfa`` 1 to 3 and ``mfa_age`` in seconds say how the caller's own
    sign-in was proven (absent: nothing was proven). ``language`` is ja or en.
    """

    person: str
    resource: str
    address: str = ""
    device: str = ""
    serial: str = ""
    mfa: int = 0
    mfa_age: int = -1
    language: str = "ja"


class SessionView(msgspec.Struct):
    """One live session; times are UTC."""

    id: str
    person_id: str
    person: str
    device_id: str | None
    resource_id: str
    kind: str
    door: str
    trust: str
    address: str
    since: datetime
    checked_at: datetime
    valid_until: datetime


class SessionList(msgspec.Struct):
    """One page of live sessions; ``total`` counts all pages."""

    sessions: list[SessionView]
    total: int
    page: int
    page_size: int


class CutOrderView(msgspec.Struct, forbid_unknown_fields=True):
    """What is cut around a session (one, person, device) and why."""

    reason: str
    what: str = "one"


class CutView(msgspec.Struct):
    """How many sessions were cut."""

    cut: int


class LoggedView(msgspec.Struct):
    """One line of the log of decisions."""

    id: str
    at: datetime
    last_at: datetime
    times: int
    outcome: str
    person_id: str
    device_id: str | None
    resource_id: str
    address: str
    policy_version: int
    reasons: list[ReasonView]


class LogList(msgspec.Struct):
    """One page of the log; ``total`` counts all pages."""

    decisions: list[LoggedView]
    total: int
    page: int
    page_size: int


class NetworkView(msgspec.Struct, forbid_unknown_fields=True):
    """A named network: its ranges in CIDR form, its country ("" says none)."""

    name: str
    ranges: list[str]
    country: str = ""


class UsedNetworkView(NetworkView):
    """A named network with the ids of the policies that use it."""

    used_by: list[str] = []


class NetworkList(msgspec.Struct):
    """Every named network."""

    networks: list[UsedNetworkView]


@post("/api/access/decide", sync_to_thread=True, status_code=200, tags=["access"])
def decide(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[Question],
) -> DecisionView:
    """Decide for a caller that guards a way in of its own; a refusal is written down."""
    asked = posture.Asked(
        data.person, data.resource, data.address, data.device, data.serial, data.mfa,
        timedelta(seconds=data.mfa_age) if 0 <= data.mfa_age < 10**9 else None,
    )  # fmt: skip
    with database.write(principal) as tx:
        found = posture.answer(tx, asked)
    language = "en" if data.language == "en" else "ja"
    return DecisionView(
        found.allow, [_reason(r, language) for r in found.reasons], found.policy_version,
        found.at, found.valid_until,
    )  # fmt: skip


@get("/api/access/sessions", sync_to_thread=True, tags=["access"])
def list_sessions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    search: FromQuery[str] = "",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> SessionList:
    """List who is connected to what since when."""
    principal.require("access.read")
    with database.read(principal) as tx:
        wanted = service.find_sessions(tx, search.strip(), "")
        found = service.list_sessions(tx, wanted, page=page, page_size=page_size)
    views = [_session(s, found.people.get(s.person_id, "")) for s in found.sessions]
    return SessionList(views, found.total, page, page_size)


@post("/api/access/sessions/{session_id:str}/cut", sync_to_thread=True, status_code=200,
      tags=["access"])  # fmt: skip
def cut(
    session_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[CutOrderView],
) -> CutView:
    """Cut one session, or all of its person or device."""
    principal.require("access.cut")
    with database.write(principal) as tx:
        return CutView(service.cut_around(tx, session_id, data.what, data.reason))


@get("/api/access/decisions", sync_to_thread=True, tags=["access"])
def list_decisions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    search: FromQuery[str] = "",
    outcome: FromQuery[str] = "",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> LogList:
    """List decisions, the newest first."""
    principal.require("access.read")
    if outcome and outcome not in set(Outcome):
        raise ValidationException("outcome is allow, deny or cut")
    with database.read(principal) as tx:
        wanted = service.find_decisions(tx, search.strip(), outcome, None)
        found = service.list_decisions(tx, wanted, page=page, page_size=page_size)
    return LogList([_logged(e) for e in found.entries], found.total, page, page_size)


@get("/api/access/networks", sync_to_thread=True, tags=["access"])
def list_networks(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> NetworkList:
    """List the named networks with the policies that use each."""
    with database.read(principal) as tx:
        return NetworkList([_network(each) for each in service.list_used_networks(tx)])


@put("/api/access/networks/{name:str}", sync_to_thread=True, tags=["access"])
def put_network(
    name: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[NetworkView],
) -> NetworkView:
    """Add the network of this name, or change it; ``data`` may give it another name."""
    made = service.NamedNetwork(data.name, tuple(data.ranges), data.country)
    with database.write(principal) as tx:
        known = {each.network.name for each in service.list_used_networks(tx)}
        service.put_network(tx, made, before=name if name in known else "")
    return data


@delete("/api/access/networks/{name:str}", sync_to_thread=True, tags=["access"])
def remove_network(
    name: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> None:
    """Remove a network that no policy uses."""
    with database.write(principal) as tx:
        service.remove_network(tx, name)


def _network(used: service.UsedNetwork) -> UsedNetworkView:
    found = used.network
    return UsedNetworkView(
        found.name, list(found.ranges), found.country, [each.id for each in used.policies]
    )


def _reason(reason: Reason, language: str) -> ReasonView:
    return ReasonView(
        reason.id, translate(reason.text, language), translate(reason.fix, language),
        list(reason.controls), list(reason.missing),
    )  # fmt: skip


def _session(session: AccessSession, name: str) -> SessionView:
    return SessionView(
        session.id, session.person_id, name, session.device_id, session.resource_id,
        session.kind.value, session.door.value, session.trust.word, session.address,
        session.since, session.checked_at, session.valid_until,
    )  # fmt: skip


def _logged(entry: Logged) -> LoggedView:
    return LoggedView(
        entry.id, entry.at, entry.last_at, entry.times, entry.outcome.value, entry.person_id,
        entry.device_id, entry.resource_id, entry.address, entry.policy_version,
        [_reason(reason, "en") for reason in entry.reasons],
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    decide, list_sessions, cut, list_decisions, list_networks, put_network, remove_network,
    *published.HANDLERS,
]  # fmt: skip
