"""Pictures that people send: told by their bytes, and freed of what the camera wrote into them.

Nothing is decoded, so that no decoder can be attacked; the containers are walked and only what
makes the picture is kept. Where a photo was taken (EXIF, XMP, comments) is not our business. How a
phone was held is: of a photo's EXIF one number is read, and written anew, so that it stays upright.
Sources: JPEG (ITU-T T.81 annex B), PNG (W3C PNG third edition section 5), WebP (RFC 9649
section 2), orientation (CIPA DC-008-2019, EXIF 2.32, section 4.6.4).
"""

import struct
from collections.abc import Callable, Mapping

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg

_PNG = b"\x89PNG\r\n\x1a\n"
# Everything that makes the picture itself; text, time and EXIF chunks are left out.
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"cHRM",
                       b"pHYs", b"sBIT", b"cICP"})  # fmt: skip
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"ALPH"})
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_APP0, _APP15, _COM, _ADOBE = 0xE0, 0xEF, 0xFE, 0xEE
_RIFF_HEADER, _CHUNK_HEADER = 12, 8
_APP1, _EXIF = 0xE1, b"Exif\x00\x00"
_ORIENTATION, _SHORT, _UPRIGHT, _MOST_TAGS = 0x0112, 3, 1, 200


def clean_picture(content: bytes) -> tuple[str, bytes]:
    """Return (media type, content without metadata); raise InvalidInputError if it is none.

    The name and the type that the sender claims are not asked.
    """
    for media_type, (start, clean) in _KNOWN.items():
        if content.startswith(start):
            return media_type, clean(content)
    raise _refuse(msg("It is none of JPEG, PNG and WebP."))


def _refuse(why: Text) -> InvalidInputError:
    return InvalidInputError(
        msg("The picture cannot be taken. %(why)s", why=why),
        hint=msg("Send a photo or a screenshot as JPEG, PNG or WebP."),
    )


def _broken() -> InvalidInputError:
    return _refuse(msg("It is cut off or damaged."))


def _clean_jpeg(content: bytes) -> bytes:
    kept, at = bytearray(content[:2]), 2
    while True:
        marker, at = _next_marker(content, at)
        if marker == _EOI:
            return bytes(kept + b"\xff\xd9")
        if marker in _STANDALONE:
            kept += bytes((0xFF, marker))
            continue
        length = int.from_bytes(content[at : at + 2], "big")
        end = at + length
        if length < 2 or end > len(content):  # noqa: PLR2004 - the length counts its own two bytes
            raise _broken()
        if _is_picture(marker):
            kept += bytes((0xFF, marker)) + content[at:end]
        elif marker == _APP1 and (turned := _read_orientation(content[at + 2 : end])) != _UPRIGHT:
            kept += _write_orientation(turned)
        at = end
        if marker == _SOS:
            stop = _end_of_scan(content, at)
            kept += content[at:stop]
            at = stop


def _read_orientation(segment: bytes) -> int:
    """Return how the camera was held, 1 to 8; 1 (upright) for whatever cannot be read."""
    tiff = segment.removeprefix(_EXIF)
    order = {b"II*\x00": "little", b"MM\x00*": "big"}.get(tiff[:4])
    if not segment.startswith(_EXIF) or order is None:
        return _UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)  # type: ignore[arg-type]  # one of two

    first = number(4, 4)
    for place in range(min(number(first, 2), _MOST_TAGS)):
        at = first + 2 + 12 * place
        if (number(at, 2), number(at + 2, 2), number(at + 4, 4)) == (_ORIENTATION, _SHORT, 1):
            found = number(at + 8, 2)
            return found if _UPRIGHT <= found <= 8 else _UPRIGHT  # noqa: PLR2004 - the last one
    return _UPRIGHT


def _write_orientation(turned: int) -> bytes:
    """Return an EXIF segment that says how the camera was held and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION, _SHORT, 1, turned, 0)
    tiff = b"MM\x00*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    body = _EXIF + tiff
    return bytes((0xFF, _APP1)) + struct.pack(">H", len(body) + 2) + body


def _next_marker(content: bytes, at: int) -> tuple[int, int]:
    """Return the marker at ``at`` (fill bytes are passed over) and the place behind it."""
    if content[at : at + 1] != b"\xff":
        raise _broken()
    while content[at : at + 1] == b"\xff":
        at += 1
    if at >= len(content) or content[at] in {0x00, _SOI}:
        raise _broken()
    return content[at], at + 1


def _is_picture(marker: int) -> bool:
    """Tell whether a segment makes the picture: of the application's, JFIF and Adobe's colours."""
    if marker == _COM:
        return False
    return not _APP0 <= marker <= _APP15 or marker in {_APP0, _ADOBE}


def _end_of_scan(content: bytes, at: int) -> int:
    """Return where the coded data ends: at a marker that is neither stuffing nor a restart."""
    while True:
        at = content.find(b"\xff", at)
        if at < 0 or at + 1 >= len(content):
            raise _broken()
        if content[at + 1] != 0x00 and content[at + 1] not in _STANDALONE:
            return at
        at += 2


def _clean_png(content: bytes) -> bytes:
    kept, at = bytearray(_PNG), len(_PNG)
    first = True
    while True:
        size = int.from_bytes(content[at : at + 4], "big")
        kind, end = content[at + 4 : at + 8], at + 12 + size
        if end > len(content) or len(kind) < 4 or (first and kind != b"IHDR"):  # noqa: PLR2004 - letters of a chunk's type
            raise _broken()
        if kind in _PNG_KEPT:
            kept += content[at:end]
        if kind == b"IEND":
            return bytes(kept)
        at, first = end, False


def _clean_webp(content: bytes) -> bytes:
    if content[8:12] != b"WEBP":
        raise _refuse(msg("It is none of JPEG, PNG and WebP."))
    kept, at, pictures = bytearray(), _RIFF_HEADER, 0
    end_of_file = min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while at + _CHUNK_HEADER <= end_of_file:
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + _CHUNK_HEADER + size + size % 2
        if end > end_of_file + size % 2:
            raise _broken()
        chunk = content[at:end]
        if kind == b"VP8X":
            # Its flags say which chunks follow; animation, colour profile, EXIF and XMP do not.
            flags = chunk[8] & 0x10
            kept += chunk[:8] + bytes((flags,)) + chunk[9:]
        elif kind in _WEBP_KEPT:
            kept += chunk
            pictures += kind in {b"VP8 ", b"VP8L"}
        at = end
    if not pictures:
        raise _broken()
    return b"RIFF" + (len(kept) + 4).to_bytes(4, "little") + b"WEBP" + bytes(kept)


_KNOWN: Mapping[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "image/jpeg": (b"\xff\xd8\xff", _clean_jpeg),
    "image/png": (_PNG, _clean_png),
    "image/webp": (b"RIFF", _clean_webp),
}
EXTENSIONS: Mapping[str, str] = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
