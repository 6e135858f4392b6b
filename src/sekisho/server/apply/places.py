"""Values in a file, read with what a folder needs on top: suggestions, switches, clean texts."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TypeVar

import yaml

from sekisho.controls.reading import Place
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apply.model import Mark

_Made = TypeVar("_Made")


def mark_of(place: Place) -> Mark:
    """Return where a value stands."""
    return Mark(place.source.file, place.line)


def did_you_mean(got: str, known: Iterable[str]) -> Text:
    """Return what to do about a word that is not known: the nearest one, or the whole list."""
    words = sorted(known)
    near = get_close_matches(got, words, 1)
    if near:
        return msg("Did you mean “%(word)s”?", word=near[0])
    listed = ", ".join(words[:20])
    return msg("Known are: %(words)s.", words=listed) if listed else msg("There is none yet.")


def fields_of(
    place: Place, required: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, Place]:
    """Return the known fields of a mapping; notes missing ones, and others with a suggestion."""
    needed = tuple(required)
    known = {*needed, *optional}
    found = place.entries()
    if isinstance(place.node, yaml.MappingNode):
        for key, _ in place.node.value:
            if str(key.value) not in known:
                Place(place.source, key).note(_unknown(str(key.value), known))
        for name in needed:
            if name not in found:
                place.note(msg("The key “%(key)s” is missing.", key=name))
    return {name: value for name, value in found.items() if name in known}


def _unknown(got: str, known: Iterable[str]) -> Text:
    return msg(
        "The key “%(key)s” is not known. %(hint)s", key=got[:60], hint=did_you_mean(got, known)
    )


def read_switch(place: Place | None, *, default: bool = False) -> bool:
    """Return what ``true`` or ``false`` says."""
    if place is None:
        return default
    got = read_word(place)
    if got not in {"true", "false"}:
        place.note(msg("Expected true or false."))
    return got == "true"


def read_word(place: Place) -> str:
    """Return a text, which may be empty; notes what is none."""
    if isinstance(place.node, yaml.ScalarNode):
        return str(place.node.value).strip()
    place.note(msg("Expected a text."))
    return ""


def read_choice(place: Place, known: Iterable[str]) -> str:
    """Return one word of a closed set."""
    got, words = read_word(place), list(known)
    if got not in words:
        place.note(
            msg("“%(got)s” is not known. %(hint)s", got=got[:60], hint=did_you_mean(got, words))
        )
    return got


def read_clean(place: Place, clean: Callable[[str], _Made], default: _Made) -> _Made:
    """Return what ``clean`` of another room makes of a text; notes its refusal."""
    try:
        return clean(read_word(place))
    except SekishoError as error:
        place.note(msg("%(why)s", why=error.message))
        return default
