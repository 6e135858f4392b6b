"""Order of version numbers, for the ``version`` collation and ``version_compare``.

Generic: numbers by value, letters by text, as osquery's ``version`` collation does. ``DPKG``:
Debian Policy section 5.6.12 (epoch, upstream, revision; ``~`` before everything). ``RHEL``: rpm's
``rpmvercmp`` (segments of digits or letters, ``~`` lowest, ``^`` above the bare version).
``ARCH``: pacman's vercmp, which is rpm's order with an epoch and a package release.
"""

import re
from collections.abc import Callable
from itertools import zip_longest

_PARTS = re.compile(r"(\d+)|([^\W\d_]+)")
_RPM_PARTS = re.compile(r"(\d+)|([A-Za-z]+)|(~)|(\^)")
_DPKG_PARTS = re.compile(r"(\D*)(\d*)")
_Order = Callable[[str, str], int]
FLAVOURS = frozenset({"DPKG", "RHEL", "ARCH"})


def compare(left: str, right: str, flavour: str = "") -> int:
    """Return -1, 0 or 1; ``flavour`` is "", DPKG, RHEL or ARCH (others raise ``ValueError``)."""
    if flavour == "":
        return _compare_generic(left, right)
    if flavour not in FLAVOURS:
        raise ValueError(f"version_compare got flavour {flavour!r}; expected DPKG, RHEL or ARCH")
    order = _order_dpkg if flavour == "DPKG" else _order_rpm
    return _compare_packaged(left, right, order)


def collate(left: str, right: str) -> int:
    """Order as SQLite's ``version`` collation; equal only when neither is older."""
    return _compare_generic(left, right)


def _compare_generic(left: str, right: str) -> int:
    pairs = zip_longest(_PARTS.findall(left), _PARTS.findall(right), fillvalue=None)
    for one, other in pairs:
        result = _compare_part(one, other)
        if result:
            return result
    return 0


def _compare_part(one: tuple[str, str] | None, other: tuple[str, str] | None) -> int:
    """Compare one part; a missing part is the number 0, so that 1.2 = 1.2.0."""
    left, right = one or ("0", ""), other or ("0", "")
    if left[0] and right[0]:
        return _sign(int(left[0][:18]), int(right[0][:18]))
    if left[0] or right[0]:
        # Words (beta, rc) come before numbers: 1.2beta < 1.2.
        return 1 if left[0] else -1
    return _sign_text(left[1].lower(), right[1].lower())


def _compare_packaged(left: str, right: str, order: _Order) -> int:
    one, other = _split_package(left), _split_package(right)
    epochs = _sign(one[0], other[0])
    return epochs or order(one[1], other[1]) or order(one[2], other[2])


def _split_package(version: str) -> tuple[int, str, str]:
    """Split ``[epoch:]upstream[-revision]``; no epoch is 0, no revision is ""."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (int(epoch[:18]), upstream, revision) if dash else (int(epoch[:18]), rest, "")


def _order_dpkg(left: str, right: str) -> int:
    for one, other in zip_longest(
        _DPKG_PARTS.findall(left), _DPKG_PARTS.findall(right), fillvalue=("", "")
    ):
        words = _sign_text(_dpkg_key(one[0]), _dpkg_key(other[0]))
        result = words or _sign(int(one[1][:18] or "0"), int(other[1][:18] or "0"))
        if result:
            return result
    return 0


def _dpkg_key(word: str) -> str:
    """Map characters so that text order is Debian's: ``~`` < end < letters < the rest."""
    mapped = [
        "\x00" if char == "~" else char if char.isalpha() else chr(0x10000 + ord(char) % 0x10000)
        for char in word
    ]
    return "".join(mapped) + "\x01"


def _order_rpm(left: str, right: str) -> int:
    ours, theirs = _RPM_PARTS.findall(left), _RPM_PARTS.findall(right)
    for one, other in zip_longest(ours, theirs, fillvalue=("", "", "", "")):
        result = _compare_rpm_part(one, other)
        if result:
            return result
    return 0


def _compare_rpm_part(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    ranks = _sign(_rpm_rank(one), _rpm_rank(other))
    if ranks:
        return ranks
    if one[0]:
        return _sign(int(one[0][:18]), int(other[0][:18]))
    return _sign_text(one[1], other[1])


def _rpm_rank(part: tuple[str, ...]) -> int:
    """Rank kinds of segment: ``~`` < end < ``^`` < letters < digits."""
    if part[2]:
        return 0
    if part[3]:
        return 2
    return 4 if part[0] else 3 if part[1] else 1


def _sign(left: int, right: int) -> int:
    return (left > right) - (left < right)


def _sign_text(left: str, right: str) -> int:
    return (left > right) - (left < right)
