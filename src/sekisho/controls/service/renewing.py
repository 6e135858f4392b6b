"""Newer dated lists from an address that whoever keeps this machine has named (``lists_from``).

The address is a folder over HTTPS with ``SHA256SUMS``, as ``sha256sum *.yaml`` writes it, and the
files it names. Only lists that grow old are taken, only whole and only newer ones; each is checked
like a file that somebody sends, and may not count for longer than the list in force. Whatever is
wrong, nothing of that visit is taken and the lists in force stay.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sekisho.controls.datasets import DataFile, read_data_file
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.reading import Source
from sekisho.controls.service import content
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg, pack_text, unpack_text
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM

SUMS = "SHA256SUMS"
LARGEST = 1 << 20
_FACT = "controls.renewal"
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([a-z_]+\.yaml)")
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Renewal:
    """When the address was asked last, when all was well last, and what is wrong since."""

    asked_at: datetime
    fine_at: datetime | None
    trouble: Text | None = None
    hint: Text | None = None


def find_renewal(tx: Transaction) -> Renewal | None:
    """Return how the last visit went; None if there was none."""
    kept = get_fact(tx, _FACT)
    if kept is None:
        return None
    said = {name: unpack_text(kept[name]) for name in ("trouble", "hint") if kept.get(name)}
    fine = kept.get("fine_at")
    return Renewal(
        datetime.fromisoformat(kept["asked_at"]), datetime.fromisoformat(fine) if fine else None,
        said.get("trouble"), said.get("hint"),
    )  # fmt: skip


def renew_lists(database: Database, address: str, fetch: Fetch) -> list[str]:
    """Visit ``address`` and take what is newer; return the names of the lists that were taken.

    ``fetch`` gets one file by its address or raises SekishoError. No transaction is open while it
    does. What is wrong is kept for the page of rules, not raised.
    """
    folder = address.rstrip("/")
    with database.read(SYSTEM) as tx:
        held = _growing(tx)
    try:
        brought = _bring(folder, held, fetch)
        with database.write(SYSTEM) as tx:
            taken = [name for name, text in brought.items() if _take(tx, name, text, folder)]
            _note(tx, None)
    except SekishoError as error:
        with database.write(SYSTEM) as tx:
            _note(tx, error)
        return []
    return taken


def _growing(tx: Transaction) -> dict[str, str]:
    """Return the lists in force that grow old: file name → text."""
    found = {
        file.name.removeprefix("data/"): file.text for file in content.list_content(tx, "data")
    }
    read = {name: _read(name, text) for name, text in found.items()}
    return {
        name: found[name] for name, made in read.items() if made and made.stale_after is not None
    }


def _read(name: str, text: str) -> DataFile | None:
    return read_data_file(name.removesuffix(".yaml"), text, Source(f"data/{name}"))


def _bring(folder: str, held: Mapping[str, str], fetch: Fetch) -> dict[str, str]:
    """Get the files whose digest is not that of the list in force; raise if one differs again."""
    sums = _read_sums(fetch(f"{folder}/{SUMS}"))
    named = [name for name in held if name in sums]
    if not named:
        raise InvalidInputError(
            msg("%(file)s names no dated list.", file=SUMS),
            hint=msg("Known are: %(known)s.", known=", ".join(sorted(held))),
        )
    return {
        name: _checked(name, fetch(f"{folder}/{name}"), sums[name])
        for name in named
        if _digest(held[name].encode()) != sums[name]
    }


def _read_sums(sent: bytes) -> dict[str, str]:
    lines = sent.decode("ascii", "replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines if line.strip()]
    if not found or None in found:
        raise InvalidInputError(
            msg("%(file)s is no list of digests.", file=SUMS),
            hint=msg("Write it with: sha256sum *.yaml > SHA256SUMS"),
        )
    return {match[2]: match[1] for match in found if match}


def _checked(name: str, sent: bytes, digest: str) -> str:
    if len(sent) > LARGEST or _digest(sent) != digest:
        raise InvalidInputError(
            msg("%(file)s is not the file that SHA256SUMS names.", file=name),
            hint=msg("Write SHA256SUMS again after the lists, then wait for the next visit."),
        )
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(msg("The file is no text in UTF-8.")) from error


def _digest(sent: bytes) -> str:
    return hashlib.sha256(sent).hexdigest()


def _take(tx: Transaction, name: str, text: str, folder: str) -> bool:
    """Put one list in force unless the one in force is newer; tell whether it was taken."""
    now, new = _read(name, _growing(tx)[name]), _read(name, text)
    if now is not None and new is not None:
        if new.as_of < now.as_of:
            return False
        if _span(new) > _span(now):
            message = msg("A list from an address cannot count for longer than the one in force.")
            raise CatalogueError((Fault(f"data/{name}", 1, message),))
    content.set_content(tx, f"data/{name}", text, origin=f"{folder}/{name}")
    return True


def _span(data: DataFile) -> timedelta:
    return timedelta.max if data.stale_after is None else data.stale_after - data.as_of


def _note(tx: Transaction, error: SekishoError | None) -> None:
    before = find_renewal(tx)
    fine = tx.now if error is None else before.fine_at if before else None
    set_fact(tx, _FACT, {
        "asked_at": tx.now.isoformat(),
        "fine_at": fine.isoformat() if fine else None,
        "trouble": pack_text(_say(error)) if error else None,
        "hint": pack_text(_text(error.hint)) if error and error.hint else None,
    })  # fmt: skip


def _say(error: SekishoError) -> Text:
    if not isinstance(error, CatalogueError):
        return _text(error.message)
    first = error.faults[0]
    return msg("%(file)s, line %(line)s: %(why)s",
               file=first.file, line=first.line, why=first.message)  # fmt: skip


def _text(words: Text | str) -> Text:
    return words if isinstance(words, Text) else Text(words)
