"""Signing in with an account at an OpenID provider, and joining one to a person.

- The journey is a ceremony: begun once, finished once, bound to the browser that began it.
- ``iss`` and ``sub`` identify an account, never an e-mail address. An account joins a person by the
  person's own invitation, or by the administrator's rule (verified address, domain, and nobody's
  account before).
- The provider is asked outside of transactions, so that a slow one holds nobody up.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import msgspec

from sekisho.evidence import service as evidence
from sekisho.identity.engine import oidc
from sekisho.identity.engine.oidc import Asked, Claims, Provider
from sekisho.identity.model import (
    GONE,
    Ceremony,
    Method,
    Person,
    PersonState,
    Refused,
    SignedIn,
    Site,
    Visit,
)
from sekisho.identity.service.ceremonies import begin_ceremony, take_ceremony
from sekisho.identity.service.limits import begin_try, refuse_try, try_act
from sekisho.identity.service.links import enter_by_link, open_link, redeem_invitation
from sekisho.identity.service.providers import open_provider
from sekisho.identity.service.sessions import Proof, open_session
from sekisho.identity.sources import ProviderDirectory
from sekisho.identity.store import people, providers
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, SekishoError, UnauthenticatedError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID, digest_token, new_token
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox

CALLBACK = "/sign-in/oidc/callback"
_PURPOSE = "sign-in-oidc"


@dataclass(frozen=True, slots=True)
class Journeys:
    """What a journey to a provider needs of the house."""

    database: Database
    box: SecretBox
    directory: ProviderDirectory
    principal: Principal


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the secret it keeps so that nobody else comes back."""

    address: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A journey that ended with a sign-in, and where the person was going."""

    signed_in: SignedIn
    target: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a journey is begun for: a page, a new proof of somebody signed in, an invitation."""

    target: str = "/"
    again: bool = False
    link: str = ""
    language: str = "en"


def lead_to_provider(journeys: Journeys, provider_id: str, site: Site, wish: Wish) -> Departure:
    """Begin a journey; raise NotFoundError, UnavailableError or a dead link's error."""
    with journeys.database.read(journeys.principal) as tx:
        provider, now = open_provider(tx, journeys.box, provider_id), tx.now
        if wish.link:
            open_link(tx, wish.link)
    metadata = journeys.directory.metadata(provider.issuer, now)
    secret = new_token()
    with journeys.database.write(journeys.principal) as tx:
        asked = _begin(tx, journeys.box, provider, site, wish, secret)
    return Departure(oidc.departure(metadata, provider, asked, wish.language), secret)


def _begin(
    tx: Transaction, box: SecretBox, provider: Provider, site: Site, wish: Wish, secret: str
) -> Asked:
    """Keep the journey under a state that is the handle of its ceremony."""
    draft = oidc.make_asked("", site.origin + CALLBACK, tx.now if wish.again else None)
    kept = {**asdict(draft), "since": draft.since.isoformat() if draft.since else ""}
    bound = digest_token(secret)
    handle, _ = begin_ceremony(
        tx,
        _PURPOSE,
        site,
        bound_to=bound,
        pending={"provider": provider.id, "target": wish.target, "link": digest_link(wish.link)},
        sealed=box.seal(msgspec.json.encode(kept | {"link": wish.link}), _context(bound)),
    )
    return Asked(handle, draft.nonce, draft.verifier, draft.redirect, draft.since)


def digest_link(token: str) -> str:
    """Return what of a link may be kept in the clear."""
    return digest_token(token) if token else ""


def _context(bound: str) -> str:
    return f"identity.oidc:{bound}"


@dataclass(frozen=True, slots=True)
class _Journey:
    provider: Provider
    asked: Asked
    target: str
    link: str


def return_from_provider(
    journeys: Journeys, answer: Sequence[tuple[str, str]], secret: str, visit: Visit, *,
    replaces: str = "",
) -> Arrival:  # fmt: skip
    """End a journey with a sign-in; whatever fails is counted against the address and raised."""
    act = journeys.database, journeys.principal
    journey = try_act(*act, lambda tx: _guarded(tx, visit, lambda: _take(
        tx, journeys.box, oidc.read_answer(answer), secret)))  # fmt: skip
    try:
        claims = _ask(journeys, journey, oidc.read_answer(answer))
    except UnauthenticatedError as error:
        refused: SekishoError = error
        try_act(*act, lambda tx: refuse_try(tx, begin_try(tx, visit.address), refused))
        raise
    signed_in = try_act(*act, lambda tx: _enter(tx, journey, claims, visit, replaces))
    return Arrival(signed_in, journey.target)


def _guarded(
    tx: Transaction, visit: Visit, act: Callable[[], "_Journey | SekishoError"]
) -> "_Journey | Refused":
    """Act within the limits of the address; what is refused counts."""
    trying = begin_try(tx, visit.address)
    outcome = act()
    return refuse_try(tx, trying, outcome) if isinstance(outcome, SekishoError) else outcome


