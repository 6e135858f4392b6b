"""The help of the command line in Japanese: argparse's own words and ours.

Ours are the ``help="…"`` and ``epilog="…"`` texts of the parsers, which are ids of
``locale/ja/help.po``. They are said only when help was asked for, so that no other command pays
for reading the catalogue.
"""

import argparse
from collections.abc import Iterator

from sekisho.kernel.i18n import translate

_ARGPARSE = {
    "positional arguments": "引数",
    "options": "オプション",
    "show this help message and exit": "このヘルプを表示して終わる",
    "show program's version number and exit": "版を表示して終わる",
}


def say_in_japanese(parser: argparse.ArgumentParser) -> None:
    """Put the Japanese words into ``parser`` and every parser below it."""
    for group in parser._action_groups:  # noqa: SLF001 - argparse has no other way to them
        group.title = _ARGPARSE.get(group.title or "", group.title)
    if parser.epilog:
        parser.epilog = translate(parser.epilog, "ja")
    for action in _list_actions(parser):
        if action.help:
            action.help = _ARGPARSE.get(action.help) or translate(action.help, "ja")


def _list_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the actions of a parser; the parsers of its verbs are said on the way."""
    for action in parser._actions:  # noqa: SLF001 - the same
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            yield from action._choices_actions  # noqa: SLF001 - the list of verbs
            for below in action.choices.values():
                say_in_japanese(below)
