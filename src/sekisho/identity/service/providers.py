"""OpenID providers: described by an administrator, their secrets sealed, every change recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sekisho.evidence import service as evidence
from sekisho.identity.engine.oidc import Provider, check_address
from sekisho.identity.service.sessions import require_person, require_recent, require_strong
from sekisho.identity.store import factors, providers
from sekisho.identity.store.providers import Account
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import PrincipalKind
from sekisho.kernel.secrets import Secret, SecretBox
from sekisho.kernel.seen import require_unchanged

_LONGEST_NAME = 100
_LONGEST_CLIENT = 255
_MOST_WORDS = 50


def add_provider(tx: Transaction, box: SecretBox, form: Mapping[str, str]) -> Provider:
    """Add a provider (identity.write, proved recently); ``form`` as on the page.

    Raises InvalidInputError for a bad field, ConflictError for a known issuer.
    """
    _require_write(tx)
    provider = _read(form, new_id("idp"))
    if providers.find_by_issuer(tx, provider.issuer) is not None:
        raise ConflictError(
            msg("%(issuer)s is described here already.", issuer=provider.issuer),
            hint=msg("Change the one that is there."),
        )
    providers.insert_provider(tx, provider, _seal(box, provider.id, form.get("secret", "")))
    _record(tx, "identity.provider_added", provider)
    return provider


def change_provider(
    tx: Transaction, box: SecretBox, provider_id: str, form: Mapping[str, str],
    seen: str | None = None,
) -> Provider:  # fmt: skip
    """Change a provider (identity.write); an empty secret keeps the former one.

    The issuer stays: accounts known by it would silently become those of another provider. Raises
    ConflictError if the form shows another state than ``seen``.
    """
    _require_write(tx)
    before = find_provider(tx, provider_id)
    require_unchanged(seen, before.mark, before.name)
    provider = replace(_read({**form, "issuer": before.issuer}, provider_id), active=before.active)
    providers.update_provider(tx, provider, _seal(box, provider_id, form.get("secret", "")))
    _record(tx, "identity.provider_changed", provider)
    return provider


def switch_provider(tx: Transaction, provider_id: str, *, active: bool) -> None:
    """Let people sign in with a provider, or no longer (identity.write)."""
    _require_write(tx)
    provider = replace(find_provider(tx, provider_id), active=active)
    providers.update_provider(tx, provider, None)
    _record(tx, "identity.provider_changed", provider)


def remove_provider(tx: Transaction, provider_id: str) -> None:
    """Forget a provider and whose accounts there were whose (identity.write)."""
    _require_write(tx)
    provider = find_provider(tx, provider_id)
    providers.delete_provider(tx, provider_id)
    _record(tx, "identity.provider_removed", provider)


def _require_write(tx: Transaction) -> None:
    tx.principal.require("identity.write")
    if tx.principal.kind is PrincipalKind.PERSON:
        require_recent(tx)


def _read(form: Mapping[str, str], provider_id: str) -> Provider:
    return Provider(
        id=provider_id,
        issuer=check_address(form.get("issuer", "").strip()),
        name=_line(form.get("name", ""), _LONGEST_NAME, "name"),
        client_id=_line(form.get("client_id", ""), _LONGEST_CLIENT, "client_id"),
        domains=frozenset(_domain(word) for word in _words(form.get("domains", ""))),
        acr=_words(form.get("acr", "")),
        amr=_words(form.get("amr", "mfa")),
    )


def _line(text: str, longest: int, name: str) -> str:
    plain = " ".join(text.split())
    if not plain or len(plain) > longest or not plain.isprintable():
        raise InvalidInputError(
            msg("The field “%(name)s” needs 1 to %(n)s characters.", name=name, n=longest)
        )
    return plain


def _words(text: str) -> frozenset[str]:
    found = frozenset(text.replace(",", " ").split())
    if len(found) > _MOST_WORDS or any(len(w) > _LONGEST_CLIENT for w in found):
        raise InvalidInputError(msg("At most %(n)s short words are expected.", n=_MOST_WORDS))
    return found


def _domain(word: str) -> str:
    plain = word.lower().removeprefix("@")
    labels = plain.split(".")
    good = len(labels) > 1 and all(part.replace("-", "").isalnum() for part in labels)
    if not good or not plain.isascii():
        raise InvalidInputError(
            msg("“%(got)s” is not a mail domain.", got=word[:100]),
            hint=msg("Something like example.jp is expected; other letters as xn--…"),
        )
    return plain


def _seal(box: SecretBox, provider_id: str, secret: str) -> bytes | None:
    return box.seal(secret.strip().encode(), _context(provider_id)) if secret.strip() else None


def _context(provider_id: str) -> str:
    return f"identity.provider:{provider_id}"


def open_provider(tx: Transaction, box: SecretBox, provider_id: str) -> Provider:
    """Return an active provider with its secret (for this room); raise NotFoundError."""
    found = providers.find_provider(tx, provider_id)
    if found is None or not found[0].active:
        raise NotFoundError(
            msg("Nobody signs in with this provider here."), hint=msg("Use another way to sign in.")
        )
    provider, sealed = found
    secret = box.open(sealed, _context(provider_id)).decode() if sealed else ""
    return replace(provider, secret=Secret(secret))


def find_provider(tx: Transaction, provider_id: str) -> Provider:
    """Return a provider without its secret; raise NotFoundError if there is none."""
    found = providers.find_provider(tx, provider_id)
    if found is None:
        raise NotFoundError(msg("There is no such provider."))
    return found[0]


def list_doors(tx: Transaction) -> Sequence[Provider]:
    """List the providers that the sign-in page offers to anybody."""
    return [provider for provider in providers.list_providers(tx) if provider.active]


def list_providers(tx: Transaction) -> Sequence[tuple[Provider, int]]:
    """List all providers with how many people's accounts are known (identity.read)."""
    tx.principal.require("identity.read")
    counts = providers.count_accounts(tx)
    return [(p, counts.get(p.id, 0)) for p in providers.list_providers(tx)]


def list_accounts(tx: Transaction) -> Sequence[Account]:
    """List the provider accounts of the person who asks."""
    return providers.list_accounts(tx, require_person(tx))


def unlink_account(tx: Transaction, provider_id: str) -> None:
    """Give up one's account at a provider; raise ConflictError for the last way in."""
    person_id = require_strong(tx)
    provider = find_provider(tx, provider_id)
    if not providers.delete_account(tx, provider_id, person_id):
        raise NotFoundError(msg("You have no account there."))
    ways = factors.list_passkeys(tx, person_id) or factors.get_totp(tx, person_id)
    if not ways and not providers.list_accounts(tx, person_id, active=True):
        raise ConflictError(
            msg("This is your last way to sign in."), hint=msg("Add another one first.")
        )
    evidence.record(
        tx,
        kind="identity.account_unlinked",
        subject=f"person:{person_id}",
        detail={"provider": provider.id, "issuer": provider.issuer},
        person=person_id,
    )


def _record(tx: Transaction, kind: str, provider: Provider) -> None:
    detail = {
        "provider": provider.id,
        "issuer": provider.issuer,
        "name": provider.name,
        "client_id": provider.client_id,
        "domains": sorted(provider.domains),
        "two_factors": sorted(provider.acr | provider.amr),
        "active": provider.active,
    }
    evidence.record(tx, kind=kind, subject=f"provider:{provider.id}", detail=detail)
