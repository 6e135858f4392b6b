"""What is sealed opens only with its key and in its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.secrets import Secret, SecretBox

BOX = SecretBox(bytes(32))


@given(st.binary(), st.text(max_size=20))
def test_what_was_sealed_opens(plain: bytes, context: str) -> None:
    assert BOX.open(BOX.seal(plain, context), context) == plain


@given(st.binary(max_size=50), st.data())
def test_any_changed_byte_is_refused(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(BOX.seal(plain, "a"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(InvalidInputError):
        BOX.open(bytes(sealed), "a")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(11), bytes(40)])
def test_rubbish_is_refused(sealed: bytes) -> None:
    with pytest.raises(InvalidInputError):
        BOX.open(sealed, "a")


def test_a_sealed_value_cannot_be_moved() -> None:
    with pytest.raises(InvalidInputError):
        BOX.open(BOX.seal(b"x", "identity.totp:a"), "identity.totp:b")


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    sealed = SecretBox.load_or_create(path).seal(b"x", "a")

    assert path.stat().st_mode & 0o777 == 0o600
    assert SecretBox.load_or_create(path).open(sealed, "a") == b"x"
    path.chmod(0o644)
    with pytest.raises(UnavailableError, match="Others"):
        SecretBox.load_or_create(path)


def test_a_secret_does_not_show_itself() -> None:
    assert f"{Secret('hunter2')!r} {Secret('hunter2')}" == "*** ***"
