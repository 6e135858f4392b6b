"""Counting failures, on every way in, where restarts and many addresses do not help.

A failure must be kept although the act it belongs to fails. So acts return ``Refused`` instead
of raising; ``try_act`` commits the count and raises afterwards.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sekisho.evidence import service as evidence
from sekisho.identity.engine import limits
from sekisho.identity.model import Attempts, Refused
from sekisho.identity.store import doorway
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import RateLimitedError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal

T = TypeVar("T")
_ADDRESS = "address:"


def try_act(
    database: Database, principal: Principal, act: Callable[[Transaction], T | Refused]
) -> T:
    """Run ``act`` in one transaction and commit; then raise the error of a ``Refused``."""
    with database.write(principal) as tx:
        outcome = act(tx)
    if isinstance(outcome, Refused):
        raise outcome.error
    return outcome


@dataclass(frozen=True, slots=True)
class Try:
    """One try that was let through so far: the address and account it counts for."""

    address_key: str
    address: Attempts
    account_key: str = ""
    account: Attempts = field(default_factory=Attempts)


def begin_try(tx: Transaction, address: str, account: str = "") -> Try:
    """Let a try through; raise RateLimitedError if the address or the account must wait.

    Tries for the same address or account wait for each other until the transaction ends.
    """
    account_key = f"account:{account}" if account else ""
    # Always the account before the address: two tries then never wait for each other in a ring.
    held = doorway.lock_attempts(tx, account_key) if account_key else Attempts()
    address_key = _ADDRESS + limits.group_address(address)
    here = doorway.lock_attempts(tx, address_key)
    left = max(limits.seconds_left(held, tx.now), limits.seconds_left(here, tx.now))
    if left:
        raise too_many(left)
    return Try(address_key, here, account_key, held)


def refuse_try(tx: Transaction, failed: Try, error: SekishoError, person: str = "") -> Refused:
    """Count a failed try and record it; the transaction must commit."""
    _count(tx, failed.address_key, limits.ADDRESS, failed.address)
    if failed.account_key:
        _count(tx, failed.account_key, limits.ACCOUNT, failed.account)
    evidence.record(
        tx,
        kind="identity.sign_in_refused",
        subject=f"person:{person}" if person else "identity",
        detail={"address": failed.address_key.removeprefix(_ADDRESS), "why": str(error.message)},
        person=person or None,
    )
    return Refused(error)


def pass_try(tx: Transaction, passed: Try) -> None:
    """Forget the account's failures; those of the address stay (others may share it)."""
    if passed.account_key and passed.account.failures:
        doorway.set_attempts(tx, passed.account_key, Attempts())


def _count(tx: Transaction, key: str, limit: limits.Limit, before: Attempts) -> None:
    after = limits.count_failure(limit, before, tx.now)
    doorway.set_attempts(tx, key, after)
    if after.blocked_until:
        evidence.record(
            tx,
            kind="identity.blocked",
            subject="identity",
            detail={
                "key": key,
                "failures": after.failures,
                "until": after.blocked_until.isoformat(),
            },
        )


def refuse_address(tx: Transaction, address: str, error: SekishoError) -> Refused:
    """Count a wrong API token or device secret against its address (no account is known)."""
    key = _ADDRESS + limits.group_address(address)
    _count(tx, key, limits.ADDRESS, doorway.lock_attempts(tx, key))
    return Refused(error)


def list_blocked_addresses(tx: Transaction) -> Mapping[str, datetime]:
    """Return the blocked addresses (grouped as ``limits.group_address`` does) and their ends."""
    return {key.removeprefix(_ADDRESS): end for key, end in doorway.list_blocked(tx, _ADDRESS)}


def too_many(seconds: int) -> RateLimitedError:
    """Make the error for a try that must wait ``seconds``."""
    return RateLimitedError(
        msg("Too many failed tries; the next one is possible in %(n)s seconds.", n=seconds),
        retry_after_seconds=seconds,
        hint=msg("Wait, or ask an administrator; a passkey or `sekisho admin link` still works."),
    )


def account_of_email(email: str) -> str:
    """Name the account an e-mail address stands for, known or not, without keeping the address."""
    return "code:" + hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
