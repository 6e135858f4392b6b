"""``sekisho rules why RULE EVENT``: why a rule did or did not match one event, to the field.

Exit codes: 0 it matches, 1 it does not, 2 it could not be told.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sekisho.cli.hunt_asking import read_source, read_values, read_zone
from sekisho.cli.hunt_words import clean
from sekisho.cli.installation import default_data
from sekisho.cli.main import speaking
from sekisho.detection.engine.explain import Explanation, explain
from sekisho.detection.engine.shaping import Shaping
from sekisho.detection.hunting.records import find_event
from sekisho.detection.hunting.rulesets import load, own_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event, Rule, RuleSet
from sekisho.detection.service.why import read_event
from sekisho.detection.sources.reading import Reading
from sekisho.detection.whys import Line, RouteLines, write_lines
from sekisho.detection.wording import say_rule
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg, translate

_INDENT = "  "
_MOST_SAID = 300


def add_why(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb ``why``."""
    parser = verbs.add_parser("why", help="why a rule did or did not match one event")
    add = parser.add_argument
    add("rule", metavar="RULE", help="a rule's id or title, or its file")
    add("event", metavar="EVENT", help="FILE:RECORD as a hunt shows it; - is one as JSON on stdin")
    add("--rules", action="append", type=Path, default=[], metavar="PATH",
        help="a folder, file or zip of Sigma rules; may be given several times")  # fmt: skip
    add("--library", action="store_true", help="rules of this server's data folder")
    add("--data", type=Path, default=default_data(), metavar="DIR",
        help="the data folder for --library (default: %(default)s)")  # fmt: skip
    add("--values", type=Path, metavar="FILE",
        help="YAML file with the values of placeholders in rules (expand)")  # fmt: skip
    add("--logsource", default="", metavar="KEY=VALUE,…",
        help="what the logs are, if they do not say: category=…,product=…,service=…")  # fmt: skip
    add("--timezone", default="", metavar="ZONE",
        help="zone of times without one and of times shown: Asia/Tokyo, +09:00")  # fmt: skip
    add("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run_why)


def run_why(arguments: argparse.Namespace) -> int:
    """Judge one rule on one event and print every step."""
    is_file = Path(arguments.rule).is_file()
    rule_set = load(_list_rules(arguments, is_file=is_file), read_values(arguments.values))
    rule = _find_rule(rule_set, arguments.rule, is_file=is_file)
    told = explain(rule, _read_event(arguments), own_routing(), rule_set.filters)
    if arguments.format == "json":
        print(json.dumps(_describe(rule, told, arguments.event), ensure_ascii=False))
    else:
        for line in _draw(rule, told, arguments.event):
            print(line)
    return 0 if told.matched else 1


def _list_rules(arguments: argparse.Namespace, *, is_file: bool) -> list[Path]:
    """Return where to look for the rule, and for filters of it."""
    given = [Path(arguments.rule)] if is_file else []
    given += arguments.rules
    if arguments.library:
        from sekisho.cli.hunt_library import read_library  # noqa: PLC0415 - a database

        given.append(read_library(arguments).folder)
    return given or [own_rules()]


def _find_rule(rule_set: RuleSet, name: str, *, is_file: bool) -> Rule:
    wanted = name.casefold()
    for rule in rule_set.rules:
        is_it = wanted in {rule.id.casefold(), rule.title.casefold()}
        if is_it or (is_file and rule.file == name):
            return rule
    if any(wanted in {c.id.casefold(), c.title.casefold()} for c in rule_set.correlations):
        raise ConflictError(
            msg("“%(title)s” judges matches of other rules, not single events.", title=name),
            hint=msg("Ask the rules it names."),
        )
    for fault in rule_set.faults:
        if is_file and fault.file == name:
            raise InvalidInputError(
                msg("%(file)s:%(line)s: %(why)s", file=fault.file, line=fault.line, why=fault.got),
                hint=fault.fix,
            )
    raise NotFoundError(
        msg("There is no rule “%(name)s”.", name=name),
        hint=msg("Give its id or its title, and where it lies with --rules or --library."),
    )


def _read_event(arguments: argparse.Namespace) -> Event:
    if arguments.event == "-":
        return read_event(sys.stdin.read())
    zone = read_zone(arguments.timezone)
    shaping = Shaping(read_source(arguments.logsource), "", zone, own_routing().recognise)
    return find_event(arguments.event, Reading(shaping))


def _describe(rule: Rule, told: Explanation, place: str) -> dict[str, Any]:
    """Shape the answer; ``expected`` is said in the language of the terminal."""
    return {
        "rule_id": rule.id,
        "rule_title": rule.title,
        "event": place,
        "matched": told.matched,
        "kinds": [
            {
                "kind": route.kind,
                "fits": route.fits,
                "matched": route.matched,
                "steps": [_describe_line(line) for line in route.lines],
            }
            for route in write_lines(told)
        ],
    }


def _describe_line(line: Line) -> dict[str, Any]:
    return {
        "depth": line.depth,
        "held": line.held,
        "field": line.field,
        "expected": translate(line.words, speaking()),
        "got": list(line.got),
        "missing": line.missing,
    }


def _draw(rule: Rule, told: Explanation, place: str) -> Iterator[str]:
    language = speaking()
    title = say_rule(rule.id, rule.title, language)
    text = (
        msg("“%(rule)s” matches %(event)s.", rule=title, event=place)
        if told.matched
        else msg("“%(rule)s” does not match %(event)s.", rule=title, event=place)
    )
    yield clean(translate(text, language))
    routes = write_lines(told)
    for route in routes:
        if route.fits:
            yield from _draw_route(route, language)
    if not any(route.fits for route in routes):
        kinds = ", ".join(route.kind for route in routes if route.kind) or "—"
        text = msg("The event is of another kind than the rule is for: %(kinds)s", kinds=kinds)
        yield _INDENT + translate(text, language)


def _draw_route(route: RouteLines, language: str) -> Iterator[str]:
    kind = msg("Held against events of the kind %(kind)s", kind=route.kind or "—")
    yield _INDENT + translate(kind, language)
    for line in route.lines:
        mark = "✔" if line.held else "✖"
        yield clean(f"{_INDENT * (line.depth + 2)}{mark} {_say_line(line, language)}")


def _say_line(line: Line, language: str) -> str:
    said = f"{line.field} {translate(line.words, language)}".strip()
    if line.missing:
        return f"{said}  ← {translate(msg('the event has no such field'), language)}"
    got = ", ".join(value or "“”" for value in line.got)
    if not got:
        return said
    shown = got if len(got) <= _MOST_SAID else got[: _MOST_SAID - 1] + "…"
    return f"{said}  ← {shown}"
