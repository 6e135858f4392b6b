"""``sekisho hunt PATH…``: logs against all rules, back in time; a timeline, and what it comes to.

Exit codes: 0 nothing matched, 1 something did, 2 could not (no rule or no file could be read, or
it was stopped before anything was found).
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from sekisho.cli.hunt_asking import add_arguments, read_request
from sekisho.cli.hunt_counts import count_searches
from sekisho.cli.hunt_files import csv_lines, json_lines
from sekisho.cli.hunt_output import check_output, opened
from sekisho.cli.hunt_progress import showing_progress
from sekisho.cli.hunt_request import Request
from sekisho.cli.hunt_sums import summary_line
from sekisho.cli.hunt_text import Sheet, draw_summary, draw_timeline
from sekisho.cli.hunt_words import clean
from sekisho.cli.main import speaking
from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.logons import summarise_logons
from sekisho.detection.engine.sightings import Sighting
from sekisho.detection.engine.summary import Summary, summarise
from sekisho.detection.engine.unfinished import find_unsure
from sekisho.detection.hunting.collecting import Part
from sekisho.detection.hunting.processes import Hunt, hunt_files, suppressor_of
from sekisho.detection.hunting.result import make_timeline
from sekisho.detection.hunting.rulesets import load_for_hunt
from sekisho.detection.model import RuleSet
from sekisho.detection.sources.limits import Trouble
from sekisho.detection.sources.rulecache import Ready
from sekisho.detection.sources.walking import find_files
from sekisho.kernel.i18n import Text, msg, translate

if TYPE_CHECKING:
    from sekisho.cli.hunt_library import Kept

_MOST_TROUBLES = 20


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``hunt``."""
    parser = nouns.add_parser(
        "hunt",
        help="hold logs against all rules: a timeline and a summary",
        epilog="Why a rule did or did not match a record: sekisho rules why RULE FILE:RECORD",
    )
    add_arguments(parser)
    parser.set_defaults(run=hunt)


def hunt(arguments: argparse.Namespace) -> int:
    """Hunt, write what was found and return the exit code."""
    request = read_request(arguments, arguments.language or speaking())
    say = Speaker(request.language)
    troubles: list[Trouble] = []
    files = list(find_files(request.paths, troubles.append))
    check_output(request.output, files)
    with showing_progress(request, files) as progress:
        kept = _read_library(arguments) if arguments.library else None
        loaded = load_for_hunt(
            [*request.rules, *([kept.folder] if kept else [])], request.values, request.include,
            request.exclude, kept.tunings if kept else {},
        )  # fmt: skip
        say.faults(loaded.rule_set)
        if not loaded.rule_set.rules:
            say.no_rules(loaded.rule_set, request)
            return 2
        if not request.rules and not kept and not request.quiet:
            say.own_rules(len(loaded.rule_set.rules))
        job = Hunt(
            loaded.rule_set, loaded.plan, request.reading, request.wanted,
            kept.suppressions if kept else (), request.now,
        )  # fmt: skip
        part = hunt_files(job, files, request.jobs, progress)
    for trouble in troubles:
        part.troubles.append(trouble)
        part.read.files_skipped += 1
    say.troubles(part.troubles)
    say.unsure(loaded, part.read.unfinished)
    timeline = make_timeline(part, loaded.rule_set, request.wanted, suppressor_of(job))
    return _finish(part, timeline, request, say)


def _read_library(arguments: argparse.Namespace) -> "Kept":
    from sekisho.cli.hunt_library import read_library  # noqa: PLC0415 - a database, asked for only

    return read_library(arguments)


def _finish(part: Part, timeline: Sequence[Sighting], request: Request, say: "Speaker") -> int:
    logons = summarise_logons(part.logons)
    table = own_attack_table()
    summary = summarise(timeline, part.read, logons, request.latest, request.zone, table=table)
    with opened(request.output) as out:
        _write(out, timeline, summary, request)
    _write_aside(summary, request)
    if part.read.interrupted:
        say.line(msg("It was stopped; above stands what was found until then."))
    if timeline:
        return 1
    return 2 if part.read.interrupted or part.read.is_nothing else 0


