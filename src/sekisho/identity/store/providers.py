"""Reads and writes OpenID providers, and which of their accounts belongs to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from sekisho.identity.engine.oidc import Provider
from sekisho.identity.store.door_tables import providers, subjects
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import PersonID


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a provider that belongs to a person; ``subject`` is what identifies it."""

    provider_id: str
    provider_name: str
    subject: str
    person_id: PersonID
    email: str
    linked_how: str
    linked_at: datetime
    used_at: datetime | None


def insert_provider(tx: Transaction, provider: Provider, sealed: bytes | None) -> None:
    """Add a provider with its sealed secret."""
    tx.execute(insert(providers), _row(provider) | {"sealed": sealed, "created_at": tx.now})


def update_provider(tx: Transaction, provider: Provider, sealed: bytes | None) -> None:
    """Keep a changed provider; without ``sealed`` its secret stays."""
    row = _row(provider) | ({"sealed": sealed} if sealed is not None else {})
    tx.execute(update(providers).where(providers.c.id == provider.id).values(**row))


def _row(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "issuer": provider.issuer,
        "name": provider.name,
        "client_id": provider.client_id,
        "domains": sorted(provider.domains),
        "acr": sorted(provider.acr),
        "amr": sorted(provider.amr),
        "active": provider.active,
    }


def delete_provider(tx: Transaction, provider_id: str) -> bool:
    """Delete a provider with its accounts; False if there is none."""
    return bool(tx.execute(delete(providers).where(providers.c.id == provider_id)).rowcount)


def find_provider(tx: Transaction, provider_id: str) -> tuple[Provider, bytes | None] | None:
    """Return a provider without its secret, and the secret sealed; None if there is none."""
    found = tx.rows(select(providers).where(providers.c.id == provider_id))
    if not found:
        return None
    return _provider(found[0]), bytes(found[0].sealed) if found[0].sealed is not None else None


def find_by_issuer(tx: Transaction, issuer: str) -> Provider | None:
    """Return the provider with this issuer, or None."""
    found = tx.rows(select(providers).where(providers.c.issuer == issuer))
    return _provider(found[0]) if found else None


def list_providers(tx: Transaction) -> list[Provider]:
    """List all providers by name."""
    rows = tx.rows(select(providers).order_by(providers.c.name, providers.c.id))
    return [_provider(row) for row in rows]


def _provider(row: Row[Any]) -> Provider:
    return Provider(
        id=row.id,
        issuer=row.issuer,
        name=row.name,
        client_id=row.client_id,
        domains=frozenset(row.domains),
        acr=frozenset(row.acr),
        amr=frozenset(row.amr),
        active=row.active,
    )


def count_accounts(tx: Transaction) -> dict[str, int]:
    """Return provider id → number of people whose account there is known."""
    query = select(subjects.c.provider_id, func.count().label("n")).group_by(subjects.c.provider_id)
    return {row.provider_id: row.n for row in tx.rows(query)}


def insert_account(
    tx: Transaction, provider_id: str, subject: str, person_id: PersonID, email: str, how: str
) -> None:
    """Let an account belong to a person; one that belongs to anybody is an integrity error."""
    tx.execute(
        insert(subjects),
        {
            "provider_id": provider_id,
            "subject": subject,
            "person_id": person_id,
            "email": email,
            "linked_how": how,
            "linked_at": tx.now,
        },
    )


def find_account(tx: Transaction, provider_id: str, subject: str) -> Account | None:
    """Return the account with this subject, or None."""
    return _one(tx, subjects.c.subject == subject, provider_id)


def find_account_of(tx: Transaction, provider_id: str, person_id: str) -> Account | None:
    """Return the account a person has at a provider, or None."""
    return _one(tx, subjects.c.person_id == person_id, provider_id)


def _one(tx: Transaction, condition: Any, provider_id: str) -> Account | None:
    found = tx.rows(_accounts().where(condition, subjects.c.provider_id == provider_id))
    return _account(found[0]) if found else None


def list_accounts(tx: Transaction, person_id: str, *, active: bool = False) -> Sequence[Account]:
    """List a person's accounts (those at active providers only)."""
    query = _accounts().where(subjects.c.person_id == person_id).order_by(providers.c.name)
    return [_account(r) for r in tx.rows(query.where(providers.c.active) if active else query)]


def use_account(tx: Transaction, provider_id: str, subject: str) -> None:
    """Note that an account was used now."""
    mine = and_(subjects.c.provider_id == provider_id, subjects.c.subject == subject)
    tx.execute(update(subjects).where(mine).values(used_at=tx.now))


def delete_account(tx: Transaction, provider_id: str, person_id: str) -> bool:
    """Let a person's account at a provider belong to nobody; False if there is none."""
    mine = and_(subjects.c.provider_id == provider_id, subjects.c.person_id == person_id)
    return bool(tx.execute(delete(subjects).where(mine)).rowcount)


def _accounts() -> Any:
    joined = subjects.join(providers, providers.c.id == subjects.c.provider_id)
    return select(subjects, providers.c.name.label("provider_name")).select_from(joined)


def _account(row: Row[Any]) -> Account:
    return Account(
        provider_id=row.provider_id,
        provider_name=row.provider_name,
        subject=row.subject,
        person_id=PersonID(row.person_id),
        email=row.email,
        linked_how=row.linked_how,
        linked_at=row.linked_at,
        used_at=row.used_at,
    )
