"""The pictures that controls show beside the steps of a fix: reading and holding them.

They come with the program (``content/pictures/NAME.yaml``); a control names one for a system. An
organisation's own control may name any of them and brings none itself: what stands in a page as
SVG is never somebody's upload.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from markupsafe import Markup

from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.ui import pictures
from sekisho.ui.pictures import ICONS, Frame, Look, Picture, Row, System, Thing

_MOST_FRAMES = 3


@lru_cache(maxsize=1)
def load_pictures() -> Mapping[str, Picture]:
    """Return the program's pictures by name; a faulty one is left out (the tests find it)."""
    found = {}
    for entry in files("sekisho").joinpath("content/pictures").iterdir():
        name = entry.name.removesuffix(".yaml")
        picture = read_picture(entry.read_text("utf-8"), Source(f"pictures/{entry.name}"))
        if picture is not None:
            found[name] = picture
    return found


@lru_cache(maxsize=256)
def draw_picture(name: str, language: str) -> Markup:
    """Return the HTML of a picture in a language, nothing for a name that is not known."""
    found = load_pictures().get(name)
    return Markup() if found is None else pictures.draw_picture(found, language)


def read_picture(text: str, source: Source) -> Picture | None:
    """Read one picture; every fault is noted in ``source``, and then there is none."""
    root = source.parse(text)
    if root is None:
        return None
    fields = root.fields(("frames",))
    frames = fields["frames"].items() if "frames" in fields else iter(())
    found = tuple(frame for place in frames if (frame := _read_frame(place)) is not None)
    if not 1 <= len(found) <= _MOST_FRAMES:
        root.note(msg("A picture has one to %(most)s frames.", most=_MOST_FRAMES))
    return None if source.faults else Picture(found)


def _read_frame(place: Place) -> Frame | None:
    fields = place.fields(("caption",), ("system", "title", "rows", "things", "joined"))
    if ("rows" in fields) == ("things" in fields) or "caption" not in fields:
        place.note(msg("A frame has a caption and either rows or things."))
        return None
    before = len(place.source.faults)
    frame = Frame(
        caption=fields["caption"].localized(),
        system=fields["system"].choice(System) if "system" in fields else System.PLAIN,
        title=fields["title"].localized() if "title" in fields else None,
        rows=tuple(map(_read_row, fields["rows"].items())) if "rows" in fields else (),
        things=tuple(map(_read_thing, fields["things"].items())) if "things" in fields else (),
        joined="joined" not in fields or fields["joined"].text() != "false",
    )
    if len(place.source.faults) > before:
        return None
    for language in LANGUAGES:
        for text in pictures.find_overflows(frame, language):
            place.note(msg("This is too long for the picture: “%(text)s”.", text=text))
    return frame


def _read_row(place: Place) -> Row:
    fields = place.fields(("text",), ("as", "value", "mark"))
    return Row(
        text=fields["text"].localized() if "text" in fields else {},
        look=fields["as"].choice(Look) if "as" in fields else Look.PLAIN,
        value=fields["value"].localized() if "value" in fields else None,
        mark="mark" in fields and fields["mark"].text() == "true",
    )


def _read_thing(place: Place) -> Thing:
    fields = place.fields(("icon", "text"))
    icon = fields["icon"].text() if "icon" in fields else ""
    if icon not in ICONS:
        place.note(msg("“%(got)s” is not known; expected one of: %(known)s.",
                       got=icon, known=", ".join(ICONS)))  # fmt: skip
    return Thing(icon, fields["text"].localized() if "text" in fields else {})
