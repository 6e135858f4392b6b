"""A hunt's result for people at a terminal: the timeline, and below it what it comes to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import groupby

from sekisho.cli.columns import measure, pad, wrap
from sekisho.cli.hunt_counts import (
    count_events,
    count_files,
    say_found,
    say_left_out,
)
from sekisho.cli.hunt_doubts import say_doubts, say_held_back, say_out_of_time
from sekisho.cli.hunt_words import (
    KIND_WORDS,
    LEVEL_WORDS,
    OUTCOME_WORDS,
    clean,
    say_stamp,
    say_tactic,
    to_datetime,
)
from sekisho.detection.engine.logons import LogonRow, Outcome
from sekisho.detection.engine.sightings import LEVELS, Sighting
from sekisho.detection.engine.summary import Pivot, Summary
from sekisho.detection.model import Level
from sekisho.detection.wording import say_rule
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.times import say_day, say_zone

_COLOURS = {
    Level.CRITICAL: "1;97;41",
    Level.HIGH: "1;31",
    Level.MEDIUM: "33",
    Level.LOW: "36",
    Level.INFORMATIONAL: "2",
}
_MARKS = {
    Level.CRITICAL: "▲",
    Level.HIGH: "●",
    Level.MEDIUM: "◐",
    Level.LOW: "○",
    Level.INFORMATIONAL: "·",
}
_BLOCKS = " ▁▂▃▄▅▆▇█"
_INDENT = "  "
_TOP = 10
_TOP_PIVOTS = 8
_DIM, _BOLD = "2", "1"
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """How to draw: the language, the width in columns, whether in colour, the zone of times.

    ``whole``: what events say is not cut to the width, as for a file that is searched later.
    """

    language: str
    columns: int = 100
    colour: bool = False
    zone: tzinfo = UTC
    whole: bool = False

    def say(self, text: Text) -> str:
        """Say a text in the sheet's language."""
        return translate(text, self.language)

    def paint(self, text: str, code: str) -> str:
        """Colour a text, where colours are wanted."""
        return f"\033[{code}m{text}\033[0m" if self.colour and code else text

    def head(self, text: Text) -> str:
        """Draw the head of a section."""
        return self.paint(f"■ {self.say(text)}", _BOLD)

    def level(self, level: Level) -> str:
        """Draw a level: mark and word, as wide as the widest."""
        width = max(measure(self.say(word)) for word in LEVEL_WORDS.values())
        text = f"{_MARKS[level]} {pad(self.say(LEVEL_WORDS[level]), width)}"
        return self.paint(text, _COLOURS[level])


