"""Charts as SVG text: pure functions, drawn on the server, no script.

Horizontal places are per cent and vertical ones pixels, so that one drawing fits every width
without scaling its text. Colours are classes of ``static/parts.css``; unknown is hatched and is
never drawn as fine. Every chart takes the sentence that says the same in words (``label``), and
the page carries the table behind it. Why not a chart library: docs/adr/0003.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from markupsafe import Markup, escape

PLOT_WIDTH = 94.0  # per cent; the rest is for the numbers of the axis
GRID_LINES = 3
ROW = 28  # px, one row of the history strip
BLOCK = 20  # px, a day that was not fine
LINE = 4  # px, a day that was fine
STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: the class of its colour and its size in any unit."""

    look: str
    value: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the trend: its label and how many were not passing; ``off`` is a day off."""

    label: str
    fail: int
    unknown: int
    exempt: int
    off: bool = False


def draw_shares(parts: Sequence[Part], label: str, height: int = 48) -> Markup:
    """Draw one bar cut into its shares of the whole."""
    whole = sum(part.value for part in parts)
    return _svg(height, label, _lay_out(parts, whole, height, "seg ") if whole else _track(height))


def draw_bar(parts: Sequence[Part], whole: float, height: int = 12) -> Markup:
    """Draw a small bar on a scale that ends at ``whole``; the figures stand beside it."""
    inside = _lay_out(parts, whole, height) if whole else Markup()
    return Markup(
        '<svg class="bar" width="100%" height="{}" aria-hidden="true" focusable="false">{}</svg>'
    ).format(height, inside)


def draw_meter(total: int, left: int, label: str) -> Markup:
    """Draw the days of a grace period as boxes, those that are left filled."""
    total = max(1, min(total, 31))
    width = 160 / total
    boxes = (
        _rect("f-left" if n >= total - left else "f-track", n * width, width - 3, 0, 12, unit="")
        for n in range(total)
    )
    return Markup(
        '<svg class="meter" viewBox="0 0 160 12" role="img" aria-label="{}">{}</svg>'
    ).format(label, Markup().join(boxes))


def draw_trend(days: Sequence[Day], label: str, height: int = 248) -> Markup:
    """Draw what did not pass on each day: fail, unknown and exempt on top of one another.

    The baseline is 0; days off are marked under the axis, because they explain the unknowns.
    """
    floor, top = height - 36, 8
    highest = max([day.fail + day.unknown + day.exempt for day in days], default=0)
    limit = pick_limit(highest)
    scale = (floor - top) / limit
    pitch = PLOT_WIDTH / max(1, len(days))
    drawn = [_grid(floor, scale, limit)]
    for n, day in enumerate(days):
        left = n * pitch + pitch * 0.22
        drawn.append(_stack(day, left, pitch * 0.56, floor, scale))
        if day.off:
            drawn.append(_rect("f-off", n * pitch, pitch, floor + 3, 4))
        if (len(days) - 1 - n) % 7 == 0:
            drawn.append(_text(left, floor + 24, day.label))
    return _svg(height, label, Markup().join(drawn))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a histogram: what stands under it ("" for nothing), its parts from below."""

    label: str
    parts: Sequence[Part]
    title: str = ""


def draw_columns(columns: Sequence[Column], label: str, height: int = 220) -> Markup:
    """Draw parts on top of one another over even steps; ``title`` is said under the pointer."""
    floor, top = height - 28, 8
    highest = max([sum(part.value for part in column.parts) for column in columns], default=0)
    limit = pick_limit(ceil(highest))
    scale = (floor - top) / limit
    pitch = PLOT_WIDTH / max(1, len(columns))
    drawn = [_grid(floor, scale, limit)]
    for n, column in enumerate(columns):
        drawn.append(_column(column, n * pitch + pitch * 0.1, pitch * 0.8, floor, scale))
        if column.label:
            anchor = "end" if (n + 1) * pitch > PLOT_WIDTH * 0.9 else "start"
            at = n * pitch if anchor == "start" else (n + 1) * pitch
            drawn.append(_text(at, floor + 20, column.label, anchor))
    return _svg(height, label, Markup().join(drawn))


def _column(column: Column, left: float, width: float, floor: float, scale: float) -> Markup:
    drawn = [Markup("<title>{}</title>").format(column.title)] if column.title else []
    for part in column.parts:
        if part.value:
            height = max(2.0, part.value * scale)
            drawn.append(_rect(part.look, left, width, floor - height, height))
            floor -= height
    return Markup("<g>{}</g>").format(Markup().join(drawn))


