"""Text in columns: full-width characters take two, lines break as Japanese wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cli.columns import measure, pad, wrap

_NOT_FIRST = "、。」）ー"


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("画面ロック", 10), ("Wi-Fiを切る", 11), ("ｶﾅ", 2)]
)
def test_full_width_characters_take_two_columns(text: str, columns: int) -> None:
    assert measure(text) == columns
    assert measure(pad(text, 12)) == 12


def test_words_stay_whole_and_later_lines_are_indented() -> None:
    text = "Run `sudo apt update` and restart the computer."

    assert list(wrap(text, 24, "1. ", "   ")) == [
        "1. Run `sudo apt update`",
        "   and restart the",
        "   computer.",
    ]


def test_japanese_breaks_anywhere_but_before_a_closing_mark() -> None:
    lines = list(wrap("画面を閉じる、まで「待つ」。", 12))

    assert lines == ["画面を閉じ", "る、まで「待", "つ」。"]


@given(
    st.text("あア漢、。」「ー()ab .,", max_size=60).filter(lambda text: text == text.strip()),
    st.integers(8, 40),
)
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = list(wrap(text, width))

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines[1:]:
        assert line[:1] not in _NOT_FIRST or not line
    for line in lines:
        # Only what has no place to be broken at may be wider.
        assert measure(line) <= width or len(list(wrap(line, width))) == 1
