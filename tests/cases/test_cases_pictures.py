"""Pictures are told by their bytes, freed of metadata, and anything else is refused."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cases.engine.pictures import clean_picture
from sekisho.kernel.errors import InvalidInputError

SECRET = b"GPS 35.6812N 139.7671E"


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


SCAN = _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34\xff\xd0\x56"
JPEG = (
    b"\xff\xd8"
    + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    + _segment(0xE1, b"Exif\x00\x00" + SECRET)
    + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET)
    + _segment(0xED, b"Photoshop 3.0\x00" + SECRET)
    + _segment(0xFE, SECRET)
    + _segment(0xDB, bytes(65))
    + _segment(0xC0, b"\x08\x00\x01\x00\x01\x01\x01\x11\x00")
    + _segment(0xC4, bytes(20))
    + SCAN
    + b"\xff\xd9"
)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"tEXt", b"Comment\x00" + SECRET)
    + _chunk(b"eXIf", SECRET)
    + _chunk(b"iTXt", SECRET)
    + _chunk(b"IDAT", zlib.compress(b"\x00\x00"))
    + _chunk(b"IEND", b"")
)


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


_WEBP_BODY = (
    b"WEBP"
    + _riff(b"VP8X", b"\x0c\x00\x00\x00" + bytes(6))
    + _riff(b"VP8L", b"\x2f\x00\x00\x00\x00")
    + _riff(b"EXIF", SECRET)
    + _riff(b"XMP ", SECRET)
)
WEBP = b"RIFF" + struct.pack("<I", len(_WEBP_BODY)) + _WEBP_BODY
PICTURES = {"image/jpeg": JPEG, "image/png": PNG, "image/webp": WEBP}


@pytest.mark.parametrize("media_type", list(PICTURES))
def test_a_picture_keeps_what_makes_it_and_nothing_else(media_type: str) -> None:
    found, cleaned = clean_picture(PICTURES[media_type] + b"<script>alert(1)</script>")
    assert found == media_type
    assert SECRET not in cleaned
    assert b"<script>" not in cleaned
    assert len(cleaned) > 40
    assert clean_picture(cleaned) == (media_type, cleaned)


def test_the_coded_data_of_a_jpeg_is_untouched() -> None:
    _, cleaned = clean_picture(JPEG)
    assert SCAN + b"\xff\xd9" in cleaned


def test_the_flags_of_a_webp_promise_nothing_that_was_dropped() -> None:
    _, cleaned = clean_picture(WEBP)
    assert cleaned[20] == 0
    assert int.from_bytes(cleaned[4:8], "little") == len(cleaned) - 8


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a<script>alert(1)</script>",
        b"MZ\x90\x00",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe1\xff\xff",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IDAT", b"x") + _chunk(b"IEND", b""),
        b"RIFF\x04\x00\x00\x00WEBP",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        PNG[:-13],
        JPEG[:-2],
        JPEG[:60],
        WEBP[:40],
    ],
)
def test_what_is_no_whole_picture_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        clean_picture(content)


@given(st.sampled_from(list(PICTURES.values())), st.data())
def test_damaged_pictures_end_in_a_picture_or_a_refusal(
    content: bytes, data: st.DataObject
) -> None:
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(3, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        media_type, cleaned = clean_picture(bytes(broken))
    except InvalidInputError:
        return
    assert media_type in PICTURES
    assert len(cleaned) <= len(broken)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(content: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\x00\x00\x00WEBP"):
        try:
            media_type, _ = clean_picture(start + content)
        except InvalidInputError:
            continue
        assert media_type in PICTURES


def _exif(order: str, *entries: tuple[int, int, int, int]) -> bytes:
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    body = struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)
    return b"Exif\x00\x00" + mark + body + bytes(4) + SECRET


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_a_photo_stays_upright_and_says_nothing_else(order: str, turned: int) -> None:
    held = _exif(order, (0x010F, 2, 4, 0), (0x0112, 3, 1, turned))
    plain_exif = _segment(0xE1, b"Exif\x00\x00" + SECRET)
    _, cleaned = clean_picture(JPEG.replace(plain_exif, _segment(0xE1, held)))
    plain = clean_picture(JPEG)[1]

    assert SECRET not in cleaned
    if turned == 1:
        assert cleaned == plain
    else:
        (written,) = cleaned.split(b"Exif\x00\x00")[1:]
        assert written[:26] == (
            b"MM\x00*\x00\x00\x00\x08\x00\x01"
            + struct.pack(">HHIHH", 0x0112, 3, 1, turned, 0)
            + bytes(4)
        )
        assert len(cleaned) == len(plain) + 4 + 6 + 26
    assert clean_picture(cleaned)[1] == cleaned


@given(st.binary(max_size=300))
def test_no_orientation_breaks_a_photo(noise: bytes) -> None:
    hostile = JPEG.replace(
        _segment(0xE1, b"Exif\x00\x00" + SECRET), _segment(0xE1, b"Exif\x00\x00MM\x00*" + noise)
    )
    kept = clean_picture(hostile)[1]
    assert len(kept) <= len(clean_picture(JPEG)[1]) + 36
