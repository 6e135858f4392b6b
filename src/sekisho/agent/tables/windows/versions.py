"""Versions of Windows programs from their version resource (VS_VERSIONINFO)."""

import struct
from collections.abc import Callable

from sekisho.agent.table import Row
from sekisho.agent.tables.windows.api import version_block

_FIXED = struct.Struct("<IIIIII")  # signature, structure version, file version, product version
_SIGNATURE = b"\xbd\x04\xef\xfe"  # 0xFEEF04BD of VS_FIXEDFILEINFO, little-endian
_PROGRAMS = (".exe", ".dll", ".sys", ".ocx", ".cpl")


def version_columns(path: str, block_of: Callable[[str], bytes] = version_block) -> Row:
    """Return ``file_version`` and ``product_version`` of a program, nothing for other files."""
    if not path.lower().endswith(_PROGRAMS):
        return {}
    return parse_version(block_of(path))


def parse_version(block: bytes) -> Row:
    """Read VS_FIXEDFILEINFO wherever it stands in the block; nothing if it is not there whole."""
    start = block.find(_SIGNATURE)
    if start < 0 or len(block) < start + _FIXED.size:
        return {}
    _, _, file_high, file_low, product_high, product_low = _FIXED.unpack_from(block, start)
    return {
        "file_version": _dotted(file_high, file_low),
        "product_version": _dotted(product_high, product_low),
    }


def _dotted(high: int, low: int) -> str:
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
