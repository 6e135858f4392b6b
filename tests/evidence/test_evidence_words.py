"""Every kind of record that the program writes is called something in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import sekisho
from sekisho.evidence.words import KINDS, name_kind
from sekisho.kernel.i18n import translate

_SOURCE = Path(sekisho.__file__).parent
# What writes a record without naming its arguments: where the kind may stand.
_POSITION = {"NewRecord": slice(1), "_record": slice(4)}


def _written() -> Iterator[str]:
    """Yield every kind that stands as a literal where a record is written."""
    for path in _SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = [word.value for word in node.keywords if word.arg == "kind"]
                first = _POSITION.get(_name(node), slice(0))
                for value in (*named, *node.args[first]):
                    kind = str(value.value) if isinstance(value, ast.Constant) else ""
                    if "." in kind and not kind.endswith("*"):  # a star asks for records
                        yield kind


def _name(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_every_kind_that_is_written_has_words() -> None:
    written = set(_written())
    assert len(written) > 20
    assert sorted(written - set(KINDS)) == []


def test_no_two_kinds_are_called_the_same() -> None:
    for language in ("ja", "en"):
        said = [translate(text, language) for text in KINDS.values()]
        assert len(said) == len(set(said)), language


def test_a_kind_of_another_version_is_shown_as_it_is() -> None:
    assert name_kind("gate.opened") == "gate.opened"
