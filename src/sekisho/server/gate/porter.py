"""Answers what Envoy cannot decide by itself (ext_authz): sign-ins, refreshes, tunnels, refusals.

Doubt denies: an error here is a refusal, and a request whose door, certificate or host does not
fit is refused before anybody is asked about it.
"""

import secrets
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from envoy.service.auth.v3 import external_auth_pb2 as wire

from sekisho.access.model import AccessRequest, Cut, Door, Resource
from sekisho.access.service import TurnedAway, TurnedAwayFor
from sekisho.kernel.i18n import msg, translate
from sekisho.kernel.ids import PersonID
from sekisho.server.gate import answers, cookies
from sekisho.server.gate.asked import Asked, read_asked
from sekisho.server.gate.directory import Directory
from sekisho.server.gate.judge import Answer, Judge
from sekisho.server.gate.plan import COOKIES, IDENTITY_PREFIX, ISSUER, OWN_PREFIX, audience_of
from sekisho.server.gate.tickets import Ticket, TicketOffice, digest_asker

log = structlog.get_logger()

STATE_COOKIE = "__Host-sekisho-state"
_STATE_SECONDS = 600


@dataclass(slots=True)
class Porter:
    """Stands at both doors.

    ``portal`` is the address where people sign in. ``asked`` counts the questions of Envoy: none
    of them comes from a request with a good cookie. ``opened`` is told of each tunnel allowed,
    ``turned_away`` of each caller about whom there was nothing to decide, with the address.
    """

    judge: Judge
    key: cookies.CookieKey
    office: TicketOffice
    portal: str
    directory: Directory = field(default_factory=Directory)
    asked: int = 0
    opened: Callable[[str], None] = lambda _: None
    turned_away: Callable[[TurnedAway, str], None] = lambda _, __: None
    _cuts: dict[str, Cut] = field(default_factory=dict)

    def remember_cut(self, cut: Cut) -> None:
        """Keep why a session was cut, for the one whose it was."""
        self._cuts[cut.session.id] = cut
        if len(self._cuts) > _REMEMBERED:
            del self._cuts[next(iter(self._cuts))]

    async def check(self, question: bytes) -> bytes:
        """Answer one question of Envoy: a ``CheckRequest`` with a ``CheckResponse``."""
        answer = await self._check(wire.CheckRequest.FromString(question))
        return bytes(answer.SerializeToString())

    async def _check(self, request: Any) -> wire.CheckResponse:
        self.asked += 1
        try:
            return await self._answer(read_asked(request))
        except Exception as error:
            log.exception("the gate could not decide", why=str(error))
            return answers.say_json(503, {"error": str(answers.NOT_NOW)})

    async def _answer(self, asked: Asked) -> wire.CheckResponse:
        if asked.is_tunnel:
            return await self._open_tunnel(asked)
        if asked.server and asked.server != asked.host:
            return answers.refuse(answers.MISDIRECTED, "421 Misdirected Request\n")
        resource = self.directory.find(asked)
        if asked.path.startswith(OWN_PREFIX):
            return await self._own(asked, resource)
        if resource is None:
            return answers.refuse(answers.MISDIRECTED, "421 Misdirected Request\n")
        if asked.door is Door.DEVICE and asked.device is None:
            return self._refuse_unknown_device(asked, resource)
        return await self._refresh(asked, resource)

    # ── apps ─────────────────────────────────────────────────────────────────────────────────────

    async def _refresh(self, asked: Asked, resource: Resource) -> wire.CheckResponse:
        """Decide anew about the session of an old cookie; the request itself goes on."""
        claims = self.key.read(asked.cookie) if asked.cookie else None
        if claims is None or not _fits(claims, asked, resource):
            self._note_foreign(asked, asked.cookie, claims, resource.id)
            return self._ask_to_sign_in(asked, resource)
        answer = await self.judge.refresh(str(claims["sid"]))
        session = answer.opened.session
        if session is not None and session.serial != asked.serial and asked.door is Door.DEVICE:
            # The device was given a new certificate, or shows one that is no longer good.
            answer = await self.judge.open(
                _request(asked, resource, session.person_id, session.sign_in)
            )
        if answer.opened.session is not None:
            return self._let_in(asked, answer)
        if asked.is_visit and _ids(answer) & _SIGN_IN_AGAIN:
            return self._ask_to_sign_in(asked, resource)
        return self._refuse(asked, resource, answer)

    def _let_in(self, asked: Asked, answer: Answer) -> wire.CheckResponse:
        session = answer.opened.session
        assert session is not None  # noqa: S101 - both callers have looked
        told = identity_headers(answer)
        return answers.allow(told, self._cookie(asked, answer), {"session": session.id})

    def _cookie(self, asked: Asked, answer: Answer) -> str:
        session, door = answer.opened.session, asked.door
        assert session is not None and door is not None  # noqa: S101, PT018 - the callers have looked
        token = self.key.sign(cookies.make_claims(session, answer.email, self.judge.now()))
        # The browser keeps it longer than it is good: an old one tells whose session to look at.
        return f"{COOKIES[door]}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"

    def _ask_to_sign_in(self, asked: Asked, resource: Resource) -> wire.CheckResponse:
        """Lead a person to the portal; tell a program that it has to be signed in."""
        if not asked.is_visit:
            text = translate(answers.SIGN_IN_FIRST, asked.language)
            return answers.say_json(answers.NOT_SIGNED_IN, {"error": text})
        secret = secrets.token_urlsafe(24)
        query = urllib.parse.urlencode(
            {"resource": resource.id, "asker": digest_asker(secret), "to": asked.path}
        )
        kept = (
            f"{STATE_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax; "
            f"Max-Age={_STATE_SECONDS}"
        )
        return answers.redirect(f"{self.portal}/gate/enter?{query}", [kept])

    def _refuse(self, asked: Asked, resource: Resource, answer: Answer) -> wire.CheckResponse:
        """Say why not: a page to a person, data to a program."""
        decision = answer.opened.decision
        reasons = answers.reasons_as_data(decision.reasons, asked.language)
        if "text/html" not in asked.headers.get("accept", ""):
            return answers.say_json(answers.FORBIDDEN, {"reasons": reasons})
        return answers.say_page(
            answers.FORBIDDEN, asked.language, answers.NO_ACCESS, reasons=reasons,
            resource=resource.named(asked.language), lead=MY_APPS,
            portal=f"{self.portal}/my/access?resource={resource.id}",
        )  # fmt: skip

    def _note(self, asked: Asked, why: TurnedAwayFor, **told: str) -> None:
        door = asked.door.value if asked.door else ""
        self.turned_away(TurnedAway(why, door, asked.device, **told), asked.address)

    def _note_foreign(
        self, asked: Asked, shown: str, claims: Mapping[str, object] | None, resource: str
    ) -> None:
        """Note what was shown if it was made up, or given to another device than this one."""
        if shown and claims is None:
            self._note(asked, TurnedAwayFor.NOT_OURS, resource_id=resource)
        elif claims is not None and claims.get("dev") not in {None, asked.device}:
            named = {"person_id": str(claims.get("sub", ""))[:64]}
            self._note(asked, TurnedAwayFor.OTHER_DEVICE, resource_id=resource, **named)

    def _refuse_unknown_device(self, asked: Asked, resource: Resource) -> wire.CheckResponse:
        self._note(asked, TurnedAwayFor.NO_CERTIFICATE, resource_id=resource.id)
        reason = {
            "text": translate(NO_CERTIFICATE, asked.language),
            "fix": translate(ENROL, asked.language),
        }
        if "text/html" not in asked.headers.get("accept", ""):
            return answers.say_json(answers.FORBIDDEN, {"reasons": [reason]})
        return answers.say_page(
            answers.FORBIDDEN, asked.language, answers.NO_DEVICE, reasons=[reason],
            resource=resource.named(asked.language), portal=f"{self.portal}/my", lead=_MY_PAGE,
        )  # fmt: skip

    # ── the gate's own paths ─────────────────────────────────────────────────────────────────────

    async def _own(self, asked: Asked, resource: Resource | None) -> wire.CheckResponse:
        path, _, query = asked.path.partition("?")
        wanted = dict(urllib.parse.parse_qsl(query))
        match path.removeprefix(OWN_PREFIX):
            case "style.css":
                return answers.style_sheet()
            case "enter" if resource is not None:
                return await self._enter(asked, resource, wanted)
            case "tunnel" if asked.device is not None:
                return self._describe_tunnel(wanted.get("resource", ""), asked.language)
            case "credential" if asked.device is not None:
                return self._give_credential(asked)
            case "why":
                return self._say_why(asked, resource, wanted.get("session", ""))
        return answers.refuse(answers.NOT_FOUND, "404 Not Found\n")

    async def _enter(
        self, asked: Asked, resource: Resource, wanted: Mapping[str, str]
    ) -> wire.CheckResponse:
        """Take the portal's ticket, open a session and give the first cookie."""
        now = self.judge.now()
        ticket = self.office.take(wanted.get("ticket", ""), "enter", asked.state, now)
        if ticket is None or ticket.resource != resource.id:
            return answers.redirect("/")  # asks anew; a stale or stolen ticket opens nothing
        if asked.door is Door.DEVICE and asked.device is None:
            return self._refuse_unknown_device(asked, resource)
        answer = await self.judge.open(_request(asked, resource, ticket.person, ticket.sign_in))
        if answer.opened.session is None:
            return self._refuse(asked, resource, answer)
        spent = f"{STATE_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        where = local_path(wanted.get("to", "/"))
        return answers.redirect(where, [self._cookie(asked, answer), spent])

    # ── tunnels ──────────────────────────────────────────────────────────────────────────────────

    async def _open_tunnel(self, asked: Asked) -> wire.CheckResponse:
        resource = self.directory.find(asked)
        if resource is None:
            self._note(asked, TurnedAwayFor.NO_TARGET, target=asked.authority)
            text = translate(_NO_TARGET, asked.language)
            return answers.say_json(
                answers.FORBIDDEN, {"reasons": [{"id": "target", "text": text}]}
            )
        shown = asked.headers.get("proxy-authorization", "").removeprefix("Bearer ")
        claims = self.key.read(shown) if shown else None
        if claims is None or not self._is_credential(claims, asked):
            self._note_foreign(asked, shown, claims, resource.id)
            text = translate(answers.SIGN_IN_FIRST, asked.language)
            return answers.say_json(
                answers.NOT_SIGNED_IN, {"reasons": [{"id": "sign-in", "text": text}]}
            )
        request = _request(asked, resource, str(claims["sub"]), str(claims["sgn"]))
        answer = await self.judge.open(request)
        session = answer.opened.session
        if session is None:
            language = asked.language
            reasons = answers.reasons_as_data(answer.opened.decision.reasons, language)
            return answers.say_json(answers.FORBIDDEN, {"reasons": reasons})
        self.opened(session.id)
        told = {"session": session.id, "tunnel": "yes"}
        return answers.allow({}, told=told, answer_headers={"sekisho-session": session.id})

    def _is_credential(self, claims: Mapping[str, object], asked: Asked) -> bool:
        """Tell whether this is the sign-in of a command on this very device, in time."""
        ends = claims.get("exp")
        in_time = isinstance(ends, int | float) and self.judge.now() < ends
        return claims.get("aud") == _TUNNEL and claims.get("dev") == asked.device and in_time

    def _describe_tunnel(self, name: str, language: str) -> wire.CheckResponse:
        found = self.directory.find_tunnel(name)
        if found is None:
            return answers.say_json(answers.NOT_FOUND, {"error": translate(_NO_TARGET, language)})
        resource, port = found
        return answers.say_json(
            200, {"authority": f"{resource.public_host}:{port}", "name": resource.named(language)}
        )

    def _give_credential(self, asked: Asked) -> wire.CheckResponse:
        """Change a command's ticket into a credential that this device alone can use."""
        shown = asked.headers.get("authorization", "").removeprefix("Bearer ")
        now, secret = self.judge.now(), asked.headers.get("sekisho-asker", "")
        ticket = self.office.take(shown, "connect", secret, now)
        if ticket is None:
            text = translate(answers.SIGN_IN_FIRST, asked.language)
            return answers.say_json(answers.NOT_SIGNED_IN, {"error": text})
        return answers.say_json(200, {"credential": self.key.sign(_credential(ticket, asked, now))})

    def _say_why(self, asked: Asked, resource: Resource | None, session: str) -> wire.CheckResponse:
        """Say why a session ended, to its own device or cookie; nothing about anybody else's."""
        claims = self.key.read(asked.cookie) if asked.cookie and resource is not None else None
        if claims is not None and resource is not None and _fits(claims, asked, resource):
            cut = self._cuts.get(str(claims["sid"]))
        else:
            cut = self._cuts.get(session) if asked.device is not None else None
            if cut is not None and cut.session.device_id != asked.device:
                cut = None
        if cut is None:
            return answers.say_json(200, {"cut": False, "reasons": []})
        reasons = answers.reasons_as_data(cut.decision.reasons, asked.language)
        return answers.say_json(200, {"cut": True, "reasons": reasons})


