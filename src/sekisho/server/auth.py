"""The one front door: every request becomes one ``Principal``, by the same checks in one order.

1. Is the address served by the listener the request came in by?
2. Is the sender's address shut out, or blocked after too many failures? (A block does not end
   sessions and passkeys: they cannot be guessed.)
3. What is shown: a session cookie, ``Authorization: Bearer sks_…`` or ``NodeKey …``? Two at once
   are refused: what two parts of a system read differently, an attacker can use (RFC 9110 has no
   order between them).
4. Is it known, not revoked and not past its end; is the person behind it not disabled?
5. May this kind of caller ask here at all? Nobody unknown may, but for ``knock.ANONYMOUS_PATHS``.
6. Does a request that changes something really come from our own page (cookie sessions only; a
   token or key is never sent by a browser on its own)?

Rights are checked by the services. Doubt denies: a route that is not listed in ``knock`` is for the
admin listener and for known callers only.
"""

import getpass
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from litestar import Request
from litestar.concurrency import sync_to_thread

from sekisho.identity import service as identity
from sekisho.identity.engine.limits import group_address
from sekisho.identity.engine.rights import narrow, narrow_scoped
from sekisho.identity.model import Admission, Refused, Strength
from sekisho.identity.roles import AWAY_RIGHTS, SELF_RIGHTS
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    NotPermittedError,
    UnauthenticatedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import ALL_RIGHTS, ANONYMOUS, SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.server.knock import (
    DOORWAY_PATHS,
    SAFE_METHODS,
    Knock,
    check_listener,
    is_anonymous,
    is_away_directory,
    is_device_path,
    is_same_origin,
    is_unguessable,
    not_here,
    read_knock,
)
from sekisho.server.pace import Pace

_BLOCKED_FRESH = timedelta(seconds=1)
# Of one address; the directories of the large providers send at most some ten a second.
_DIRECTORY_MOST = 1_200
_DIRECTORY_SCOPES = frozenset({"identity.scim"})
# Credentials that are looked up in the database, so on a thread. A node key is looked up in memory:
# handing each check-in to a thread and back cost more than the look (docs/performance.md).
_IN_DATABASE = frozenset({"cookie", "bearer"})


class DeviceAuthenticator(Protocol):
    """What the room of devices offers the front door."""

    def find_device(self, node_key: str) -> Principal | None:
        """Return the device that has this node key, or None."""
        ...


class House(Protocol):
    """What the front door needs of the opened house."""

    @property
    def database(self) -> Database:
        """Return the database."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...

    @property
    def box(self) -> SecretBox:
        """Return the box of secrets."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Who came in, the page's CSRF token and the person's language ("" for anyone else)."""

    principal: Principal
    csrf: str = ""
    language: str = ""
    usual: str = ""  # the language where the request names none: that of a token's owner


