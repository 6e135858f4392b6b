"""Gathers the signals of requests, for many at once: the same few queries for one or thousands.

Nothing here is shown to anybody, so no right is asked. What cannot be read is left unknown.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.access.model import (
    AccessRequest,
    DeviceFacts,
    Door,
    PrincipalFacts,
    Signals,
)
from sekisho.access.store import requests as request_store
from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind, AccessState, Bar
from sekisho.controls.model import Verdict, VerdictKind
from sekisho.devices.model import DeviceState, Ownership
from sekisho.devices.service import front
from sekisho.devices.service.front import Front
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.identity.engine.limits import group_address
from sekisho.identity.model import SESSION_IDLE, Session
from sekisho.identity.service import Insight
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID, PersonID
from sekisho.kernel.installation import get_fact, set_fact

NETWORKS = "access.networks"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Known:
    """Everything read for some requests."""

    people: Mapping[str, Insight]
    sign_ins: Mapping[str, Session]
    fronts: Mapping[tuple[str, str], Front]
    states: Mapping[DeviceID, AccessState]
    verdicts: Mapping[DeviceID, Sequence[Verdict]]
    findings: Mapping[str, int]
    granted: Mapping[tuple[str, str], datetime]
    networks: Sequence[tuple[str, str, _Network]]
    bans: Mapping[str, datetime]


def gather_signals(tx: Transaction, requests: Sequence[AccessRequest]) -> list[Signals]:
    """Return the signals of requests, in their order."""
    known = _read(tx, requests)
    return [_signals(tx, request, known) for request in requests]


def _read(tx: Transaction, requests: Sequence[AccessRequest]) -> Known:
    people = {request.person_id for request in requests}
    shown = {(r.device_id, r.serial) for r in requests if r.device_id is not None}
    fronts = front.find_fronts(tx, shown)
    devices = sorted({found.device.id for found in fronts.values()})
    subjects = [f"person:{p}" for p in sorted(people)] + [f"device:{d}" for d in devices]
    settled = controls.list_settled_verdicts(tx, devices)
    return Known(
        people=identity.inspect_people(tx, people),
        sign_ins=identity.inspect_sessions(tx, {r.sign_in for r in requests if r.sign_in}),
        fronts=fronts,
        states=controls.access_states(tx, devices, settled),
        verdicts=settled,
        findings=findings.count_severe(tx, subjects),
        granted=request_store.list_granted(tx, people),
        networks=read_networks(tx),
        bans=identity.list_bans(tx),
    )


def _signals(tx: Transaction, request: AccessRequest, known: Known) -> Signals:
    device = _device_facts(request, known)
    subjects = [f"person:{request.person_id}"]
    subjects += [f"device:{device.device_id}"] if device else []
    names, country = locate(request.address, known.networks)
    return Signals(
        at=tx.now,
        person=_person_facts(request, known),
        door=request.door,
        address=request.address,
        device=device,
        networks=names,
        country=country,
        findings=sum(known.findings.get(subject, 0) for subject in subjects),
        granted_until=known.granted.get((request.person_id, request.resource_id)),
        shut_out=_is_shut_out(tx, request.address, known.bans),
    )


def _is_shut_out(tx: Transaction, address: str, bans: Mapping[str, datetime]) -> bool:
    end = bans.get(group_address(address)) if bans else None
    return end is not None and end > tx.now


def _person_facts(request: AccessRequest, known: Known) -> PrincipalFacts:
    found = known.people.get(request.person_id)
    if found is None:
        return PrincipalFacts(request.person_id, "", active=False)
    sign_in = known.sign_ins.get(request.sign_in)
    if sign_in is not None and sign_in.person_id != request.person_id:
        sign_in = None
    person = found.person
    return PrincipalFacts(
        person_id=person.id,
        name=person.name,
        active=found.active,
        roles=frozenset(held.role.value for held in person.assignments),
        groups=found.groups,
        units=found.units,
        strength=sign_in.strength if sign_in else None,
        proved_at=sign_in.authenticated_at if sign_in else None,
        sign_in_ends=min(sign_in.ends_at, sign_in.seen_at + SESSION_IDLE) if sign_in else None,
        time_zone=found.place.time_zone,
        country=found.place.country,
    )


def _device_facts(request: AccessRequest, known: Known) -> DeviceFacts | None:
    if request.door is not Door.DEVICE or request.device_id is None:
        return None
    found = known.fronts.get((request.device_id, request.serial))
    if found is None:
        return None
    device = found.device
    state = known.states.get(device.id)
    verdicts = known.verdicts.get(device.id, ())
    return DeviceFacts(
        device_id=device.id,
        title=device.title,
        state=device.state.value,
        managed=device.ownership is Ownership.COMPANY,
        owner_id=PersonID(device.owner_id) if device.owner_id else None,
        certified=found.certified,
        is_agent=device.is_agent,
        posture=state.kind.value if state else None,
        passing=_of_kind(verdicts, VerdictKind.PASS),
        failing=_failing(state),
        unproven=_of_kind(verdicts, VerdictKind.UNKNOWN),
        exempt=_of_kind(verdicts, VerdictKind.EXEMPT),
        answered_at=device.answered_at,
        valid_until=state.valid_until if state else None,
        consent_withdrawn=device.state is DeviceState.WITHDRAWN or _has_bar(state, Bar.WITHDRAWN),
        paused=device.state is DeviceState.PAUSED,
    )


def _of_kind(verdicts: Sequence[Verdict], kind: VerdictKind) -> frozenset[str]:
    return frozenset(str(each.control_id) for each in verdicts if each.kind is kind)


def _failing(state: AccessState | None) -> frozenset[str]:
    """Return the rules that fail or whose failure is not known to be mended."""
    bad = {AccessKind.FIX_BY, AccessKind.NOT_ALLOWED}
    reasons = state.reasons if state else ()
    return frozenset(str(r.control_id) for r in reasons if r.control_id and r.kind in bad)


def _has_bar(state: AccessState | None, bar: Bar) -> bool:
    return state is not None and any(reason.bar is bar for reason in state.reasons)


def read_networks(tx: Transaction) -> list[tuple[str, str, _Network]]:
    """Return (name, country, network) of the organisation's named networks."""
    stored: Sequence[Mapping[str, str]] = get_fact(tx, NETWORKS, [])
    return [
        (each["name"], each.get("country", ""), ipaddress.ip_network(each["network"]))
        for each in stored
    ]


def save_networks(tx: Transaction, networks: Collection[tuple[str, str, str]]) -> None:
    """Replace the named networks: (name, country or "", CIDR), checked by the caller."""
    rows = [{"name": n, "country": c, "network": w} for n, c, w in networks]
    set_fact(tx, NETWORKS, rows)


def locate(
    address: str, networks: Sequence[tuple[str, str, _Network]]
) -> tuple[frozenset[str] | None, str | None]:
    """Return the names of the networks that hold an address, and the country if one says it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None, None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    holding = [each for each in networks if found.version == each[2].version and found in each[2]]
    narrowest = sorted(holding, key=lambda each: -each[2].prefixlen)
    country = next((each[1] for each in narrowest if each[1]), None)
    return frozenset(each[0] for each in holding), country