def _write(out: TextIO, timeline: Sequence[Sighting], summary: Summary, request: Request) -> None:
    """Write the result in the form that was asked for."""
    lines: Iterable[str]
    if request.format == "json" and request.only_summary:
        lines = [summary_line(summary)]
    elif request.format == "json":
        lines = json_lines(timeline)
    elif request.format == "csv":
        lines = csv_lines(timeline, request.zone)
    elif request.format == "html":
        from sekisho.cli.hunt_page import draw_page  # noqa: PLC0415 - templates only for pages

        shown = () if request.only_summary else timeline
        lines = [draw_page(shown, summary, request)]
    else:
        lines = _text_lines(timeline, summary, request, terminal=out.isatty())
    out.writelines(line + "\n" for line in lines)
    out.flush()


def _text_lines(
    timeline: Sequence[Sighting], summary: Summary, request: Request, *, terminal: bool
) -> Iterator[str]:
    sheet = Sheet(request.language, request.columns, terminal, request.zone, whole=not terminal)
    if not request.only_summary:
        yield from draw_timeline(timeline, sheet)
    if request.summary and request.output is None:
        yield from draw_summary(summary, sheet)


def _write_aside(summary: Summary, request: Request) -> None:
    """Say what it comes to on stderr (or stdout) where the result itself went elsewhere."""
    aside = request.format != "text" or request.output is not None
    aside &= not (request.format == "json" and request.only_summary)
    if not aside or not request.summary or request.quiet:
        return
    if request.output is None:
        _write_summary(summary, request, sys.stderr)
        return
    with opened(None) as out:
        _write_summary(summary, request, out)


def _write_summary(summary: Summary, request: Request, stream: TextIO) -> None:
    sheet = Sheet(request.language, request.columns, stream.isatty(), request.zone)
    for line in draw_summary(summary, sheet):
        print(line, file=stream)


class Speaker:
    """Says on stderr what went wrong, in the language of the person."""

    def __init__(self, language: str) -> None:
        self._language = language

    def line(self, text: Text) -> None:
        """Say one sentence."""
        print(f"sekisho hunt: {translate(text, self._language)}", file=sys.stderr)

    def no_rules(self, rule_set: RuleSet, request: Request) -> None:
        """Say why there is nothing to hunt with."""
        if request.include or request.exclude:
            self.line(msg("No rule fits what --include and --exclude ask for."))
        elif rule_set.faults:
            self.line(msg("None of the rules could be loaded."))
        else:
            self.line(msg("There is no rule file (.yml, .yaml) in what --rules names."))

    def faults(self, rule_set: RuleSet) -> None:
        """Say which rules are not in force, each with file and line."""
        for fault in rule_set.faults:
            said = " ".join(
                translate(part, self._language) for part in (fault.got, fault.expected, fault.fix)
            )
            print(clean(f"{fault.file}:{fault.line}: {said}"), file=sys.stderr)

    def unsure(self, ready: Ready, unfinished: Mapping[str, int]) -> None:
        """Say which rules gave searches up, so that what they matched is not all."""
        for rule, count in find_unsure(ready.rule_set.rules, ready.plan, unfinished):
            text = msg(
                "Given up for taking too long: %(searches)s with the expression of this rule. "
                "Whether it matches there is not known.",
                searches=count_searches(count),
            )
            print(clean(f"{rule.file}:{rule.line}: {translate(text, self._language)}"),
                  file=sys.stderr)  # fmt: skip

    def own_rules(self, count: int) -> None:
        """Say which rules are used when none were named, and how to get more."""
        self.line(
            msg("No --rules: the %(n)s rules on telework that come with Sekisho are used.", n=count)
        )
        self.line(
            msg(
                "For many more, fetch a Sigma rule set (for example the release of SigmaHQ) and "
                "name its folder or zip with --rules."
            )
        )

    def troubles(self, troubles: Sequence[Trouble]) -> None:
        """Say what could not be read, at most so many lines a file."""
        said: dict[str, int] = {}
        for trouble in troubles:
            said[trouble.file] = said.get(trouble.file, 0) + 1
            if said[trouble.file] <= _MOST_TROUBLES:
                self._trouble(trouble)
        self._more(said)

    def _trouble(self, trouble: Trouble) -> None:
        place = trouble.file if trouble.record is None else f"{trouble.file}:{trouble.record}"
        what, hint = (translate(t, self._language) for t in (trouble.what, trouble.hint))
        print(f"{clean(place)}: {clean(what)}\n  → {hint}", file=sys.stderr)

    def _more(self, said: Mapping[str, int]) -> None:
        for file, count in said.items():
            if count > _MOST_TROUBLES:
                more = msg("and %(n)s more in this file", n=count - _MOST_TROUBLES)
                print(f"{clean(file)}: {translate(more, self._language)}", file=sys.stderr)
