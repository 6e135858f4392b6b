"""Pictures of how something is done, drawn from data: windows, menus and things (pure).

A picture is a few frames side by side, each an SVG 320 units wide with a caption in HTML, so that a
phone shows them one below the other at the size of its text. They are schematic and our own: no
product's look, no logo. Colours are classes of ``static/parts.css``, so light and dark follow the
page; what is to be pressed wears a ring and a pointer, never a colour alone. The description is
the SVG's ``desc``. Why not pictures as files: the words in them are translated and measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from unicodedata import east_asian_width

from markupsafe import Markup

WIDTH = 320
_PAD = 14
_TITLE = 32
_ROW = 38
_ENTRY = 32
_SCENE = 128
_SIZE = 13.0
_THING_SIZE = 12.0
_WIDE, _NARROW = 1.0, 0.6  # of the size of the text; the second is generous for Latin letters
_LARGEST = 3

Localized = Mapping[str, str]


class Look(StrEnum):
    """What a row of a window carries at its right, or is."""

    PLAIN = "plain"
    SWITCH = "switch"
    CHECK = "check"
    RADIO = "radio"
    RADIO_OFF = "radio-off"
    BUTTON = "button"
    FIELD = "field"


class System(StrEnum):
    """How a window's head is drawn; a menu has none."""

    WINDOWS = "windows"
    DARWIN = "darwin"
    PLAIN = "plain"
    MENU = "menu"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a window; ``value`` stands in the button or field at its right."""

    text: Localized
    look: Look = Look.PLAIN
    value: Localized | None = None
    mark: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with its name below; ``icon`` is a name of ``ICONS``."""

    icon: str
    text: Localized


@dataclass(frozen=True, slots=True)
class Frame:
    """One drawing: a window or menu with ``rows``, or ``things`` with arrows from one to the next.

    ``joined`` is false where things stand beside one another and none leads to the next.
    """

    caption: Localized
    system: System = System.PLAIN
    title: Localized | None = None
    rows: Sequence[Row] = ()
    things: Sequence[Thing] = ()
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """Frames in the order of what is done."""

    frames: tuple[Frame, ...]


ICONS: Mapping[str, str] = {
    "laptop": "M9 10h30v22H9zM4 38h40l-3-6H7z",
    "disk": "M10 8h28v32H10zM24 28a8 8 0 1 0 0-16a8 8 0 0 0 0 16M24 20l8 10M16 36h4",
    "cloud": "M14 36a8 8 0 0 1-1-16a11 11 0 0 1 21-2a9 9 0 0 1 1 18z",
    "sealed": "M8 10h32v28H8zM18 24h12v8H18zM20 24v-3a4 4 0 0 1 8 0v3",
    "file": "M13 6h15l8 8v28H13zM28 6v8h8M18 22h13M18 28h13M18 34h8",
    "checked": "M13 6h15l8 8v28H13zM28 6v8h8M18 28l5 5l9-11",
    "unplugged": "M18 24h12v18H18zM20 14h8v10h-8zM14 8l-4-4M24 7V2M34 8l4-4",
    "power": "M24 8v16M15 13a14 14 0 1 0 18 0",
    "app": "M8 9h32v30H8zM8 16h32M12 12.5h.1M16 12.5h.1M14 22h8v11h-8zM27 22h7M27 28h7M27 33h4",
    "bin": "M12 14h24M20 14V8h8v6M15 14l2 28h14l2-28M21 20v16M27 20v16",
    "settings": (
        "M8 14h17M33 14h7M8 24h4M20 24h20M8 34h21M37 34h3"
        "M33 14a4 4 0 1 0-8 0a4 4 0 1 0 8 0M20 24a4 4 0 1 0-8 0a4 4 0 1 0 8 0"
        "M37 34a4 4 0 1 0-8 0a4 4 0 1 0 8 0"
    ),
    "talk": "M6 10h36v24H22l-9 8v-8H6zM14 18h20M14 25h13",
}
"""Drawings 48 units wide and high, lines only."""


