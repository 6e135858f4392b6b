"""Two languages from the first line: texts that know how to say themselves in either.

English is the message id; Japanese stands in ``locale/ja/<room>.po``, read with polib when the
first Japanese text is asked for. ``msg("…")`` marks a literal for extraction and makes a lazy
``Text``, so that engines and services can speak without knowing who listens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Literal, get_args

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence that can be said in every language: the English id and its parameters."""

    id: str
    params: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in English."""
        return translate(self, "en")


def msg(id: str, /, **params: object) -> Text:  # noqa: A002 - gettext's own word
    """Make a translatable text; ``id`` must be a literal so that it can be extracted."""
    return Text(id, params)


@lru_cache(maxsize=1)
def load_japanese() -> dict[str, str]:
    """Read every room's Japanese catalogue and return English id → Japanese text."""
    import polib  # noqa: PLC0415 - a process that speaks English only never needs it

    found: dict[str, str] = {}
    for source in sorted(files("sekisho").joinpath("locale/ja").iterdir(), key=lambda f: f.name):
        if source.name.endswith(".po"):
            catalogue = polib.pofile(source.read_text(encoding="utf-8"))
            found.update({entry.msgid: entry.msgstr for entry in catalogue if entry.msgstr})
    return found


def translate(text: Text | str, language: str) -> str:
    """Say ``text`` in ``language``; a plain string is taken as an English id without parameters.

    A parameter that is itself a Text is said in the same language. A text without a Japanese
    entry falls back to English (a test keeps the catalogues complete).
    """
    pattern, params = (text, {}) if isinstance(text, str) else (text.id, text.params)
    said = load_japanese().get(pattern, pattern) if language == "ja" else pattern
    if not params:
        return said
    spoken = {
        name: translate(value, language) if isinstance(value, Text) else value
        for name, value in params.items()
    }
    return said % spoken


def localized(texts: Mapping[str, str], language: str) -> str:
    """Pick a text that content carries in both languages (``{"ja": …, "en": …}``)."""
    return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")


def preferred_language(accepted: str, fallback: Language = "ja") -> Language:
    """Pick a language from an ``Accept-Language`` header or a locale name such as ``ja_JP.UTF-8``.

    The first of our languages that is named wins (RFC 9110 section 12.5.4, order taken as given).
    """
    for part in accepted.replace("_", "-").lower().split(","):
        name = part.split(";", 1)[0].strip().split(".", 1)[0].split("-", 1)[0]
        for language in LANGUAGES:
            if name == language:
                return language
    return fallback