def identity_headers(answer: Answer) -> dict[str, str]:
    """Return what an app is told of the person, for a request that Envoy did not decide itself."""
    session = answer.opened.session
    assert session is not None  # noqa: S101 - only for sessions
    told = {"user": session.person_id, "email": answer.email, "session": session.id}
    if session.device_id:
        told["device"] = session.device_id
    return {IDENTITY_PREFIX + name: value for name, value in told.items()}


def local_path(text: str) -> str:
    """Return a path on this very host; anything else becomes the first page."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\", OWN_PREFIX))
    return text if safe and text.isprintable() and "\\" not in text else "/"


def _fits(claims: Mapping[str, object], asked: Asked, resource: Resource) -> bool:
    """Tell whether a cookie belongs to this resource, this door and this device."""
    return (
        asked.door is not None
        and claims.get("aud") == audience_of(resource.id, asked.door)
        and claims.get("dev") == (asked.device if asked.door is Door.DEVICE else None)
        and isinstance(claims.get("sid"), str)
    )


def _ids(answer: Answer) -> set[str]:
    return {reason.id for reason in answer.opened.decision.reasons}


def _request(asked: Asked, resource: Resource, person: str, sign_in: str) -> AccessRequest:
    door = asked.door
    assert door is not None  # noqa: S101 - without a door nothing was found
    with_device = door is Door.DEVICE
    return AccessRequest(
        person_id=PersonID(person), resource_id=resource.id, sign_in=sign_in, door=door,
        address=asked.address, device_id=asked.device if with_device else None,
        serial=asked.serial if with_device else "",
    )  # fmt: skip


def _credential(ticket: Ticket, asked: Asked, now: float) -> dict[str, object]:
    return {
        "iss": ISSUER, "aud": _TUNNEL, "sub": ticket.person, "sgn": ticket.sign_in,
        "dev": asked.device, "iat": int(now), "exp": int(now) + _CREDENTIAL_SECONDS,
    }  # fmt: skip


_TUNNEL = "tunnel"
_CREDENTIAL_SECONDS = 12 * 3600  # no longer than a sign-in lasts; that sign-in is asked each time
_REMEMBERED = 20_000
# Of an app's session that ended the portal makes a new one, without a word if the sign-in holds.
_SIGN_IN_AGAIN = frozenset({"sekisho.not-signed-in", "sekisho.session-ended"})
MY_APPS = msg("Why, and what to do")
_MY_PAGE = msg("To my page")
NO_CERTIFICATE = msg("Your browser showed no certificate of a device that we know.")
ENROL = msg(
    "Open it from your company PC. If this is one, run “sekisho agent enroll” with its kit, and "
    "choose the device's certificate when the browser asks."
)
_NO_TARGET = msg("There is no such destination behind this gate.")
