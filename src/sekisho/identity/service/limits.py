"""Counting failures, on every way in, where restarts and many addresses do not help.

A failure must be kept although the act it belongs to fails. So acts return ``Refused`` instead
of raising; ``try_act`` commits the count and raises afterwards.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sekisho.evidence import service as evidence
from sekisho.identity.engine import limits
from sekisho.identity.model import Attempts, Refused
from sekisho.identity.store import doorway, people, rules
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    SekishoError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal

T = TypeVar("T")
MOST_LISTED = 20_000
LONGEST = "-until"
_ADDRESS = "address:"
_ACCOUNT = "account:"
_LONGEST_REASON = 300
_LONGEST_BAN_DAYS = 366


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


def begin_unguessable_try(tx: Transaction, address: str) -> Try:
    """Let a try through whose proof cannot be guessed (a passkey), blocked or not.

    Else whoever guesses codes from an office's address would shut the whole office out. Failures
    still count, and addresses shut out by somebody never get here.
    """
    key = _ADDRESS + limits.group_address(address)
    return Try(key, doorway.lock_attempts(tx, key))


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


def list_bans(tx: Transaction) -> Mapping[str, datetime]:
    """Return the addresses that somebody shut out (grouped as above) and their ends."""
    return {ban.unit: ban.ends_at for ban in rules.list_bans(tx)}


@dataclass(frozen=True, slots=True)
class Block:
    """Something that must wait after failures; ``name`` is an address, or whose codes."""

    key: str
    kind: str
    name: str
    failures: int
    until: datetime


_BLOCK_KEYS: Mapping[str, Callable[[Block], Any]] = {
    "name": lambda block: (not block.name, block.kind, block.name),
    "failures": lambda block: block.failures,
    "until": lambda block: block.until,
}


def list_blocks(tx: Transaction, search: str = "", sort: str = LONGEST) -> Sequence[Block]:
    """List what is blocked after failures now (identity.read).

    ``search`` is looked for in addresses and e-mail addresses. Sorted by name, failures or until
    ("-" downwards); of more than MOST_LISTED those that wait longest are listed.
    """
    tx.principal.require("identity.read")
    found = doorway.list_blocks(tx, MOST_LISTED)
    accounts = any(key.startswith(_ACCOUNT) for key, _, _ in found)
    names = {account_of_email(e): e for e in people.list_emails(tx)} if accounts else {}
    blocks = (_block(key, failures, until, names) for key, failures, until in found)
    words = search.strip().lower()
    key = _BLOCK_KEYS.get(sort.removeprefix("-"), _BLOCK_KEYS["until"])
    fitting = [block for block in blocks if words in block.name.lower()]
    return sorted(fitting, key=key, reverse=sort.startswith("-"))


def _block(key: str, failures: int, until: datetime, names: Mapping[str, str]) -> Block:
    kind, _, rest = key.partition(":")
    name = names.get(rest, "") if kind == "account" else rest
    return Block(key, kind, name, failures, until)


def lift_block(tx: Transaction, key: str) -> None:
    """Forget the failures under a key (identity.write, proved recently)."""
    _require_write(tx)
    doorway.set_attempts(tx, key, Attempts())
    evidence.record(tx, kind="identity.unblocked", subject="identity", detail={"key": key})


_BAN_KEYS: Mapping[str, Callable[[rules.Ban], Any]] = {
    "name": lambda ban: ban.unit,
    "reason": lambda ban: ban.reason.casefold(),
    "until": lambda ban: ban.ends_at,
}


def list_shut_out(tx: Transaction, search: str = "", sort: str = LONGEST) -> Sequence[rules.Ban]:
    """List the addresses that somebody shut out, and why (identity.read).

    Sorted by name (the address), reason or until ("-" downwards).
    """
    tx.principal.require("identity.read")
    words = search.strip().lower()
    unit = limits.group_address(words)  # an address of IPv6 is found in its /64
    fitting = [
        ban
        for ban in rules.list_bans(tx)
        if ban.unit == unit or words in f"{ban.unit} {ban.reason}".lower()
    ]
    key = _BAN_KEYS.get(sort.removeprefix("-"), _BAN_KEYS["until"])
    return sorted(fitting, key=key, reverse=sort.startswith("-"))


def shut_out(tx: Transaction, address: str, reason: str, days: int) -> rules.Ban:
    """Shut an address (the /64 of an IPv6 one) out of every way in (identity.write).

    Raises InvalidInputError for no address, no reason, or one's own address.
    """
    _require_write(tx)
    unit, why = limits.group_address(address.strip()), " ".join(reason.split())
    own = {
        limits.group_address(tx.principal.address or ""),
        "127.0.0.1",
        "0000:0000:0000:0000::/64",
    }
    if unit == "unknown" or unit in own:
        raise InvalidInputError(
            msg("“%(got)s” cannot be shut out.", got=address[:100]),
            hint=msg("An address other than your own and this machine's is expected."),
        )
    if not 0 < len(why) <= _LONGEST_REASON or not 1 <= days <= _LONGEST_BAN_DAYS:
        raise InvalidInputError(
            msg("A reason and an end within %(n)s days are needed.", n=_LONGEST_BAN_DAYS)
        )
    ban = rules.Ban(unit, why, tx.principal.reference, tx.now, tx.now + timedelta(days=days))
    rules.set_ban(tx, ban)
    detail = {"unit": unit, "reason": why, "until": ban.ends_at.isoformat()}
    evidence.record(tx, kind="identity.shut_out", subject="identity", detail=detail)
    return ban


def let_in_again(tx: Transaction, unit: str) -> None:
    """End a ban before its time (identity.write)."""
    _require_write(tx)
    if not rules.delete_ban(tx, unit):
        raise NotFoundError(msg("“%(got)s” is not shut out.", got=unit[:100]))
    evidence.record(tx, kind="identity.let_in_again", subject="identity", detail={"unit": unit})


def _require_write(tx: Transaction) -> None:
    tx.principal.require("identity.write")
    tx.principal.require_fresh(tx.now)


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