class FrontDoor:
    """Lets callers of one house in."""

    def __init__(self, house: House, devices: DeviceAuthenticator | None = None) -> None:
        self._house = house
        self._devices = devices
        self._blocked: Mapping[str, datetime] = {}
        self._shut_out: Mapping[str, datetime] = {}
        self._blocked_at: datetime | None = None
        self._scim_public = False
        self._directory_pace = Pace(_DIRECTORY_MOST, timedelta(minutes=1))

    async def admit(self, request: Request[Any, Any, Any]) -> Principal:
        """Return who asks and leave it in the scope (``sekisho.principal``, ``.csrf``).

        Raises the kernel's errors for whom it does not let in; the scope then holds ANONYMOUS.
        """
        leave(request, Entry(ANONYMOUS))
        entry = await self.let_in(await read_knock(request))
        leave(request, entry)
        return entry.principal

    async def let_in(self, knock: Knock) -> Entry:
        """Do what ``open`` does, on a thread where the database has to be asked."""
        waits = knock.credential.kind in _IN_DATABASE or not self._knows_blocked()
        return await sync_to_thread(self.open, knock) if waits else self.open(knock)

    def open(self, knock: Knock) -> Entry:
        """Return who knocks; raise if they may not come in (in the order said above)."""
        check_listener(knock)
        seconds = self._seconds_left(knock.address)
        self._check_directory(knock)
        if seconds and knock.credential.kind not in {"", "cookie"}:
            raise identity.too_many(seconds)
        entry = self._identify(knock)
        if seconds and entry.principal.kind is not PrincipalKind.PERSON:
            check_blocked(knock, seconds)
        check_place(knock, entry.principal)
        check_forgery(knock, entry)
        return entry

    def _seconds_left(self, address: str) -> int:
        """Return how long an address must wait, 0 if it need not; refuse one that is shut out.

        The lists are read once a second (new tries count themselves).
        """
        now = self._house.clock.now()
        if not self._knows_blocked():
            with self._house.database.read(SYSTEM) as tx:
                self._blocked = identity.list_blocked_addresses(tx)
                self._shut_out = identity.list_bans(tx)
                self._scim_public = identity.is_scim_public(tx)
            self._blocked_at = now
        unit = group_address(address) if self._blocked or self._shut_out else ""
        if (end := self._shut_out.get(unit)) is not None and end > now:
            raise _shut_out()
        until = self._blocked.get(unit)
        return max(1, int((until - now).total_seconds())) if until and until > now else 0

    def _check_directory(self, knock: Knock) -> None:
        """Return unless SCIM is asked for where it is not served, or too often."""
        if not is_away_directory(knock):
            return
        if not self._scim_public:
            raise not_here()
        wait = self._directory_pace.seconds_to_wait(
            group_address(knock.address), self._house.clock.now()
        )
        if wait:
            raise identity.too_many(wait)

    def _knows_blocked(self) -> bool:
        """Tell whether the list of blocked addresses is fresh (and not from before a set clock)."""
        if self._blocked_at is None:
            return False
        return self._house.clock.now() - self._blocked_at < _BLOCKED_FRESH

    def _identify(self, knock: Knock) -> Entry:
        match knock.credential.kind:
            case "cookie":
                return self._by_session(knock)
            case "bearer":
                return self._by_token(knock)
            case "nodekey":
                return self._by_node_key(knock)
        return Entry(_at(ANONYMOUS, knock.address))

    def _by_session(self, knock: Knock) -> Entry:
        secret = knock.credential.secret
        try:
            admission = self._admitted(lambda tx: identity.admit_session(tx, secret))
        except UnauthenticatedError:
            if is_anonymous(knock):
                return Entry(_at(ANONYMOUS, knock.address))  # the way to sign in again
            raise
        csrf = csrf_token(self._house.box, secret)
        return Entry(_principal(admission, knock), csrf, admission.person.language)

    def _by_token(self, knock: Knock) -> Entry:
        secret = knock.credential.secret
        try:
            admission = self._admitted(lambda tx: identity.admit_token(tx, secret))
        except UnauthenticatedError as error:
            refused: UnauthenticatedError = error
            identity.try_act(
                self._house.database,
                ANONYMOUS,
                lambda tx: _refuse(tx, knock.address, refused),
            )
            raise
        return Entry(_principal(admission, knock), usual=admission.person.language)

    def _admitted(self, look: "Look") -> Admission:
        with self._house.database.read(SYSTEM) as tx:
            admission = look(tx)
            due = identity.needs_touch(tx, admission)
        if due:
            with self._house.database.write(SYSTEM) as tx:
                identity.touch(tx, admission)
        return admission

    def _by_node_key(self, knock: Knock) -> Entry:
        """Find the device; an unknown key is nobody, to whom the room says ``node_invalid``."""
        found = self._devices.find_device(knock.credential.secret) if self._devices else None
        return Entry(_at(found or ANONYMOUS, knock.address))


class Look(Protocol):
    """Reads who a secret stands for."""

    def __call__(self, tx: Transaction, /) -> Admission:
        """Return the admission, or raise UnauthenticatedError."""
        ...


def _refuse(tx: Transaction, address: str, error: UnauthenticatedError) -> Refused:
    return identity.refuse_address(tx, address, error)


def _principal(admission: Admission, knock: Knock) -> Principal:
    """Make the principal; away from the admin listener few have rights beyond their own things.

    A session stolen from a page that the whole network reaches then administers nothing.
    """
    person, session, token = admission.person, admission.session, admission.token
    inside = knock.listener == "admin"
    rights, scoped = (admission.rights, admission.scoped) if inside else _away(admission, knock)
    if token is not None:
        name = f"{person.name} ({token.label})"
        return Principal(
            PrincipalKind.TOKEN, token.id, name, rights, address=knock.address, scoped=scoped,
            owner_id=person.id,
        )  # fmt: skip
    return Principal(
        PrincipalKind.PERSON,
        person.id,
        person.name,
        rights,
        session.id if session else None,
        session.authenticated_at if session else None,
        knock.address,
        scoped,
    )