def measure(text: str, size: float) -> float:
    """Return about how wide ``text`` is drawn at ``size``; rather too much than too little."""
    return size * sum(_WIDE if east_asian_width(c) in "WFA" else _NARROW for c in text)


def find_overflows(frame: Frame, language: str) -> list[str]:
    """Return the texts of a frame that do not fit where they are drawn."""
    texts = [frame.title[language]] if frame.title else []
    too_long = [t for t in texts if measure(t, _SIZE) > WIDTH - 2 * _PAD - 60]
    too_long += [row.text[language] for row in frame.rows if not _fits(row, language)]
    share = _share(frame)
    lines = [line for thing in frame.things for line in thing.text[language].split("|")]
    return too_long + [line for line in lines if measure(line, _THING_SIZE) > share - 4]


def _fits(row: Row, language: str) -> bool:
    return measure(row.text[language], _SIZE) + _right_width(row, language) <= WIDTH - 4 * _PAD


def _right_width(row: Row, language: str) -> float:
    if row.value is not None:
        return measure(row.value[language], _SIZE) + 44
    return {Look.SWITCH: 50.0, Look.CHECK: 28.0, Look.BUTTON: 28.0}.get(row.look, 26.0)


def _share(frame: Frame) -> float:
    return (WIDTH - 2 * _PAD) / max(1, min(len(frame.things), _LARGEST))


def draw_picture(picture: Picture, language: str) -> Markup:
    """Draw all frames with their captions as HTML that a page can carry as it is."""
    figures = (
        Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(
            frame.caption[language], draw_frame(frame, language)
        )
        for frame in picture.frames
    )
    return Markup('<div class="pics">{}</div>').format(Markup().join(figures))


