"""What Sekisho's own rules are called in Japanese: custom attributes of their files.

Sigma titles are English and stay so, in every machine-readable form; a file of ours says
``title_ja``, ``description_ja`` and ``falsepositives_ja`` beside them (Sigma allows attributes of
one's own). A rule of ours that somebody rewrote under another title goes by that title.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from sekisho.kernel.i18n import Localized

_LOADER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class OwnWords:
    """What a rule of ours says of itself in both languages; ``harmless``: known false alarms."""

    title: Localized
    description: Localized
    harmless: tuple[Localized, ...]


@lru_cache(maxsize=1)
def own_words() -> Mapping[str, OwnWords]:
    """Return rule id → its words, read once for each process."""
    return {str(each["id"]): _read(each) for each in _documents()}


def find_words(rule_id: str, title: str) -> OwnWords | None:
    """Return what a rule says of itself in both languages; None if it is not ours."""
    words = own_words().get(rule_id)
    return words if words and words.title.en == title else None


def say_title(rule_id: str, title: str) -> Localized | str:
    """Return how to call a rule in a sentence or on a page: in both languages if it is ours."""
    words = find_words(rule_id, title)
    return words.title if words else title


def say_rule(rule_id: str, title: str, language: str) -> str:
    """Return what a rule is called in this language."""
    said = say_title(rule_id, title)
    if isinstance(said, str):
        return said
    return said.ja if language == "ja" else said.en


def find_in_titles(word: str) -> list[str]:
    """Return the ids of our rules whose Japanese title holds ``word``."""
    return [rule_id for rule_id, words in own_words().items() if word in words.title.ja]


def _documents() -> Iterator[Mapping[str, Any]]:
    for file in files("sekisho").joinpath("content/rules").iterdir():
        if file.name.endswith(".yml"):
            yield from yaml.load_all(file.read_text(encoding="utf-8"), Loader=_LOADER)


def _read(document: Mapping[str, Any]) -> OwnWords:
    alarms = zip(
        document.get("falsepositives_ja", ()), document.get("falsepositives", ()), strict=True
    )
    return OwnWords(
        Localized(document["title_ja"], document["title"]),
        Localized(document["description_ja"], document["description"]),
        tuple(Localized(ja, en) for ja, en in alarms),
    )
