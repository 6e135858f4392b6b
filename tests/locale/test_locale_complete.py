"""Both languages are complete: every text has its one Japanese entry, and none is left over.

Texts are found where they are written: ``msg("…")`` and the agent's errors and words in Python
(by the syntax tree, which also sees inside f-strings), ``_("…")`` and ``_n("…", "…")`` in
templates (by Babel).
"""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from babel.messages.extract import extract

import sekisho

_SOURCE = Path(sekisho.__file__).parent
_TEMPLATES = sorted(_SOURCE.rglob("*.html"))
_CATALOGUES = sorted((_SOURCE / "locale" / "ja").glob("*.po"))

# The word that marks a text in Python → which of its arguments is the English id.
_EVERYWHERE = {"msg": 0}
# The agent cannot import the kernel: its errors and the words of its commands are ids themselves.
_AGENT_ERRORS = dict.fromkeys(
    (
        *("AgentError", "EnrolmentError", "InstallError", "KeyMakingError", "LinkError"),
        *("MessageError", "NodeInvalidError", "ServerRefusedError", "StateError", "words"),
        *("RefusedError", "SignInNeededError", "TunnelError"),
    ),
    0,
)
_BY_FILE = {
    "cli/agent.py": {"terminal_text": 1, "_say": 1, "_add": 3, **_AGENT_ERRORS},
    "cli/connect.py": {"_say": 1, **_AGENT_ERRORS},
}

_JAPANESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_PLACE = re.compile(r"%\((\w+)\)[#0 +-]*\d*(?:\.\d+)?[a-z]")
_LETTER = re.compile(r"[^\W\d_]")
# Names and figures that are the same in both languages.
_SAME_IN_BOTH = re.compile(
    r"(?:%\(\w+\)[a-z]|[\s:·,/()-]|Windows|macOS|Linux|Sekisho|CSV|PDF|SHA-256|YAML|SQL"
    r"|OS|Python|CSIRT|sekisho backup FILE)*"
)
# Visible words of templates that stay as they are: names of languages, the brand, a command.
_LITERALS = {
    *("日本語", "English", "関所", "Sekisho", "CSV", "sekisho admin link --person EMAIL"),
    *("ATT&CK", "https://", "User|startswith: svc_backup"),
}
_SPOKEN_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt"}


def _marks(path: Path) -> dict[str, int]:
    name = path.relative_to(_SOURCE).as_posix()
    return {
        **_EVERYWHERE,
        **_BY_FILE.get(name, {}),
        **(_AGENT_ERRORS if name.startswith(("agent/", "wire/")) else {}),
    }


_SHOWN_BY_HELP = {"help", "epilog"}


def _python_ids(path: Path) -> Iterator[tuple[str, int]]:
    marks = _marks(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.keyword)
            and node.arg in _SHOWN_BY_HELP
            and path.parent.name == "cli"
        ):
            yield from _literal(node.value)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        place = marks.get(node.func.id)
        if place is not None and len(node.args) > place:
            yield from _literal(node.args[place])


def _literal(node: ast.expr) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno


def _template_ids(path: Path) -> Iterator[tuple[str, int]]:
    with path.open("rb") as file:
        for line, found, _comments, _context in extract(
            "jinja2", file, {"_": (1,), "_n": (1, 2)}, options={"silent": "false"}
        ):
            for one in (found,) if isinstance(found, str) else found:
                yield one, line


@functools.cache  # not as the file is read: every process of the tests reads all files
def _find_ids() -> dict[str, str]:
    """Return every English id with the place where it is first written."""
    found: dict[str, str] = {}
    for path in sorted(_SOURCE.rglob("*.py")):
        for english, line in _python_ids(path):
            found.setdefault(english, f"{path.relative_to(_SOURCE)}:{line}")
    for path in _TEMPLATES:
        for english, line in _template_ids(path):
            found.setdefault(english, f"{path.relative_to(_SOURCE)}:{line}")
    return found


@functools.cache
def _entries() -> list[tuple[str, polib.POEntry]]:
    return [
        (path.name, entry)
        for path in _CATALOGUES
        for entry in polib.pofile(str(path), encoding="utf-8")
    ]


def test_the_texts_are_found() -> None:
    """The extraction sees all three kinds of places; otherwise the tests below prove nothing."""
    assert len(_find_ids()) > 1_000
    assert "cli/evidence.py" in _find_ids()["expected"]
    assert "%(n)s devices" in _find_ids()
    assert "there is no signed manifest to approve; run the agent first" in _find_ids()


def test_every_text_has_a_japanese_entry() -> None:
    """What is written in English is also said in Japanese."""
    known = {entry.msgid for _, entry in _entries() if entry.msgstr}
    missing = {english: place for english, place in _find_ids().items() if english not in known}
    assert missing == {}


def test_no_entry_is_left_over() -> None:
    """An entry that no text asks for is dead or misspelt."""
    assert [
        (name, entry.msgid) for name, entry in _entries() if entry.msgid not in _find_ids()
    ] == []


def test_no_text_has_two_japanese_entries() -> None:
    """One id in two files could be said in two ways; which one would depend on the file's name."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name, entry in _entries():
        places[entry.msgid].append(name)
    assert {english: names for english, names in places.items() if len(names) > 1} == {}


def test_both_sides_fill_in_the_same() -> None:
    """A value that one language lacks would be lost, or would fail when it is said."""
    different = [
        entry.msgid
        for _, entry in _entries()
        if sorted(set(_PLACE.findall(entry.msgid))) != sorted(set(_PLACE.findall(entry.msgstr)))
    ]
    assert different == []


def test_japanese_is_japanese_and_english_english() -> None:
    """No entry is a copy of the English, and no id is Japanese."""
    copies = [
        entry.msgid
        for _, entry in _entries()
        if not _JAPANESE.search(entry.msgstr) and not _SAME_IN_BOTH.fullmatch(entry.msgstr)
    ]
    assert copies == []
    assert [english for english in _find_ids() if _JAPANESE.search(english)] == []


@pytest.mark.parametrize(
    "word", ["サインイン", "サインアウト", "サーバー", "フォルダー", "ユーザー"]
)
def test_one_word_for_one_thing(word: str) -> None:
    """One voice: ログイン, サーバ, フォルダ and 利用者 are said everywhere."""
    assert [(name, entry.msgid) for name, entry in _entries() if word in entry.msgstr] == []


class _Visible(HTMLParser):
    """Collects what a person could read or hear on a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes that are spoken."""
        del tag
        self.found += [value for name, value in attrs if name in _SPOKEN_ATTRIBUTES and value]

    def handle_data(self, data: str) -> None:
        """Collect a text node."""
        self.found += data.split("\x01")


@pytest.mark.parametrize("path", _TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_words_of_their_own(path: Path) -> None:
    """Whatever is read on a page goes through ``_`` and so is said in both languages."""
    source = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    reader = _Visible()
    reader.feed(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "\x01", source, flags=re.DOTALL))
    reader.close()
    words = {part.strip() for text in reader.found for part in text.split("\x01")}
    assert {word for word in words if _LETTER.search(word)} - _LITERALS == set()