def _away(
    admission: Admission, knock: Knock
) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """Return the rights on the public listener, everywhere and by unit.

    Beyond one's own things: AWAY_RIGHTS, in a browser, once two factors are proved; for a token
    of a directory its one right, at the directory's address and nowhere else.
    """
    if is_away_directory(knock):
        lone = admission.token is not None and admission.token.scopes == _DIRECTORY_SCOPES
        return narrow(_DIRECTORY_SCOPES if lone else (), admission.rights), {}
    session = admission.session
    if session is None or session.strength < Strength.TWO:
        return narrow(SELF_RIGHTS, admission.rights), {}
    rights = narrow(SELF_RIGHTS | AWAY_RIGHTS, admission.rights)
    return rights, narrow_scoped(AWAY_RIGHTS, admission.scoped)


def _at(principal: Principal, address: str) -> Principal:
    return replace(principal, address=address)


def command_principal(box: SecretBox) -> Principal:
    """Return the principal of a command run on the machine itself.

    The opened box is the proof: only who may read the secret key (mode 0600) has one.
    """
    del box
    return Principal(PrincipalKind.COMMAND, getpass.getuser(), "sekisho", frozenset({ALL_RIGHTS}))


def leave(request: Request[Any, Any, Any], entry: Entry) -> None:
    """Put an entry where dependencies and pages find it."""
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # ASGI lets a server add keys
    scope["sekisho.principal"] = entry.principal
    scope["sekisho.csrf"] = entry.csrf
    scope["sekisho.language"] = entry.language
    scope["sekisho.usual_language"] = entry.usual


def _shut_out() -> NotPermittedError:
    return NotPermittedError(
        msg("This address has been shut out by an administrator."),
        hint=msg("Call your organisation if this is a mistake."),
    )


def check_blocked(knock: Knock, seconds: int) -> None:
    """Return if a blocked address may ask this of whom nobody knows; raise RateLimitedError.

    Sessions and passkeys cannot be guessed: failures of others at the same address do not end them.
    """
    if not is_unguessable(knock):
        raise identity.too_many(seconds)


def check_place(knock: Knock, principal: Principal) -> None:
    """Return if this kind of caller may ask here; raise otherwise."""
    kind = principal.kind
    if kind is PrincipalKind.ANONYMOUS and not is_anonymous(knock):
        raise UnauthenticatedError(msg("This needs a sign-in."), hint=msg("Sign in and try again."))
    for_devices = is_device_path(knock)
    if kind is not PrincipalKind.ANONYMOUS and for_devices != (kind is PrincipalKind.DEVICE):
        raise NotPermittedError(
            msg("This address is not for this kind of caller (%(kind)s).", kind=kind),
            hint=msg("Devices use /api/osquery and /api/agent; people and programs the rest."),
        )


def check_forgery(knock: Knock, entry: Entry) -> None:
    """Return if a changing request of a browser comes from our own page.

    Raises NotPermittedError otherwise. OWASP's synchroniser token, and Origin (RFC 6454) or
    Sec-Fetch-Site (W3C Fetch Metadata) beside it.
    """
    person = entry.principal.kind is PrincipalKind.PERSON
    doorway = knock.template in DOORWAY_PATHS
    if knock.method in SAFE_METHODS or not (person or doorway):
        return
    if not is_same_origin(knock):
        raise _forged(msg("The request comes from another site."))
    token_fits = hmac.compare_digest(knock.sent_csrf.encode(), entry.csrf.encode())
    if person and not doorway and not (entry.csrf and token_fits):
        raise _forged(msg("The request lacks this page's token."))


def _forged(why: object) -> NotPermittedError:
    return NotPermittedError(
        msg("Refused: %(why)s", why=why), hint=msg("Load the page again and repeat the step.")
    )


def csrf_token(box: SecretBox, cookie: str) -> str:
    """Return the token of all pages of one session; it cannot be made without key and cookie."""
    return box.mac(cookie.encode("utf-8", "surrogatepass"), "identity.csrf").hex()
