"""``sekisho rules why RULE EVENT``: why a rule did or did not match one event, to the field.

Exit codes: 0 it matches, 1 it does not, 2 it could not be told.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sekisho.cli.hunt_asking import read_source, read_values, read_zone
from sekisho.cli.hunt_words import clean
from sekisho.cli.installation import add_data_option
from sekisho.cli.main import speaking
from sekisho.detection.engine.explain import Explanation, explain
from sekisho.detection.engine.reference import holds, passes, view_of
from sekisho.detection.engine.shaping import Shaping
from sekisho.detection.engine.suppressing import Suppressor
from sekisho.detection.hunting.records import find_events
from sekisho.detection.hunting.rulesets import load, own_rules
from sekisho.detection.language.conditions_alone import read_condition
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Correlation, Event, Rule, RuleSet
from sekisho.detection.service.why import read_event
from sekisho.detection.sources.reading import Reading
from sekisho.detection.whys import Line, RouteLines, write_lines
from sekisho.detection.wording import say_rule, say_title
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg, translate

if TYPE_CHECKING:
    from sekisho.cli.hunt_library import Kept

_INDENT = "  "
_MOST_LISTED = 5
_MOST_SAID = 300


def add_why(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb ``why``."""
    parser = verbs.add_parser("why", help="why a rule did or did not match one event")
    add = parser.add_argument
    add("rule", metavar="RULE", help="a rule's id or title, how one begins, or its file")
    add("event", metavar="EVENT", help="FILE:RECORD as a hunt shows it; - is one as JSON on stdin")
    add("--rules", action="append", type=Path, default=[], metavar="PATH",
        help="a folder, file or zip of Sigma rules; may be given several times")  # fmt: skip
    add("--library", action="store_true",
        help="rules of this server's data folder, with your levels and suppressions")  # fmt: skip
    add_data_option(parser)
    add("--values", type=Path, metavar="FILE",
        help="YAML file with the values of placeholders in rules (expand)")  # fmt: skip
    add("--logsource", default="", metavar="KEY=VALUE,…",
        help="what the logs are, if they do not say: category=…,product=…,service=…")  # fmt: skip
    add("--timezone", default="", metavar="ZONE",
        help="zone of times without one and of times shown: Asia/Tokyo, +09:00")  # fmt: skip
    parser.set_defaults(run=run_why)


def run_why(arguments: argparse.Namespace) -> int:
    """Judge one rule on one event and print every step."""
    named = Path(arguments.rule)
    kept = _read_library(arguments) if arguments.library else None
    given = [*arguments.rules, *([kept.folder] if kept else [])]
    given = [named, *given] if named.is_file() else given or [own_rules()]
    rule_set = load(given, read_values(arguments.values))
    rule = _find_rule(rule_set, arguments.rule, is_file=named.is_file())
    say_decided = _decided(rule, kept)
    matched = False
    for event in _read_events(arguments):
        told = explain(rule, event, own_routing(), rule_set.filters)
        decided = say_decided(event)
        if arguments.format == "json":
            print(json.dumps(_describe(rule, told, arguments.event, decided), ensure_ascii=False))
        else:
            for line in _draw(rule, told, arguments.event, decided):
                print(line)
        matched |= told.matched
    return 0 if matched else 1


def _read_library(arguments: argparse.Namespace) -> "Kept":
    from sekisho.cli.hunt_library import read_library  # noqa: PLC0415 - a database, asked for only

    return read_library(arguments)


def _decided(rule: Rule, kept: "Kept | None") -> Callable[[Event], Text | None]:
    """Return what says why a hunt with the library does not show a match of an event."""
    if kept is None:
        return lambda _: None
    tuning = kept.tunings.get(rule.id)
    if tuning is not None and tuning.level is None:
        off = msg("A hunt leaves it out: the rule is turned off (%(why)s).", why=tuning.reason)
        return lambda _: off
    suppressor = Suppressor(kept.suppressions, SystemClock().now(), read_condition)

    def say(event: Event) -> Text | None:
        routes = own_routing().route(rule.logsource).routes
        route = next((r for r in routes if passes(r, rule.tree, event)), None)
        if route is None:
            return None
        view = view_of(event, route)
        found = suppressor.find(rule.id, lambda node: holds(node, view))
        if found is None:
            return None
        return msg(
            "A hunt leaves it out: held back as known and harmless (%(why)s).", why=found.reason
        )

    return say