def draw_frame(frame: Frame, language: str) -> Markup:
    """Draw one frame; what it shows is also said in words for whoever does not see it."""
    body, height = _scene(frame, language) if frame.things else _window(frame, language)
    return Markup(
        '<svg class="pic" viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(WIDTH, height, frame.caption[language], _words(frame, language), body)


def _words(frame: Frame, language: str) -> str:
    parts = [frame.title[language]] if frame.title else []
    parts += [_row_words(row, language) for row in frame.rows]
    parts += [thing.text[language].replace("|", "") for thing in frame.things]
    return (" → " if frame.things and frame.joined else " / ").join(parts)


def _row_words(row: Row, language: str) -> str:
    value = f": {row.value[language]}" if row.value else ""
    return f"{'☞ ' if row.mark else ''}{row.text[language]}{value}"


def _window(frame: Frame, language: str) -> tuple[Markup, int]:
    menu = frame.system is System.MENU
    step, top = (_ENTRY, 10) if menu else (_ROW, _TITLE + 8)
    height = top + step * len(frame.rows) + 10
    parts = [_box("p-win", 1, 1, WIDTH - 2, height - 2, 8)]
    if not menu:
        parts.append(_head(frame, language))
    parts += [_row(row, language, top + step * place, step) for place, row in enumerate(frame.rows)]
    return Markup().join(parts), height


def _head(frame: Frame, language: str) -> Markup:
    line = Markup('<path class="p-line" d="M1 {0}H{1}"/>').format(_TITLE, WIDTH - 1)
    mac = frame.system is System.DARWIN
    title = frame.title[language] if frame.title else ""
    words = _text(title, WIDTH / 2 if mac else _PAD, 21, "p-strong", "middle" if mac else "")
    if mac:
        marks = Markup().join(_dot("p-dot", 16 + 16 * n, 16, 5) for n in range(3))
    elif frame.system is System.WINDOWS:
        right = WIDTH - 18
        marks = Markup(
            '<path class="p-ink" d="M{} 12l8 8m0-8l-8 8M{} 12h8v8h-8zM{} 16h8"/>'
        ).format(right - 4, right - 30, right - 54)
    else:
        marks = Markup()
    return line + words + marks


def _row(row: Row, language: str, y: int, step: int) -> Markup:
    middle = y + step / 2
    parts = [_ring(y, step)] if row.mark else []
    left = 2 * _PAD
    if row.look in {Look.RADIO, Look.RADIO_OFF, Look.CHECK}:
        parts.append(_choice(row.look, left + 7, middle))
        left += 24
    whole = row.look is Look.BUTTON and row.value is None
    parts.append(_button(row.text[language], middle) if whole
                 else _text(row.text[language], left, middle + 4.5, "p-text"))  # fmt: skip
    if row.look is Look.SWITCH:
        parts += [_box("p-on", WIDTH - 66, middle - 10, 38, 20, 10),
                  _dot("p-knob", WIDTH - 38, middle, 7)]  # fmt: skip
    if row.value is not None:
        draw = _button if row.look is Look.BUTTON else _field
        parts.append(draw(row.value[language], middle))
    if row.mark:
        parts.append(_pointer(WIDTH - 30, middle + 4))
    return Markup().join(parts)


def _ring(y: int, step: int) -> Markup:
    return _box("p-ring", _PAD - 4, y + 1, WIDTH - 2 * _PAD + 8, step - 2, 6)


def _pointer(x: float, y: float) -> Markup:
    way = "v18l4.5-4 3.5 8 4-2-3.5-7.5h6z"
    return Markup('<path class="p-hand" d="M{} {}{}"/>').format(x, y, way)


def _choice(look: Look, x: float, y: float) -> Markup:
    if look is Look.CHECK:
        tick = Markup('<path class="p-tick" d="M{} {}l3 3 6-7"/>').format(x - 4, y + 1)
        return _box("p-on", x - 8, y - 8, 16, 16, 3) + tick
    inside = _dot("p-fill", x, y, 4) if look is Look.RADIO else Markup()
    return _dot("p-hole", x, y, 7.5) + inside


def _button(words: str, middle: float) -> Markup:
    width = measure(words, _SIZE) + 24
    x = WIDTH - 2 * _PAD - width
    return _box("p-btn", x, middle - 13, width, 26, 5) + _text(
        words, x + width / 2, middle + 4.5, "p-strong", "middle"
    )


def _field(words: str, middle: float) -> Markup:
    width = measure(words, _SIZE) + 32
    x = WIDTH - 2 * _PAD - width
    down = Markup('<path class="p-ink" d="M{} {}l4 4 4-4"/>').format(x + width - 17, middle - 2)
    return (
        _box("p-field", x, middle - 13, width, 26, 4)
        + _text(words, x + 9, middle + 4.5, "p-text")
        + down
    )


def _scene(frame: Frame, language: str) -> tuple[Markup, int]:
    share = _share(frame)
    lines = max(thing.text[language].count("|") for thing in frame.things)
    parts = [_box("p-win", 1, 1, WIDTH - 2, _SCENE + 16 * lines - 18, 8)]
    for place, thing in enumerate(frame.things):
        x = _PAD + share * (place + 0.5)
        parts.append(_thing(thing, language, x))
        if place and frame.joined:
            parts.append(_arrow(x - share / 2))
    return Markup().join(parts), _SCENE + 16 * lines - 16


def _thing(thing: Thing, language: str, x: float) -> Markup:
    drawing = Markup('<path class="p-icon" transform="translate({} 16)" d="{}"/>').format(
        x - 24, ICONS[thing.icon]
    )
    return drawing + Markup().join(
        _text(line, x, 90 + 16 * place, "p-small", "middle")
        for place, line in enumerate(thing.text[language].split("|"))
    )


def _arrow(x: float) -> Markup:
    return Markup('<path class="p-arrow" d="M{} 40h18m-6-6l6 6-6 6"/>').format(x - 9)


def _text(words: str, x: float, y: float, look: str, anchor: str = "") -> Markup:
    how = Markup(' text-anchor="{}"').format(anchor) if anchor else Markup()
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}"{}>{}</text>').format(
        look, x, y, how, words
    )


def _box(look: str, x: float, y: float, width: float, height: float, radius: float) -> Markup:
    shape = Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}"/>'
    )
    return shape.format(look, x, y, width, height, radius)


def _dot(look: str, x: float, y: float, radius: float) -> Markup:
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(look, x, y, radius)
