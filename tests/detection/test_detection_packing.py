"""Uploads: what is a rule file comes out, whatever else an archive tries."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.detection.packing import unpack_rules
from sekisho.kernel.errors import InvalidInputError, SekishoError, TooLargeError

RULE = b"title: x\n"


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_single_file_and_an_archive_of_folders_are_taken() -> None:
    assert unpack_rules("a.yml", RULE) == [("a.yml", RULE)]
    packed = _zip({"b/x.yaml": RULE, "a/y.yml": RULE, "README.md": b"#", "b/": b""})
    assert [name for name, _ in unpack_rules("r.zip", packed)] == ["a/y.yml", "b/x.yaml"]


def test_folders_of_collections_that_are_not_in_force_are_left_out() -> None:
    packed = _zip({f"s/{f}/x.yml": RULE for f in ("deprecated", "unsupported", "tests", "rules")})
    assert [name for name, _ in unpack_rules("r.zip", packed)] == ["s/rules/x.yml"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/x.yml", "etc/x.yml"),
        ("/etc/x.yml", "etc/x.yml"),
        ("..\\..\\win.yml", "win.yml"),
        ("a/./b/../x.yml", "a/b/x.yml"),
        ("a\u202ex\n.yml", "ax.yml"),
    ],
)
def test_a_name_is_only_a_name(name: str, expected: str) -> None:
    assert unpack_rules("r.zip", _zip({name: RULE}))[0][0] == expected


def test_a_bomb_is_refused_while_it_unpacks() -> None:
    with pytest.raises(TooLargeError):
        unpack_rules("r.zip", _zip({"x.yml": bytes(2 * 1024 * 1024)}))
    many = {f"{n}.yml": bytes(1024 * 1024) for n in range(260)}
    with pytest.raises(TooLargeError):
        unpack_rules("r.zip", _zip(many))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.txt", RULE),
        ("x.exe", b"MZ"),
        ("x.zip", b""),
        ("x.zip", b"PK\x03\x04" + bytes(40)),
        ("x.zip", _zip({"README.md": b"#"})),
        ("x.zip", _zip({"x.yml": RULE * 200})[:-30]),
    ],
)
def test_what_holds_no_rule_is_refused_with_a_word(name: str, content: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        unpack_rules(name, content)
    assert str(caught.value.hint)


def test_an_archive_with_a_password_is_refused() -> None:
    packed = bytearray(_zip({"x.yml": RULE}, zipfile.ZIP_STORED))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(magic) + offset] |= 1  # the bit that says "encrypted"
    with pytest.raises(InvalidInputError):
        unpack_rules("x.zip", bytes(packed))


@given(st.binary(max_size=400), st.integers(0, 200))
def test_no_bytes_do_more_than_be_refused(junk: bytes, at: int) -> None:
    packed = bytearray(_zip({"x.yml": RULE}))
    packed[at : at + len(junk)] = junk
    try:
        found = unpack_rules("x.zip", bytes(packed))
    except SekishoError:
        return
    assert all(name and not name.startswith(("/", "..")) for name, _ in found)
