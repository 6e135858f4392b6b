"""The help of every command can be read in Japanese."""

import argparse
import re

import pytest

from sekisho.cli.helping import say_in_japanese
from sekisho.cli.main import NOUNS, make_parser

_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.mark.parametrize("noun", [*NOUNS, ""])
def test_help_is_japanese(noun: str) -> None:
    """Each line of help that a person reads as a sentence has Japanese in it."""
    parser = make_parser([noun] if noun else [])
    parser.description = None
    say_in_japanese(parser)
    said = parser.format_help()
    assert "オプション" in said
    assert "show this help" not in said
    below = parser._actions[-1].choices  # noqa: SLF001 - argparse has no other way to them
    assert below is not None
    helps = [one.help for one in below[noun]._actions] if noun else []  # type: ignore[index]  # noqa: SLF001
    shown = [one for one in helps if one and one != argparse.SUPPRESS]
    assert [one for one in shown if not _JAPANESE.search(one)] == []
