"""Decisions for the gate: looked at, opened, refreshed, asked again, cut. Doubt denies.

Called as Sekisho itself; what people see of it is in ``log`` and ``register``.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sekisho.access.engine import builtin
from sekisho.access.engine.deciding import decide, refuse
from sekisho.access.model import (
    AccessRequest,
    AccessSession,
    AccessSessionID,
    Cut,
    Decision,
    Door,
    Opened,
    Outcome,
    Resource,
    ResourceID,
    ResourceKind,
)
from sekisho.access.service.books import book_in_force
from sekisho.access.service.gathering import gather_signals
from sekisho.access.service.log import find_cut_reasons, log_cuts, log_denied, log_opened
from sekisho.access.store import policies as policy_store
from sekisho.access.store import resources as resource_store
from sekisho.access.store import sessions as store
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Localized, Text
from sekisho.kernel.ids import PersonID, new_id

BY_HAND = "cut-by-hand"
IDLE = timedelta(minutes=30)
"""A web app that nobody asked anything of for so long is closed; tunnels are held, not idle."""
_MOST_DUE = 1_000
_NOBODY = AccessRequest(PersonID("nobody"), ResourceID("none"), "", Door.BROWSER, "")
# What a change of these can mean is not known from its name: everybody is asked again.
_EVERYBODY = frozenset(
    {
        "controls",
        "exception",
        "group",
        "identity",
        "network",
        "policy",
        "provider",
        "settings",
        "unit",
    }
)


def decide_access(tx: Transaction, request: AccessRequest) -> Decision:
    """Say whether a request is allowed now; writes nothing and never raises for a refusal."""
    return decide_many(tx, [request])[0]


def decide_many(tx: Transaction, requests: Sequence[AccessRequest]) -> list[Decision]:
    """Decide many requests with the same few queries."""
    return [decision for decision, _ in _decide(tx, requests)]


def _decide(
    tx: Transaction, requests: Sequence[AccessRequest]
) -> list[tuple[Decision, Resource | None]]:
    """Decide each different request once; thousands of tunnels may be of one person and device."""
    once = list(dict.fromkeys(requests))
    book = book_in_force(tx)
    resources = resource_store.find_resources(tx, {each.resource_id for each in once})
    found = {}
    for request, signals in zip(once, gather_signals(tx, once), strict=True):
        resource = resources.get(request.resource_id)
        found[request] = (decide(book, resource, signals), resource)
    return [found[request] for request in requests]


def open_session(tx: Transaction, request: AccessRequest) -> Opened:
    """Decide and, if allowed, open a session; either way it is written down here.

    Acknowledge it only after the transaction has been committed.
    """
    return open_sessions(tx, [request])[0]


def open_sessions(tx: Transaction, requests: Sequence[AccessRequest]) -> list[Opened]:
    """Do ``open_session`` for several at once, in their order."""
    opened = [
        Opened(decision, _new_session(tx, request, where, decision), where)
        if decision.allow and where is not None
        else Opened(decision, None, where)
        for request, (decision, where) in zip(requests, _decide(tx, requests), strict=True)
    ]
    begun = [(each.session, each.decision) for each in opened if each.session is not None]
    store.insert_sessions(tx, [session for session, _ in begun])
    log_opened(tx, begun)
    for request, each in zip(requests, opened, strict=True):
        if each.session is None:
            log_denied(tx, request, each.decision)
    return opened


def _new_session(
    tx: Transaction, request: AccessRequest, resource: Resource, decision: Decision
) -> AccessSession:
    return AccessSession(
        id=AccessSessionID(new_id("acs")),
        person_id=request.person_id,
        device_id=request.device_id,
        resource_id=resource.id,
        kind=resource.kind,
        door=request.door,
        sign_in=request.sign_in,
        serial=request.serial,
        address=request.address,
        since=tx.now,
        checked_at=tx.now,
        valid_until=decision.valid_until,
        policy_version=decision.policy_version,
        trust=decision.trust,
    )


def refresh_session(tx: Transaction, session_id: str) -> Opened:
    """Ask again for a session that is in use; a refusal cuts it. Unknown or ended: None."""
    session = store.find_session(tx, session_id)
    if session is None or session.ended_at is not None:
        return Opened(_ended(tx, session), None, None)
    decision, resource = _decide(tx, [session.request])[0]
    if not decision.allow:
        record_cuts(tx, [Cut(session, decision)])
        return Opened(decision, None, resource)
    store.renew_sessions(
        tx, [(session.id, decision.valid_until, decision.policy_version)], used=True
    )
    identity.keep_sessions(tx, [session.sign_in])
    renewed = replace(session, checked_at=tx.now, valid_until=decision.valid_until)
    return Opened(decision, renewed, resource)


def _ended(tx: Transaction, session: AccessSession | None) -> Decision:
    if session is not None and session.ended_because == BY_HAND:
        return _ended_by_hand(tx, [session])[0].decision
    reason = builtin.built_in_reason("sekisho.session-ended")
    request = session.request if session else _NOBODY
    return refuse(book_in_force(tx), gather_signals(tx, [request])[0], [reason])


def _ended_by_hand(tx: Transaction, sessions: Sequence[AccessSession]) -> list[Cut]:
    """Return what the person of each is told: the very words of whoever ended it."""
    if not sessions:
        return []
    said = find_cut_reasons(tx, sessions)
    signals = gather_signals(tx, [session.request for session in sessions])
    book, usual = book_in_force(tx), [builtin.built_in_reason(BY_HAND)]
    return [
        Cut(session, refuse(book, each, said.get(session.id, usual)))
        for session, each in zip(sessions, signals, strict=True)
    ]


def end_by_hand_decision(
    tx: Transaction, sessions: Sequence[AccessSession], why: str
) -> list[tuple[AccessSession, Decision]]:
    """Return for each session the decision that says who ended it and why."""
    said = replace(
        builtin.built_in_reason(BY_HAND), fix=Text("%(words)s", {"words": Localized(why, why)})
    )
    signals = gather_signals(tx, [session.request for session in sessions]) if sessions else []
    book = book_in_force(tx)
    pairs = zip(sessions, signals, strict=True)
    return [(session, refuse(book, each, [said])) for session, each in pairs]


def close_sessions(tx: Transaction, session_ids: Sequence[str], because: str) -> None:
    """Note that sessions were ended by their person or their peer; again is no error."""
    why = because[:100]
    live = store.end_sessions(tx, [(name, why) for name in session_ids])
    evidence.record_many(tx, [
        NewRecord("access.closed", f"session:{name}", {"because": why}, None) for name in live
    ])  # fmt: skip


def find_cuts(tx: Transaction, subjects: Collection[str] | None = None) -> list[Cut]:
    """Ask again for every live session that ``subjects`` concern (None: all); return the refused.

    Reads only, so that data can be stopped before anything is written.
    """
    return find_refused(tx, list_concerned(tx, subjects)) + find_cut_by_hand(tx, subjects or ())


def find_cut_by_hand(tx: Transaction, subjects: Collection[str]) -> list[Cut]:
    """Return those of the named sessions that somebody has ended in the register."""
    named = [s.removeprefix("session:") for s in subjects if s.startswith("session:")]
    known = store.list_by_ids(tx, named) if named else []
    return _ended_by_hand(tx, [each for each in known if each.ended_because == BY_HAND])


def list_concerned(tx: Transaction, subjects: Collection[str] | None) -> list[AccessSession]:
    """List the live sessions that a change of ``subjects`` can concern (None: all)."""
    kinds = {subject.partition(":")[0] for subject in subjects or ()}
    if subjects is None or kinds & _EVERYBODY:
        return store.list_live(tx, everything=True)
    named = {
        kind: {s.partition(":")[2] for s in subjects if s.startswith(f"{kind}:")}
        for kind in ("person", "device", "resource")
    }
    return store.list_live(
        tx, people=named["person"], devices=named["device"], resources=named["resource"]
    )


def find_refused(tx: Transaction, sessions: Sequence[AccessSession]) -> list[Cut]:
    """Ask again for these sessions; return the refused. Reads only."""
    decisions = decide_many(tx, [session.request for session in sessions]) if sessions else []
    pairs = zip(sessions, decisions, strict=True)
    return [Cut(session, decision) for session, decision in pairs if not decision.allow]


def record_cuts(tx: Transaction, cuts: Sequence[Cut]) -> None:
    """Write down what was cut; sessions that had ended meanwhile are left as they are."""
    ended = [(cut.session.id, cut.decision.reasons[0].id[:100]) for cut in cuts]
    live = set(store.end_sessions(tx, ended))
    log_cuts(tx, [cut for cut in cuts if cut.session.id in live], Outcome.CUT)


def find_due(tx: Transaction, in_use: Collection[str] = ()) -> list[Cut]:
    """Ask again for sessions whose decision ran out; renew the good, return those to cut.

    ``in_use`` are those that the gate holds a stream of. Web apps and desktops that nobody uses any
    more are closed on the way; of a tunnel the gate says itself when it ends.
    """
    due = store.list_due(tx, _MOST_DUE)
    used = {s.id for s in due if s.kind is ResourceKind.TCP or s.id in in_use}
    idle = {s.id for s in due if s.id not in used and s.checked_at + IDLE <= tx.now}
    close_sessions(tx, sorted(idle), "idle")
    asked = [session for session in due if session.id not in idle]
    decisions = decide_many(tx, [s.request for s in asked]) if asked else []
    pairs = list(zip(asked, decisions, strict=True))
    good = [(s, d) for s, d in pairs if d.allow]
    for is_used in (True, False):
        rows = [(str(s.id), d.valid_until, d.policy_version) for s, d in good
                if (s.id in used) is is_used]  # fmt: skip
        store.renew_sessions(tx, rows, used=is_used)
    identity.keep_sessions(tx, [s.sign_in for s, _ in good if s.id in used])
    return [Cut(session, decision) for session, decision in pairs if not decision.allow]


def list_live(tx: Transaction) -> list[AccessSession]:
    """Return what the register holds for live; for the gate's start."""
    return store.list_live(tx, everything=True)


def has_due(tx: Transaction) -> bool:
    """Tell whether any session's decision has run out."""
    return bool(store.list_due(tx, 1))


def deny_list(tx: Transaction, since: datetime) -> list[AccessSession]:
    """Return the sessions that ended since then; their cookies may still look good."""
    return store.list_ended_since(tx, since)


def resources_version(tx: Transaction) -> str:
    """Return a word that differs whenever resources or policies do."""
    count, total = resource_store.stamp_resources(tx)
    return f"{count}.{total}.{policy_store.number_in_force(tx)}"


def list_resources_for_gate(tx: Transaction) -> list[Resource]:
    """Return every resource that is switched on."""
    return [each for each in resource_store.list_resources(tx) if each.enabled]
