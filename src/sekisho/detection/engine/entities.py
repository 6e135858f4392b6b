"""Who and what an event is about: users, hosts, addresses, processes and hashes (pure)."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

USERS, HOSTS, ADDRESSES, PROCESSES, HASHES = KINDS = (
    "users",
    "hosts",
    "addresses",
    "processes",
    "hashes",
)
_FIELDS: dict[str, tuple[str, ...]] = {
    USERS: (
        "TargetUserName", "SubjectUserName", "User", "AccountName", "TargetUser", "SourceUser",
        "MemberName", "UserName", "user", "username", "cs-username", "acct", "srcuser", "dstuser",
        "xauthuser", "userPrincipalName", "user.name", "UserId", "Param1",
    ),
    HOSTS: (
        "Computer", "WorkstationName", "Workstation", "ClientName", "TargetServerName",
        "DestinationHostname", "SourceHostname", "host", "hostname", "Hostname", "devname",
        "host.name", "ComputerName",
    ),
    PROCESSES: (
        "Image", "NewProcessName", "ParentImage", "ParentProcessName", "ProcessName", "SourceImage",
        "TargetImage", "ServiceFileName", "ImagePath", "exe",
    ),
    HASHES: ("Hashes", "Hash", "sha256", "sha1", "md5", "SHA256", "MD5"),
}  # fmt: skip
_NOBODY = frozenset(
    ("", "-", "n/a", "null", "none", "system", "local service", "network service", "local system",
     "localsystem", "anonymous logon", "localhost", "unknown", "(null)", "システム")
)  # fmt: skip
_RDP_MANAGER = "microsoft-windows-terminalservices-remoteconnectionmanager/operational"
_ADDRESS = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
_LETTERS = frozenset("abcdefABCDEF")
_FIRST_OF_ADDRESS = _LETTERS.union("0123456789:[")
_FEWEST_COLONS = 2
"""Fewer are in no IPv6 address, and an IPv4 address begins with a digit."""

_LETTERS_OF_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")
_LONGEST = 260
_LONGEST_ADDRESS = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
_HASH = re.compile(r"(?<!IMPHASH=)(?<![0-9A-Za-z])(?!0+\b)([0-9A-Fa-f]{32,64})\b")
"""Not that of imports, by which many files are alike, nor zeros, which stand for none."""


def find_entities(fields: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the entities of one event by kind; kinds without any are left out."""
    found: dict[str, dict[str, str]] = {}
    for kind, name in _asked(tuple(fields)):
        value = fields[name]
        if type(value) is str and (name != "Param1" or _is_rdp(fields)):
            _collect(found, kind, _read(kind, value))
    _collect(found, ADDRESSES, _addresses(fields))
    return {kind: tuple(found[kind].values()) for kind in KINDS if kind in found}


@lru_cache(maxsize=1024)
def _asked(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return which of an event's fields say who or what it is about, and what kind that is."""
    has = frozenset(names)
    return tuple((kind, name) for kind, asked in _FIELDS.items() for name in asked if name in has)


def _is_rdp(fields: Mapping[str, Any]) -> bool:
    return str(fields.get("Channel", "")).lower() == _RDP_MANAGER


def _collect(found: dict[str, dict[str, str]], kind: str, values: Iterable[str]) -> None:
    for value in values:
        found.setdefault(kind, {}).setdefault(value.casefold(), value)


@lru_cache(maxsize=1 << 14)
def _read(kind: str, value: str) -> tuple[str, ...]:
    if not value or len(value) > _LONGEST * 4:
        return ()
    if kind == HASHES:
        return tuple(found[1].upper() for found in _HASH.finditer(value))
    text = value.strip().strip('"')[:_LONGEST]
    if kind == USERS:
        text = tidy_user(text)
    if text.casefold() in _NOBODY or read_address(text) is not None:
        return ()
    return (text.removeprefix("\\\\") if kind == HOSTS else text,)


def tidy_user(text: str) -> str:
    """Return the name without its domain; "" for the system itself and for computers' accounts."""
    name = text.rpartition("\\")[2]
    return "" if name.endswith("$") or name.startswith("S-1-") else name


def is_nobody(text: str) -> bool:
    """Say whether a name stands for no person or machine (``-``, SYSTEM and kin)."""
    return text.casefold() in _NOBODY


def _addresses(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if type(value) is not str or len(value) < len("::1"):
            continue
        if name == "message":
            candidates: Iterable[str] = _ADDRESS.findall(value[:4096])
        elif "." in value or ":" in value:
            candidates = (value,) if len(value) < 60 else ()  # noqa: PLR2004 - longer than any
        else:
            continue
        for candidate in candidates:
            address = read_address(candidate)
            if address and not _is_local(address) and not _NO_ADDRESS.search(name):
                yield address


_NO_ADDRESS = re.compile(r"ersion|OID|Oid\b|\boid\b")
"""In fields of such names four numbers with dots between them are something else."""


@lru_cache(maxsize=4096)
def _is_local(address: str) -> bool:
    made = ipaddress.ip_address(address)
    return made.is_loopback or made.is_unspecified or made.is_multicast


def read_address(text: str) -> str | None:
    """Return an IPv4 or IPv6 address in its usual form, without a port or a mapping prefix."""
    text = text.strip()
    first = text[:1]
    if first not in _FIRST_OF_ADDRESS:
        return None
    colons = text.count(":")
    if colons < _FEWEST_COLONS and first in _LETTERS:
        return None  # as most paths
    if first == "[":
        text = text[1:].partition("]")[0]
    elif colons == 1 and "." in text:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    if not _LETTERS_OF_ADDRESS.fullmatch(text):
        return None  # nearly all that is asked about, and a refusal of the reader is dear
    return _in_usual_form(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _in_usual_form(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