def _find_rule(rule_set: RuleSet, name: str, *, is_file: bool) -> Rule:
    """Return the rule of this id, title (either language) or file, or the one that begins so."""
    wanted = name.strip().casefold()
    documents: Sequence[Rule | Correlation] = [*rule_set.rules, *rule_set.correlations]
    found: Sequence[Rule | Correlation]
    if is_file:
        found = [rule for rule in rule_set.rules if rule.file == name][:1]
    else:
        found = _named(documents, wanted.__eq__) or _named(documents, _beginning(wanted))
    if found:
        return _require_one(found, name)
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


def _require_one(found: Sequence[Rule | Correlation], name: str) -> Rule:
    """Return the only rule of those found; ConflictError for several, or a correlation."""
    one = found[0]
    if len(found) > 1:
        some = ", ".join(f"{each.id} ({each.title})" for each in found[:_MOST_LISTED])
        raise ConflictError(
            msg("“%(name)s” may be any of %(n)s rules.", name=name, n=len(found)),
            hint=msg("Say more of an id or title: %(some)s",
                     some=clean(some) + ("…" if len(found) > _MOST_LISTED else "")),
        )  # fmt: skip
    if isinstance(one, Correlation):
        raise ConflictError(
            msg("“%(title)s” judges matches of other rules, not single events.",
                title=say_title(one.id, one.title)),
            hint=msg("Ask the rules it names."),
        )  # fmt: skip
    return one


def _beginning(wanted: str) -> Callable[[str], bool]:
    return lambda name: bool(wanted) and name.startswith(wanted)


def _named(
    documents: Iterable[Rule | Correlation], fits: Callable[[str], bool]
) -> list[Rule | Correlation]:
    return [
        one
        for one in documents
        if any(
            fits(name.casefold()) for name in (one.id, one.title, say_rule(one.id, one.title, "ja"))
        )
    ]


def _read_events(arguments: argparse.Namespace) -> list[Event]:
    if arguments.event == "-":
        return [read_event(sys.stdin.read())]
    zone = read_zone(arguments.timezone)
    shaping = Shaping(read_source(arguments.logsource), "", zone, own_routing().recognise)
    return find_events(arguments.event, Reading(shaping))


def _describe(rule: Rule, told: Explanation, place: str, decided: Text | None) -> dict[str, Any]:
    """Shape the answer; ``expected`` is said in the language of the terminal."""
    return {
        "rule_id": rule.id,
        "rule_title": rule.title,
        "event": place,
        "matched": told.matched,
        **({"left_out": translate(decided, speaking())} if decided else {}),
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


def _draw(rule: Rule, told: Explanation, place: str, decided: Text | None) -> Iterator[str]:
    language = speaking()
    title = say_rule(rule.id, rule.title, language)
    text = (
        msg("“%(rule)s” matches %(event)s.", rule=title, event=place)
        if told.matched
        else msg("“%(rule)s” does not match %(event)s.", rule=title, event=place)
    )
    yield clean(translate(text, language))
    if decided:
        yield _INDENT + clean(translate(decided, language))
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
    before: Line | None = None
    for line in route.lines:
        again = before is not None and (before.field, before.got) == (line.field, line.got)
        mark, said = "✔" if line.held else "✖", _say_line(line, language, again=again)
        yield clean(f"{_INDENT * (line.depth + 2)}{mark} {said}")
        before = line


def _say_line(line: Line, language: str, *, again: bool) -> str:
    """Say a line; ``again``: what stood there was said of the test before it."""
    said = f"{line.field} {translate(line.words, language)}".strip()
    if line.missing:
        return f"{said}  ← {translate(msg('the event has no such field'), language)}"
    got = ", ".join(value or "“”" for value in line.got)
    if not got or again:
        return said
    shown = got if len(got) <= _MOST_SAID else got[: _MOST_SAID - 1] + "…"
    return f"{said}  ← {shown}"