def draw_history(rows: Sequence[Sequence[str]], days: Sequence[str], label: str) -> Markup:
    """Draw one row a control and one cell a day, oldest first.

    A cell is "pass", "fail", "unknown", "exempt" or "" (nothing was asked yet). Passing days are
    a thin line and everything else a full block, so that the eye lands on change.
    """
    pitch = 100 / max(1, len(days))
    drawn = [
        _cell(state, n * pitch + 0.2, pitch - 0.4, row * ROW)
        for row, states in enumerate(rows)
        for n, state in enumerate(states)
    ]
    floor = len(rows) * ROW + 20
    drawn += [
        _week_mark(n, pitch, floor, day)
        for n, day in enumerate(days)
        if (len(days) - 1 - n) % 7 == 0
    ]
    return _svg(floor + 4, label, Markup().join(drawn))


def pick_limit(highest: int) -> int:
    """Return the end of an axis: the next round multiple of the grid above ``highest``."""
    step = ceil(max(1, highest) / GRID_LINES)
    power = 10 ** max(0, len(str(step)) - 2)
    round_step = next((s * power for s in STEPS if s * power >= step), step)
    return round_step * GRID_LINES


def _svg(height: int, label: str, inside: Markup) -> Markup:
    return Markup('<svg width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, label, inside
    )


def _rect(
    look: str, left: float, width: float, top: float, height: float, unit: str = "%"
) -> Markup:
    # Numbers in their own format need no escaping; Markup.format() is ten times slower, and a
    # chart has hundreds of these.
    return Markup(  # noqa: S704 - the only text is escaped
        f'<rect class="{escape(look)}" x="{left:.2f}{escape(unit)}"'
        f' width="{max(0.0, width):.2f}{escape(unit)}"'
        f' y="{top:.1f}" height="{max(0.0, height):.1f}"/>'
    )


def _text(left: float, top: float, words: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.2f}%" y="{:.1f}" text-anchor="{}">{}</text>').format(
        left, top, anchor, words
    )


def _week_mark(n: int, pitch: float, top: float, words: str) -> Markup:
    """Write a date under the middle of its day, and within the edges."""
    if (n + 2) * pitch > 100:  # noqa: PLR2004 - per cent
        return _text((n + 1) * pitch - 0.2, top, words, "end")
    if n < 3:  # noqa: PLR2004 - a date is about as wide as three days on a phone
        return _text(n * pitch + 0.2, top, words)
    return _text((n + 0.5) * pitch, top, words, "middle")


def _track(height: int) -> Markup:
    return _rect("f-track", 0, 100, 0, height)


def _lay_out(parts: Iterable[Part], whole: float, height: int, look: str = "") -> Markup:
    drawn, left = [], 0.0
    for part in parts:
        width = 100 * part.value / whole
        if part.value:
            drawn.append(_rect(look + part.look, left, width, 0, height))
        left += width
    return Markup().join(drawn)


def _grid(floor: int, scale: float, limit: int) -> Markup:
    drawn = []
    for n in range(GRID_LINES + 1):
        value = limit * n // GRID_LINES
        at = floor - value * scale
        look = "grid" if n else "axis"
        line = Markup('<line class="{}" x1="0" x2="{}%" y1="{:.1f}" y2="{:.1f}"/>')
        drawn += [line.format(look, PLOT_WIDTH, at, at), _text(100, at + 4, f"{value:,}", "end")]
    return Markup().join(drawn)


def _stack(day: Day, left: float, width: float, floor: float, scale: float) -> Markup:
    drawn = []
    for look, value in (("f-fail", day.fail), ("f-unknown", day.unknown), ("f-exempt", day.exempt)):
        if value:
            height = max(2.0, value * scale)
            drawn.append(_rect(look, left, width, floor - height, height - 1))
            floor -= height
    return Markup().join(drawn)


def _cell(state: str, left: float, width: float, top: int) -> Markup:
    if state in {"fail", "unknown", "exempt"}:
        return _rect(f"h-{state}", left, width, top, BLOCK)
    look = "h-pass" if state == "pass" else "h-none"
    return _rect(look, left, width, top + (BLOCK - LINE) / 2, LINE if state == "pass" else 1)