def _take(
    tx: Transaction, box: SecretBox, answer: dict[str, str], secret: str
) -> "_Journey | SekishoError":
    """Take the journey out for good: a second answer, or one in another browser, finds none."""
    bound = digest_token(secret) if secret else ""
    try:
        ceremony = take_ceremony(tx, _PURPOSE, answer.get("state", ""), bound)
    except ConflictError as error:
        return UnauthenticatedError(error.message, hint=error.hint)
    provider = open_provider(tx, box, ceremony.pending["provider"])
    return _journey(box, ceremony, provider, answer["state"])


def _journey(box: SecretBox, ceremony: Ceremony, provider: Provider, state: str) -> _Journey:
    kept = msgspec.json.decode(
        box.open(ceremony.sealed or b"", _context(ceremony.bound_to)), type=dict[str, str]
    )
    since = datetime.fromisoformat(kept["since"]) if kept["since"] else None
    asked = Asked(state, kept["nonce"], kept["verifier"], kept["redirect"], since)
    return _Journey(provider, asked, ceremony.pending["target"], kept["link"])


def _ask(journeys: Journeys, journey: _Journey, answer: dict[str, str]) -> Claims:
    """Redeem the code and judge the token."""
    provider, asked = journey.provider, journey.asked
    with journeys.database.read(journeys.principal) as tx:
        now = tx.now
    metadata = journeys.directory.metadata(provider.issuer, now)
    code = oidc.code_of(answer, metadata)
    tokens = journeys.directory.exchange(metadata, provider, asked, code)
    signed = journeys.directory.verify(metadata, tokens.id_token, now)
    return oidc.judge_claims(
        signed.claims, provider, asked, tokens.access_token, signed.algorithm, now
    )


def _enter(
    tx: Transaction, journey: _Journey, claims: Claims, visit: Visit, replaces: str
) -> SignedIn | Refused:
    """Find whose account it is and let them in; a Refused must be committed."""
    trying = begin_try(tx, visit.address)
    provider = journey.provider
    proof = Proof(oidc.strength_of(claims, provider), claims.authenticated_at)
    try:
        person = _owner(tx, journey, claims)
    except SekishoError as error:
        return refuse_try(tx, trying, error)
    if person is None or person.state is not PersonState.ACTIVE:
        return refuse_try(tx, trying, _unknown(provider), person.id if person else "")
    providers.use_account(tx, provider.id, claims.subject)
    if journey.link:
        return enter_by_link(tx, person, Method.OIDC, visit, proof)
    return open_session(tx, person, Method.OIDC, visit, replaces=replaces, proof=proof)


def _unknown(provider: Provider) -> UnauthenticatedError:
    return UnauthenticatedError(
        msg("Your account at %(name)s does not belong to anybody here.", name=provider.name),
        hint=msg("Use your invitation or another way to sign in, or ask an administrator."),
    )


def _owner(tx: Transaction, journey: _Journey, claims: Claims) -> Person | None:
    """Return whose account it is, joining it first where an invitation or the rule lets it."""
    provider = journey.provider
    account = providers.find_account(tx, provider.id, claims.subject)
    if journey.link:
        return _join_invited(tx, journey, claims, account.person_id if account else None)
    if account is not None:
        return people.find_person(tx, account.person_id)
    return _join_by_rule(tx, provider, claims)


def _join_invited(
    tx: Transaction, journey: _Journey, claims: Claims, owner: PersonID | None
) -> Person:
    _, invited = open_link(tx, journey.link)
    if owner is not None and (invited is None or owner != invited.id):
        raise _taken(journey.provider)  # before the invitation is used up
    person = redeem_invitation(tx, journey.link)
    if owner is None:
        _join(tx, journey.provider, claims, person, msg("by invitation"))
    return person


def _taken(provider: Provider) -> ConflictError:
    return ConflictError(
        msg("This account at %(name)s belongs to somebody else here.", name=provider.name),
        hint=msg("Sign in there with your own account, or choose a passkey."),
    )


def _join_by_rule(tx: Transaction, provider: Provider, claims: Claims) -> Person | None:
    """Join by verified address; somebody else's former address does not give their account away."""
    if not oidc.may_join(claims, provider):
        return None
    person = people.find_person_by_email(tx, claims.email)
    if person is None or person.state in GONE:
        return None
    _join(tx, provider, claims, person, msg("by the rule for mail domains"))
    people.activate_person(tx, person.id)
    return people.find_person(tx, person.id)


def _join(tx: Transaction, provider: Provider, claims: Claims, person: Person, how: Text) -> None:
    people.lock_person(tx, person.id)
    if providers.find_account_of(tx, provider.id, person.id) is not None:
        # A new account with a known address may be a new person with a former one's address.
        raise ConflictError(
            msg("Another account at %(name)s has come with this address before.",
                name=provider.name),
            hint=msg("An administrator can part the former account from its person."),
        )  # fmt: skip
    providers.insert_account(tx, provider.id, claims.subject, person.id, claims.email, str(how))
    evidence.record(
        tx,
        kind="identity.account_linked",
        subject=f"person:{person.id}",
        detail={
            "provider": provider.id,
            "issuer": provider.issuer,
            "account": hashlib.sha256(claims.subject.encode()).hexdigest()[:16],
            "email": claims.email,
            "how": how,
        },
        person=person.id,
    )
