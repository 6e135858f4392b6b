r"""Fields that a log lacks, made of those it has, in the form in which rules expect them.

Rules on Windows are written for Sysmon. Security events say the same in other words: numbers in
hexadecimal, accounts in two fields, integrity as a SID, the registry below ``\REGISTRY``, what
was done as a message number; connections by the path of the device, a number of the protocol and
one of the direction. Linux audit gives a program's arguments one by one. Sources: Microsoft's pages
on events 4688, 4657, 4663 and 5156, on mandatory labels (MS-DTYP 2.4.2.4) and on Sysmon; the fields
of audit records as the Linux audit project lists them.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from sekisho.detection.engine.values import MISSING, text_of
from sekisho.detection.model import Derivation, Derived

_NOBODY = frozenset({"", "-"})
_INTEGRITY = {
    "S-1-16-0": "Untrusted",
    "S-1-16-4096": "Low",
    "S-1-16-8192": "Medium",
    "S-1-16-8448": "Medium",
    "S-1-16-12288": "High",
    "S-1-16-16384": "System",
    "S-1-16-20480": "System",
}
_OPERATIONS = {"%%1904": "SetValue", "%%1905": "SetValue", "%%1906": "DeleteValue"}
_HIVES = (("\\registry\\machine", "HKLM"), ("\\registry\\user", "HKU"))
_CONTROL_SET = re.compile(r"(HKLM\\SYSTEM)\\ControlSet[0-9]{3}(?=\\|\Z)", re.IGNORECASE)
_DEVICE = re.compile(r"\A\\device\\harddiskvolume[0-9]+(?=\\)", re.IGNORECASE)
_DIRECTIONS = {"%%14592": "false", "%%14593": "true"}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_BINARY, _DWORD, _QWORD = "%%1875", "%%1876", "%%1883"


def derive(derived: Derived, get: Callable[[str], object]) -> object:
    """Return the value of a derived field, MISSING where its first source is not there."""
    values = [get(name) for name in derived.sources]
    if derived.how is Derivation.SAME:
        return next((value for value in values if value is not MISSING), MISSING)
    if all(value is MISSING for value in values):
        return MISSING
    texts = [_said(value) for value in values]
    made = _MAKERS[derived.how](texts)
    return MISSING if made is None else made


def _said(value: object) -> str:
    """Return what a source says; lists and mappings, which Windows has not there, say nothing."""
    return "" if value is MISSING or isinstance(value, list | dict) else text_of(value) or ""


def _integer(texts: Sequence[str]) -> str | None:
    """Write a number as decimal: ``0x1a4`` is ``420``; anything else stays."""
    try:
        return str(int(texts[0], 0))
    except ValueError:
        return texts[0]


def _account(texts: Sequence[str]) -> str | None:
    r"""Join the first domain and name that are said as ``DOMAIN\name``."""
    for domain, name in zip(texts[::2], texts[1::2], strict=True):
        if name not in _NOBODY:
            return name if domain in _NOBODY else f"{domain}\\{name}"
    return None


def _integrity(texts: Sequence[str]) -> str | None:
    return _INTEGRITY.get(texts[0].upper(), texts[0])


def _registry_path(texts: Sequence[str]) -> str | None:
    path = texts[0]
    for prefix, hive in _HIVES:
        if path.casefold().startswith(prefix):
            path = hive + path[len(prefix) :]
    path = _CONTROL_SET.sub(r"\1\\CurrentControlSet", path)
    return path if texts[1] in _NOBODY else f"{path}\\{texts[1]}"


def _registry_details(texts: Sequence[str]) -> str | None:
    value, kind = texts
    if kind == _BINARY:
        return "Binary Data"
    try:
        number = int(value, 0)
    except ValueError:
        return value
    if kind == _DWORD:
        return f"DWORD (0x{number & 0xFFFFFFFF:08x})"
    if kind == _QWORD:
        return f"QWORD (0x{number >> 32 & 0xFFFFFFFF:08x}-0x{number & 0xFFFFFFFF:08x})"
    return value


def _registry_operation(texts: Sequence[str]) -> str | None:
    return _OPERATIONS.get(texts[0], texts[0])


def _device_path(texts: Sequence[str]) -> str | None:
    """Write a device's path as Sysmon does; which letter a volume has is not said, so it is C."""
    return _DEVICE.sub("C:", texts[0])


def _direction(texts: Sequence[str]) -> str | None:
    return _DIRECTIONS.get(texts[0], texts[0])


def _protocol(texts: Sequence[str]) -> str | None:
    return _PROTOCOLS.get(texts[0], texts[0])


def _program(texts: Sequence[str]) -> str | None:
    """Return the path of a program; one called by its bare name is somewhere, under that name."""
    return texts[0] if "/" in texts[0] else f"/{texts[0]}"


def _arguments(texts: Sequence[str]) -> str | None:
    return " ".join(texts).rstrip(" ")


_MAKERS: Mapping[Derivation, Callable[[Sequence[str]], str | None]] = {
    Derivation.INTEGER: _integer,
    Derivation.ACCOUNT: _account,
    Derivation.INTEGRITY: _integrity,
    Derivation.REGISTRY_PATH: _registry_path,
    Derivation.REGISTRY_DETAILS: _registry_details,
    Derivation.REGISTRY_OPERATION: _registry_operation,
    Derivation.DEVICE_PATH: _device_path,
    Derivation.DIRECTION: _direction,
    Derivation.PROTOCOL: _protocol,
    Derivation.PROGRAM: _program,
    Derivation.ARGUMENTS: _arguments,
}
