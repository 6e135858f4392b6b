"""Two languages from the first line: texts that know how to say themselves in either.

English is the message id; Japanese stands in ``locale/ja/<room>.po``, read with polib when the
first Japanese text is asked for. ``msg("…")`` marks a literal for extraction and makes a lazy
``Text``, so that engines and services can speak without knowing who listens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

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


@dataclass(frozen=True, slots=True)
class Localized:
    """Words that somebody wrote in both languages themselves; a parameter of a text."""

    ja: str
    en: str


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
    return said % {name: _say_value(value, language) for name, value in params.items()}


def _say_value(value: object, language: str) -> object:
    """Say a parameter: a text and a time in the same language, a known reason of the system."""
    if isinstance(value, Text):
        return translate(value, language)
    if isinstance(value, Localized):
        return value.ja if language == "ja" else value.en
    if isinstance(value, datetime):
        from sekisho.kernel.times import say_minute  # noqa: PLC0415 - times speaks through us

        return f"{say_minute(value, UTC, language)} UTC"
    if isinstance(value, OSError) and language == "ja":
        cause = value.reason if hasattr(value, "reason") else value  # urllib wraps the system's
        reason = getattr(cause, "strerror", None) or str(cause)
        if reason in load_japanese():
            return load_japanese()[reason]
    return value


def system_reason(error: OSError) -> Text:
    """Return why the system refused ("Permission denied"), without number and file."""
    return Text(error.strerror or str(error))


def pack_text(text: Text) -> dict[str, Any]:
    """Return ``text`` as plain data, so that what is stored can be said in any language later."""
    return {"id": text.id, "params": {n: _pack_value(v) for n, v in text.params.items()}}


def _pack_value(value: object) -> object:
    if isinstance(value, Text):
        return pack_text(value)
    if isinstance(value, Localized):
        return {"ja": value.ja, "en": value.en}
    return pack_text(system_reason(value)) if isinstance(value, OSError) else value


def unpack_text(raw: Mapping[str, Any]) -> Text:
    """Make the text again that ``pack_text`` made plain."""
    params = {
        name: _unpack_value(value) if isinstance(value, Mapping) else value
        for name, value in raw["params"].items()
    }
    return Text(raw["id"], params)


def _unpack_value(value: Mapping[str, Any]) -> Text | Localized:
    return unpack_text(value) if "id" in value else Localized(value["ja"], value["en"])


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
