"""A hunt's result as one HTML page that needs nothing else: no script, no network, printable."""

from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from sekisho import __version__
from sekisho.cli.hunt_counts import count_matches, say_found
from sekisho.cli.hunt_doubts import say_doubts, say_held_back, say_out_of_time
from sekisho.cli.hunt_request import Request
from sekisho.cli.hunt_words import (
    KIND_WORDS,
    LEVEL_WORDS,
    OUTCOME_WORDS,
    say_stamp,
    say_tactic,
    to_datetime,
)
from sekisho.detection.engine.sightings import LEVELS, Sighting
from sekisho.detection.engine.summary import Bin, Summary
from sekisho.detection.model import Level
from sekisho.detection.wording import say_rule
from sekisho.kernel.i18n import msg, translate
from sekisho.kernel.pages import Frame, Page, PageRenderer
from sekisho.kernel.times import say_zone
from sekisho.ui.charts import Column, Part, draw_bar, draw_columns

MOST_ROWS = 5_000
_STYLES = ("tokens.css",)
_LABELS = 3


def draw_page(timeline: Sequence[Sighting], summary: Summary, request: Request) -> str:
    """Return the page; the worst matches come first where there are too many to show."""
    shown = pick_rows(timeline, MOST_ROWS)
    context = {
        "style": Markup(_read_styles()),  # noqa: S704 - our own files
        "version": __version__,
        "summary": summary,
        "rows": shown,
        "left_out": len(timeline) - len(shown),
        "found": say_found(summary.matches, len(summary.rules)),
        "lower": count_matches(len(timeline) - len(shown)),
        "out_of_time": say_out_of_time(summary) if summary.out_of_time else None,
        "levels": LEVELS,
        "level_words": LEVEL_WORDS,
        "outcome_words": OUTCOME_WORDS,
        "kind_words": KIND_WORDS,
        "histogram": draw_histogram(summary, request),
        "called": lambda rule_id, title: say_rule(rule_id, title, request.language),
        "stamp": lambda time: say_stamp(time, request.zone),
        "tactic": lambda name: say_tactic(name, request.language),
        "bar": lambda count, most: draw_bar([Part("f-tactic", count)], most),
        "bar_levels": _bar_levels,
        "most_on_a_host": max((sum(counts.values()) for _, counts in summary.hosts), default=0),
        "zone_said": say_zone(request.now, request.zone),
        "paths": list(request.paths),
        "doubts": [*say_held_back(summary.read), *say_doubts(summary.read)],
    }
    frame = Frame(request.now, request.language, zone=request.zone)
    return PageRenderer().render(Page("detection/hunt.html", context), frame)


def _read_styles() -> str:
    folder = files("sekisho")
    sheets = [folder.joinpath(f"ui/static/{name}") for name in _STYLES]
    sheets.append(folder.joinpath("detection/templates/detection/hunt.css"))
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def pick_rows(timeline: Sequence[Sighting], most: int) -> Sequence[Sighting]:
    """Return at most ``most`` lines, the worst ones, in their order."""
    if len(timeline) <= most:
        return timeline
    worst = sorted(timeline, key=lambda one: LEVELS.index(one.match.level))[:most]
    return sorted(worst, key=lambda one: one.order)


def _bar_levels(counts: dict[Level, int], most: int) -> Markup:
    return draw_bar([Part(f"l-{level.value}", counts.get(level, 0)) for level in LEVELS], most)


def draw_histogram(summary: Summary, request: Request) -> Markup:
    """Draw the matches over time, each level in its colour, the worst at the bottom."""
    if not summary.bins:
        return Markup()
    every = max(1, -(-len(summary.bins) // _LABELS))
    columns = [
        Column(
            _say_bin(one, summary.step, request) if n % every == 0 else "",
            [Part(f"l-{level.value}", one.counts.get(level, 0)) for level in LEVELS],
            _say_counts(one, request),
        )
        for n, one in enumerate(summary.bins)
    ]
    label = translate(
        msg("%(matches)s over time, by level", matches=count_matches(summary.matches)),
        request.language,
    )
    return draw_columns(columns, label)


_DAY = 86_400_000_000


def _say_bin(one: Bin, step: int, request: Request) -> str:
    moment = to_datetime(one.start, request.zone) or request.now
    return moment.strftime("%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M")


def _say_counts(one: Bin, request: Request) -> str:
    said = [
        f"{translate(LEVEL_WORDS[level], request.language)} {count:,}"
        for level, count in one.counts.items()
    ]
    return f"{say_stamp(one.start, request.zone)}: {', '.join(said) or '0'}"