def cut(text: str, width: int) -> str:
    """Return ``text`` cut to ``width`` columns, with an ellipsis where something is missing."""
    if measure(text) <= width:
        return text
    if text.isascii():
        return text[: max(width - 1, 0)] + "…"
    kept, used = "", 0
    for character in text:
        used += measure(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…"


def draw_timeline(sightings: Sequence[Sighting], sheet: Sheet) -> Iterator[str]:
    """Draw the matches by day; neighbours of the same rule on the same host are drawn once."""
    if not sightings:
        return
    yield sheet.head(msg("Timeline")) + "  " + sheet.paint(_say_zone(sightings, sheet), _DIM)
    for day, of_day in groupby(sightings, key=lambda one: _day(one, sheet)):
        yield ""
        yield _INDENT + sheet.paint(day, _BOLD)
        for _, run in groupby(of_day, key=lambda o: (o.match.rule_id, o.computer, o.channel)):
            yield from _draw_run(list(run), sheet)
    yield ""


def _say_zone(sightings: Iterable[Sighting], sheet: Sheet) -> str:
    time = next((o.match.time for o in sightings if o.match.time is not None), 0)
    moment = to_datetime(time, sheet.zone)
    zone = say_zone(moment, sheet.zone) if moment else ""
    return sheet.say(msg("times in %(zone)s", zone=zone))


def _day(one: Sighting, sheet: Sheet) -> str:
    time = one.match.time
    moment = to_datetime(time, sheet.zone) if time is not None else None
    if moment is None:
        return sheet.say(msg("Without a time"))
    return say_day(moment, sheet.zone, sheet.language)


def _draw_run(run: Sequence[Sighting], sheet: Sheet) -> Iterator[str]:
    first, last = run[0], run[-1]
    clock = _clock(first.match.time, sheet)
    lead = f"{_INDENT}{clock}  {sheet.level(first.match.level)}  "
    start = len(_INDENT) + len(clock) + 2 + _level_width(sheet) + 2
    title = clean(say_rule(first.match.rule_id, first.match.rule_title, sheet.language))
    if len(run) > 1:
        until = _clock(last.match.time, sheet)
        title += f"  ×{len(run)}" + (f" → {until}" if until != clock else "")
    lines = list(wrap(title, sheet.columns - start))
    yield lead + sheet.paint(lines[0], _BOLD)
    for line in lines[1:]:
        yield " " * start + sheet.paint(line, _BOLD)
    room = sheet.columns - start
    for line in _below(first, len(run)):
        yield " " * start + sheet.paint(line if sheet.whole else cut(line, room), _DIM)


def _level_width(sheet: Sheet) -> int:
    return 2 + max(measure(sheet.say(word)) for word in LEVEL_WORDS.values())


def _clock(time: int | None, sheet: Sheet) -> str:
    moment = to_datetime(time, sheet.zone) if time is not None else None
    return moment.strftime("%H:%M:%S") if moment else "--:--:--"


def _below(one: Sighting, count: int) -> Iterator[str]:
    """Draw where it was and what the event says, one line each."""
    where = [one.computer, one.channel + (f" {one.event_id}" if one.event_id is not None else "")]
    record = one.match.record
    place = f"{record.file.rpartition('/')[2]}:{record.record}" + ("…" if count > 1 else "")
    if len(one.match.records) > 1:
        place += f" (+{len(one.match.records) - 1})"
    yield clean(" · ".join([*filter(None, where), place]))
    said = "  ".join(f"{name}={value}" for name, value in one.details.items())
    if said:
        yield clean(said)


def draw_summary(summary: Summary, sheet: Sheet) -> Iterator[str]:
    """Draw everything below the timeline, the most useful last, where the eye is."""
    for part in _PARTS:
        lines = list(part(summary, sheet))
        if lines:
            yield from lines
            yield ""
    yield from _draw_read(summary, sheet)


def _draw_histogram(summary: Summary, sheet: Sheet) -> Iterator[str]:
    """Draw one row of bars a level over the same axis."""
    if not summary.bins:
        return
    yield sheet.head(msg("Matches over time"))
    highest = max(max(b.counts.values(), default=0) for b in summary.bins)
    for level in summary.levels:
        counts = [b.counts.get(level, 0) for b in summary.bins]
        bars = "".join(_BLOCKS[-(-count * 8 // highest)] for count in counts)
        code = _COLOURS[level] if level is not Level.CRITICAL else "31"
        yield f"{_INDENT}{sheet.level(level)}  {sheet.paint(bars, code)}  {sum(counts):>6,}"
    ends = summary.bins[0].start, summary.bins[-1].start + summary.step
    length = 16 if summary.step >= _MINUTE else 19  # minutes, or seconds too
    left, right = (say_stamp(time, sheet.zone)[:length] for time in ends)
    gap = max(2, len(summary.bins) - len(left) - len(right))
    margin = " " * (len(_INDENT) + _level_width(sheet) + 2)
    yield margin + sheet.paint(left + " " * gap + right, _DIM)
    if summary.out_of_time:
        yield _INDENT + sheet.paint(sheet.say(say_out_of_time(summary)), _DIM)


def _draw_tactics(summary: Summary, sheet: Sheet) -> Iterator[str]:
    if not summary.tactics:
        return
    yield sheet.head(msg("ATT&CK tactics"))
    said = [(say_tactic(name, sheet.language), count) for name, count in summary.tactics]
    width = max(measure(name) for name, _ in said)
    most = max(count for _, count in said)
    for name, count in said:
        bar = "█" * max(1, count * 30 // most)
        yield f"{_INDENT}{pad(name, width)}  {count:>6,}  {sheet.paint(bar, '34')}"


def _draw_hosts(summary: Summary, sheet: Sheet) -> Iterator[str]:
    if not summary.hosts:
        return
    yield sheet.head(msg("Hosts with the worst matches"))
    shown = summary.hosts[:_TOP]
    width = min(40, max(measure(clean(name)) for name, _ in shown))
    for name, counts in shown:
        said = "  ".join(
            sheet.paint(f"{_MARKS[level]} {counts[level]:,}", _COLOURS[level])
            for level in LEVELS
            if level in counts
        )
        yield f"{_INDENT}{pad(cut(clean(name), width), width)}  {said}"
    yield from _more(len(summary.hosts) - _TOP, sheet)


def _more(count: int, sheet: Sheet) -> Iterator[str]:
    if count > 0:
        yield _INDENT + sheet.paint(sheet.say(msg("and %(n)s more", n=count)), _DIM)


def _draw_pivots(summary: Summary, sheet: Sheet) -> Iterator[str]:
    if not summary.pivots:
        return
    yield sheet.head(msg("Seen in matches, to search on"))
    width = max(measure(sheet.say(KIND_WORDS[kind])) for kind in summary.pivots)
    for kind, pivots in summary.pivots.items():
        label = pad(sheet.say(KIND_WORDS[kind]), width)
        said = " · ".join(_say_pivot(pivot) for pivot in pivots[:_TOP_PIVOTS])
        if len(pivots) > _TOP_PIVOTS:
            said += " · " + sheet.say(msg("and %(n)s more", n=len(pivots) - _TOP_PIVOTS))
        yield from wrap(
            said, sheet.columns, f"{_INDENT}{label}  ", " " * (len(_INDENT) + width + 2)
        )


def _say_pivot(pivot: Pivot) -> str:
    return f"{cut(clean(pivot.value), 60)} ({pivot.count:,})"


def _draw_logons(summary: Summary, sheet: Sheet) -> Iterator[str]:
    if not summary.logons:
        return
    yield sheet.head(msg("Log-ons over remote access"))
    rows = [
        [
            one.service,
            sheet.say(OUTCOME_WORDS[one.outcome]),
            cut(clean(one.user or "-"), 28),
            cut(clean(one.source or "-"), 24),
            cut(clean(one.destination or "-"), 24),
            f"{one.count:,}",
            say_stamp(one.first, sheet.zone).replace("—", "-"),
            _say_last(one, sheet),
        ]
        for one in summary.logons[: _TOP * 2]
    ]
    names = (
        msg("Service"), msg("Outcome"), msg("User"), msg("Came from"), msg("Went to"), msg("Count"),
        msg("First"), msg("Last"),
    )  # fmt: skip
    codes = [
        "31" if o.outcome is Outcome.FAILURE else "32" if o.outcome is Outcome.SUCCESS else ""
        for o in summary.logons
    ]
    yield from _draw_table([sheet.say(name) for name in names], rows, codes, sheet)
    yield from _more(len(summary.logons) - _TOP * 2, sheet)


def _say_last(one: LogonRow, sheet: Sheet) -> str:
    """Write when the last one was: the time alone where the day is that of the first."""
    first, last = (say_stamp(time, sheet.zone) for time in (one.first, one.last))
    return last[11:] or "-" if last[:10] == first[:10] else last


_NUMBER = 5  # the column that is set to the right


def _draw_table(
    names: list[str], rows: list[list[str]], codes: list[str], sheet: Sheet
) -> Iterator[str]:
    widths = [max(map(measure, column)) for column in zip(names, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        return "  ".join(
            " " * (width - measure(cell)) + cell if place == _NUMBER else pad(cell, width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    yield _INDENT + sheet.paint(line(names), _DIM)
    for row, code in zip(rows, codes, strict=False):
        yield _INDENT + sheet.paint(line(row), code)


def _draw_rules(summary: Summary, sheet: Sheet) -> Iterator[str]:
    if not summary.rules:
        return
    yield sheet.head(msg("Rules that matched, worst first"))
    shown = summary.rules[: _TOP * 2]
    for row in shown:
        hosts = sheet.say(msg("%(n)s hosts", n=len(row.hosts))) if len(row.hosts) > 1 else ""
        tail = hosts or cut(clean(next(iter(row.hosts), "")), 24)
        room = sheet.columns - _level_width(sheet) - 13 - measure(tail)
        title = pad(
            cut(clean(say_rule(row.rule_id, row.title, sheet.language)), room), min(room, 70)
        )
        count = f"{row.count:>6,}"
        line = f"{_INDENT}{sheet.level(row.level)} {count}  {title}  {sheet.paint(tail, _DIM)}"
        yield line.rstrip()
    yield from _more(len(summary.rules) - len(shown), sheet)


_Part = Callable[[Summary, Sheet], Iterator[str]]
_PARTS: tuple[_Part, ...] = (
    _draw_logons,
    _draw_pivots,
    _draw_hosts,
    _draw_tactics,
    _draw_histogram,
    _draw_rules,
)


def _draw_read(summary: Summary, sheet: Sheet) -> Iterator[str]:
    """Say what was read, what was left out, and what it came to."""
    read = summary.read
    span = ""
    if read.first is not None:
        span = f"  {say_stamp(read.first, sheet.zone)} – {say_stamp(read.last, sheet.zone)}"
    said = msg(
        "%(events)s in %(files)s", events=count_events(read.events), files=count_files(read.files)
    )
    yield sheet.say(said) + sheet.paint(span, _DIM)
    if read.files_skipped or read.records_skipped:
        left = msg(
            "Left out: %(what)s (see above why)",
            what=say_left_out(read.files_skipped, read.records_skipped),
        )
        yield sheet.paint(sheet.say(left), "33")
    yield from map(sheet.say, say_held_back(read))
    for doubt in say_doubts(read):
        yield sheet.paint(clean(sheet.say(doubt)), "33")
    counts = " · ".join(
        sheet.paint(f"{sheet.say(LEVEL_WORDS[level])} {count:,}", _COLOURS[level])
        for level, count in summary.levels.items()
    )
    if summary.matches:
        text = say_found(summary.matches, len(summary.rules))
        yield sheet.paint(sheet.say(text), _BOLD) + f"  {counts}"
    else:
        yield sheet.say(msg("Nothing matched.") if read.events else msg("No event was read."))
