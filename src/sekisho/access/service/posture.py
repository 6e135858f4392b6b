"""The answer for those who keep their VPN or proxy: by token, and for forward authentication.

Forward authentication (nginx ``auth_request``, Traefik ``forwardAuth``, Caddy ``forward_auth``):
the proxy asks here for every request; here the decision is made anew each time, so that nothing
has to be poked. A browser gets a cookie of its own for each protected host. It is handed over by
a ticket that is good once and for one minute, and names a session of the register: it is of no
use for another resource, and ends with the sign-in it came from.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import timedelta

from sekisho.access.engine import builtin
from sekisho.access.engine.deciding import decide, refuse
from sekisho.access.model import (
    AccessRequest,
    Decision,
    Door,
    Opened,
    Resource,
    ResourceID,
    ResourceKind,
    Signals,
)
from sekisho.access.service import deciding
from sekisho.access.service.books import book_in_force
from sekisho.access.service.gathering import gather_signals
from sekisho.access.service.log import log_denied
from sekisho.access.store import resources as resource_store
from sekisho.access.store import sessions as store
from sekisho.identity import service as identity
from sekisho.identity.model import Strength
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError, UnauthenticatedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import DeviceID, PersonID
from sekisho.kernel.principal import PrincipalKind
from sekisho.kernel.secrets import SecretBox

TICKET_SECONDS = 60
_SIGN_IN = timedelta(hours=1)
_FRESH = timedelta(minutes=1)
_PURPOSE = "access.forward"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller of the posture interface says of a request."""

    person: str
    resource: str
    address: str
    device: str
    serial: str
    mfa: int
    mfa_age: timedelta | None


@dataclass(frozen=True, slots=True)
class Passed:
    """Who came through forward authentication, for the headers of the app behind."""

    person_id: str
    name: str
    email: str
    groups: tuple[str, ...]


def answer(tx: Transaction, asked: Asked) -> Decision:
    """Decide for a caller that guards its own way in. Needs ``access.decide``.

    A refusal is written down like any other. What the caller did not prove is unknown.
    """
    tx.principal.require("access.decide")
    person = identity.find_person(tx, asked.person) or identity.find_person_by_email(
        tx, asked.person.strip().lower()
    )
    resource = resource_store.find_resource(tx, asked.resource)
    request = AccessRequest(
        person.id if person else PersonID(asked.person[:64] or "nobody"),
        resource.id if resource else ResourceID("none"),
        "",
        Door.DEVICE if asked.device else Door.BROWSER,
        asked.address[:64],
        DeviceID(asked.device) if asked.device else None,
        asked.serial,
    )
    signals = _proven(gather_signals(tx, [request])[0], asked)
    decision = decide(book_in_force(tx), resource, signals)
    if not decision.allow:
        log_denied(tx, request, decision)
    return decision


def _proven(signals: Signals, asked: Asked) -> Signals:
    known = asked.mfa in set(Strength) and asked.mfa_age is not None
    if not known or asked.mfa_age is None:
        return signals
    person = replace(
        signals.person, strength=Strength(asked.mfa), proved_at=signals.at - asked.mfa_age,
        sign_in_ends=signals.at + _SIGN_IN,
    )  # fmt: skip
    return replace(signals, person=person)


def begin_forward(tx: Transaction, box: SecretBox, host: str) -> tuple[Decision, str]:
    """Open a session for the signed-in person and return a ticket for ``host`` ("" if refused).

    Raises NotFoundError where no web app has this host name, UnauthenticatedError for a stranger.
    """
    resource = find_by_host(tx, host)
    if resource is None:
        raise NotFoundError(msg("No app has the host name “%(host)s”.", host=host[:80]))
    if tx.principal.kind is not PrincipalKind.PERSON or not tx.principal.session_id:
        raise UnauthenticatedError(msg("This needs a sign-in."), hint=msg("Sign in and try again."))
    request = AccessRequest(
        PersonID(tx.principal.id), resource.id, tx.principal.session_id, Door.BROWSER,
        tx.principal.address or "",
    )  # fmt: skip
    opened = deciding.open_session(tx, request)
    if opened.session is None:
        return opened.decision, ""
    return opened.decision, make_pass(box, "ticket", opened.session.id, host)


def find_by_host(tx: Transaction, host: str) -> Resource | None:
    """Return the web app that has this host name, or None."""
    found = [
        each
        for each in resource_store.list_resources(tx)
        if each.enabled and each.kind is ResourceKind.HTTP and each.public_host == host.lower()
    ]
    return found[0] if found else None


def make_pass(box: SecretBox, kind: str, session_id: str, host: str) -> str:
    """Return a ticket or cookie: a session's id and a proof that it was made here for ``host``."""
    proof = box.mac(f"{kind}|{session_id}|{host.lower()}".encode(), _PURPOSE).hex()
    return f"{session_id}.{proof}"


def read_pass(box: SecretBox, kind: str, shown: str, host: str) -> str:
    """Return the session that a ticket or cookie names; "" for one that was not made so."""
    session_id, _, _ = shown.partition(".")
    wanted = make_pass(box, kind, session_id, host)
    return session_id if hmac.compare_digest(wanted.encode(), shown.encode()) else ""


def redeem(tx: Transaction, box: SecretBox, ticket: str, host: str) -> str:
    """Exchange a ticket for a cookie once, within a minute of its making; "" if it is no good."""
    session = store.find_session(tx, read_pass(box, "ticket", ticket, host))
    if session is None or session.ended_at is not None or session.serial:
        return ""
    if (tx.now - session.since).total_seconds() > TICKET_SECONDS:
        return ""
    store.mark_redeemed(tx, session.id)
    return make_pass(box, "cookie", session.id, host)


def check_forward(tx: Transaction, box: SecretBox, cookie: str, host: str) -> Opened:
    """Decide anew for the session of a cookie; without one that is good there is no session."""
    session_id = read_pass(box, "cookie", cookie, host)
    session = store.find_session(tx, session_id) if session_id else None
    resource = resource_store.find_resource(tx, session.resource_id) if session else None
    if session is None or resource is None or resource.public_host != host.lower():
        nobody = AccessRequest(PersonID("nobody"), ResourceID("none"), "", Door.BROWSER, "")
        signals = gather_signals(tx, [nobody])[0]
        reason = builtin.built_in_reason("sekisho.not-signed-in")
        return Opened(refuse(book_in_force(tx), signals, [reason]), None, resource)
    return deciding.refresh_session(tx, session.id)


def peek_forward(tx: Transaction, box: SecretBox, cookie: str, host: str) -> Opened | None:
    """Return the session of a cookie if it is let through and was renewed within a minute.

    Reads only. None means: ask ``check_forward``, which writes.
    """
    session_id = read_pass(box, "cookie", cookie, host)
    session = store.find_session(tx, session_id) if session_id else None
    if session is None or session.ended_at is not None or tx.now - session.checked_at > _FRESH:
        return None
    resource = resource_store.find_resource(tx, session.resource_id)
    decision = deciding.decide_access(tx, session.request)
    if not decision.allow or resource is None or resource.public_host != host.lower():
        return None
    return Opened(decision, session, resource)


def describe(tx: Transaction, opened: Opened) -> Passed:
    """Return what the app behind is told of the person."""
    person_id = opened.session.person_id if opened.session else ""
    found = identity.inspect_people(tx, [person_id])[person_id]
    return Passed(
        found.person.id, found.person.name, found.person.email, tuple(sorted(found.groups))
    )
