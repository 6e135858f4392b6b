"""Pure parsers of configuration files into (node, value) pairs, labelled as augeas labels them.

A node is the way down from the file, its steps joined by ``/``; the last step is the label.
"""

import re
from collections.abc import Iterator

Node = tuple[str, str]
"""(way below the file, value)."""

_APT = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)
      |"(?P<quoted>(?:[^"\\]|\\.)*)"
      |(?P<mark>[{};])
      |(?P<word>(?:[^\s{};"/]|/(?![/*]))+)""",
    re.VERBOSE | re.DOTALL,
)


def parse_assignment_file(text: str) -> Iterator[Node]:
    """Yield the ``KEY=value`` lines of a shell-like file (ufw.conf, /etc/default)."""
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and key and not key.startswith("#"):
            yield key.strip(), value.strip().strip("\"'")


def parse_sections(text: str) -> Iterator[Node]:
    """Yield the keys of an ini-like file as ``section/key``; comments are left out."""
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif line and line[0] not in "#;" and "=" in line:
            key, _, value = line.partition("=")
            yield f"{section}/{key.strip()}" if section else key.strip(), value.strip()


def parse_apt(text: str) -> Iterator[Node]:
    """Yield the settings of an apt.conf(5) file: ``A::B "v";`` and ``A { B "v"; };`` alike."""
    stack: list[list[str]] = []
    words: list[str] = []
    value: str | None = None
    for match in _APT.finditer(text):
        if match.group("skip") is not None:
            continue
        if match.group("quoted") is not None:
            value = match.group("quoted")
        elif match.group("word") is not None:
            words.append(match.group("word"))
        elif match.group("mark") == "{":
            stack.append(_steps(words))
            words, value = [], None
        else:
            yield from _setting(stack, words, value)
            words, value = [], None
            if match.group("mark") == "}" and stack:
                stack.pop()


def _setting(stack: list[list[str]], words: list[str], value: str | None) -> Iterator[Node]:
    """Yield one finished setting; a word without quotes is a value too (``A::B 1;``)."""
    if value is None and len(words) > 1:
        value = words.pop()
    steps = [step for level in stack for step in level] + _steps(words)
    if value is not None and steps:
        yield "/".join(steps), value


def _steps(words: list[str]) -> list[str]:
    return [step for word in words for step in word.split("::") if step]


def parse_sshd(text: str) -> Iterator[Node]:
    """Yield the settings of sshd_config(5); those after ``Match`` below ``Match/Settings``."""
    below = ""
    for raw in text.splitlines():
        words = raw.split("#", 1)[0].replace("=", " ", 1).split(None, 1)
        if len(words) < 2:  # noqa: PLR2004 - a keyword and its value
            continue
        if words[0].lower() == "match":
            below = "Match/Settings/"
        else:
            yield f"{below}{words[0]}", words[1].strip()


def parse_wireless(text: str) -> Iterator[Node]:
    """Yield of a NetworkManager connection only how a wireless network is secured.

    Neither the name of the network nor its key leaves the file. A wireless connection without a
    security section is open; augeas would show nothing, so ``802-11-wireless/security`` says it.
    """
    nodes = list(parse_sections(text))
    kinds = {value for way, value in nodes if way == "connection/type"}
    if not kinds & {"wifi", "802-11-wireless"}:
        return
    secured = [(way, value) for way, value in nodes if way.endswith("/key-mgmt")]
    yield from secured or [("wifi/security", "open")]
