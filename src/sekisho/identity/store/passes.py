"""Reads and writes what lets somebody in for a time: sessions, API tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update

from sekisho.identity.model import APIToken, Method, Session, Strength
from sekisho.identity.store.tables import sessions, tokens
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import PersonID, SessionID, TokenID
from sekisho.kernel.prepared import Prepared, among_given

_OF_MANY = Prepared(select(sessions).where(among_given(sessions.c.id, "these")))


def insert_session(tx: Transaction, session: Session, digest: str) -> None:
    """Add a session under the digest of its secret."""
    row = {name: getattr(session, name) for name in Session.__slots__}
    plain = {"method": session.method.value, "strength": int(session.strength)}
    tx.execute(insert(sessions), row | plain | {"digest": digest})


def find_session(tx: Transaction, digest: str) -> Session | None:
    """Return the session whose secret has this digest, or None; its ends are not looked at."""
    found = tx.rows(select(sessions).where(sessions.c.digest == digest))
    return _session(found[0]) if found else None


def get_session(tx: Transaction, session_id: str) -> Session | None:
    """Return the session with this id, or None; its ends are not looked at."""
    found = tx.rows(select(sessions).where(sessions.c.id == session_id))
    return _session(found[0]) if found else None


def get_sessions(tx: Transaction, session_ids: Sequence[str]) -> list[Session]:
    """Return the sessions with these ids; their ends are not looked at."""
    found: list[Session] = []
    for part in chunked(session_ids):
        found += [_session(row) for row in _OF_MANY.rows(tx, {"these": part})]
    return found


def touch_sessions(tx: Transaction, session_ids: Sequence[str]) -> None:
    """Note that sessions were used now."""
    for part in chunked(session_ids):
        tx.execute(update(sessions).where(sessions.c.id.in_(part)).values(seen_at=tx.now))


def list_sessions(tx: Transaction, person_id: PersonID) -> list[Session]:
    """List a person's sessions, the last used first."""
    query = select(sessions).where(sessions.c.person_id == person_id)
    return [_session(row) for row in tx.rows(query.order_by(sessions.c.seen_at.desc()))]


def touch_session(tx: Transaction, session_id: str) -> None:
    """Note that a session was used now."""
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=tx.now))


def delete_sessions(
    tx: Transaction, person_id: PersonID, *, only: str = "", keep: str = ""
) -> Sequence[SessionID]:
    """Delete a person's sessions (one of them, or all but one) and return their ids."""
    mine = [sessions.c.person_id == person_id]
    mine += [sessions.c.id == only] if only else []
    mine += [sessions.c.id != keep] if keep else []
    gone = tx.rows(delete(sessions).where(and_(*mine)).returning(sessions.c.id))
    return [SessionID(row.id) for row in gone]


def delete_ended_sessions(tx: Transaction, idle_since: datetime) -> int:
    """Delete sessions past their end or unused since ``idle_since``; return how many."""
    over = (sessions.c.ends_at <= tx.now) | (sessions.c.seen_at <= idle_since)
    return int(tx.execute(delete(sessions).where(over)).rowcount)


def _session(row: Row[Any]) -> Session:
    return Session(
        id=SessionID(row.id),
        person_id=PersonID(row.person_id),
        method=Method(row.method),
        created_at=row.created_at,
        authenticated_at=row.authenticated_at,
        seen_at=row.seen_at,
        ends_at=row.ends_at,
        address=row.address,
        browser=row.browser,
        strength=Strength(row.strength),
    )


def insert_token(tx: Transaction, token: APIToken, digest: str) -> None:
    """Add an API token under its digest."""
    row = {name: getattr(token, name) for name in APIToken.__slots__}
    tx.execute(insert(tokens), row | {"digest": digest, "scopes": sorted(token.scopes)})


def find_token(tx: Transaction, digest: str) -> APIToken | None:
    """Return the token with this digest, or None; its end is not looked at."""
    found = tx.rows(select(tokens).where(tokens.c.digest == digest))
    return _token(found[0]) if found else None


def list_tokens(tx: Transaction, person_id: PersonID) -> list[APIToken]:
    """List a person's tokens, newest first."""
    query = select(tokens).where(tokens.c.person_id == person_id)
    return [_token(row) for row in tx.rows(query.order_by(tokens.c.created_at.desc()))]


def touch_token(tx: Transaction, token_id: str) -> None:
    """Note that a token was used now."""
    tx.execute(update(tokens).where(tokens.c.id == token_id).values(used_at=tx.now))


def revoke_tokens(tx: Transaction, person_id: PersonID, only: str = "") -> Sequence[TokenID]:
    """Revoke a person's tokens (or one of them) and return the ids that this ended."""
    mine = [tokens.c.person_id == person_id, tokens.c.revoked_at.is_(None)]
    mine += [tokens.c.id == only] if only else []
    gone = update(tokens).where(and_(*mine)).values(revoked_at=tx.now).returning(tokens.c.id)
    return [TokenID(row.id) for row in tx.rows(gone)]


def _token(row: Row[Any]) -> APIToken:
    return APIToken(
        id=TokenID(row.id),
        person_id=PersonID(row.person_id),
        label=row.label,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        ends_at=row.ends_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
