"""The options of ``sekisho hunt`` and what they mean."""

import argparse
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from sekisho.cli.hunt_request import Request
from sekisho.cli.installation import default_data
from sekisho.detection.engine.moments import parse_moment, read_offset
from sekisho.detection.engine.shaping import Shaping
from sekisho.detection.hunting.collecting import Wanted
from sekisho.detection.hunting.processes import default_jobs
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Level, LogSource
from sekisho.detection.sources.reading import Reading
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg, system_reason

_NARROWEST, _WIDEST = 60, 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add everything that can be asked for."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="log files, folders and archives; - is stdin"
    )
    _add_rules(parser)
    _add_reading(parser)
    _add_output(parser)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rules", action="append", type=Path, default=[], metavar="PATH",
        help="a folder, file or zip of Sigma rules; may be given several times")  # fmt: skip
    add("--library", action="store_true",
        help="rules of this server's data folder, with your levels and suppressions")  # fmt: skip
    add("--data", type=Path, default=default_data(), metavar="DIR",
        help="the data folder for --library (default: %(default)s)")  # fmt: skip
    add("--values", type=Path, metavar="FILE",
        help="YAML file with the values of placeholders in rules (expand)")  # fmt: skip
    add("--include", action="append", default=[], metavar="NAME",
        help="only rules of this id, title, file name or tag; * stands for any text")  # fmt: skip
    add("--exclude", action="append", default=[], metavar="NAME",
        help="without rules of this id, title, file name or tag")  # fmt: skip
    add("--level", choices=tuple(Level), default=Level.INFORMATIONAL,
        help="the lowest level to show")  # fmt: skip


def _add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--logsource", default="", metavar="KEY=VALUE,…",
        help="what the logs are, if they do not say: category=…,product=…,service=…")  # fmt: skip
    add("--time-field", default="", metavar="NAME",
        help="the field that holds the time of an event")  # fmt: skip
    add("--timezone", default="", metavar="ZONE",
        help="zone of times without one and of times shown: Asia/Tokyo, +09:00")  # fmt: skip
    add("--from", dest="since", default="", metavar="TIME",
        help="only events from this time on")  # fmt: skip
    add("--to", dest="until", default="", metavar="TIME",
        help="only events up to this time; a day alone means to its end")  # fmt: skip
    add("--jobs", type=int, default=0, metavar="N",
        help="number of processes (default: one a core)")  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--format", choices=("text", "json", "csv", "html"), default="text",
        help="how to write the result; json is one object a line")  # fmt: skip
    add("--output", type=Path, metavar="FILE", help="write the result into a file")
    add("--summary", action=argparse.BooleanOptionalAction, default=True,
        help="write what it comes to: top rules, log-ons, hosts, who and what")  # fmt: skip
    add("--only-summary", action="store_true",
        help="leave the timeline out; json gives all of the summary as one object")  # fmt: skip
    add("--quiet", action="store_true", help="no progress, no hints, no summary on stderr")
    add("--language", choices=("ja", "en"), default="", help="language of what is written")


def read_request(arguments: argparse.Namespace, language: str) -> Request:
    """Read and check what was asked for; raises InvalidInputError with what to do."""
    if arguments.only_summary and arguments.format == "csv":
        raise InvalidInputError(
            msg("A summary is no table."),
            hint=msg("With --format json it is one object, with all log-ons, users and hosts."),
        )
    now = SystemClock().now()
    zone = read_zone(arguments.timezone)
    shaping = Shaping(
        read_source(arguments.logsource), arguments.time_field, zone, own_routing().recognise
    )
    columns = shutil.get_terminal_size((100, 24)).columns
    return Request(
        paths=arguments.paths,
        rules=arguments.rules,
        values=read_values(arguments.values),
        include=arguments.include,
        exclude=arguments.exclude,
        reading=Reading(shaping, now=int(now.timestamp() * 1_000_000)),
        wanted=Wanted(Level(arguments.level), *read_span(arguments.since, arguments.until, zone)),
        format=arguments.format,
        output=arguments.output,
        jobs=_check_jobs(arguments.jobs) or default_jobs(),
        zone=zone,
        language=language,
        columns=max(_NARROWEST, min(_WIDEST, columns)),
        summary=arguments.summary,
        only_summary=arguments.only_summary,
        quiet=arguments.quiet,
        now=now,
    )


def read_source(text: str) -> LogSource | None:
    """Read ``category=…,product=…,service=…``; None where nothing was said."""
    if not text:
        return None
    said: dict[str, str] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in {"category", "product", "service"} or not value:
            raise InvalidInputError(
                msg("“%(part)s” says nothing about a log source.", part=part),
                hint=msg("For example: --logsource product=linux,service=sshd"),
            )
        said[key] = value
    return LogSource(**said)


def read_zone(text: str) -> tzinfo:
    """Read a zone by its name or distance; nothing means that of this machine."""
    if not text:
        return _own_zone()
    try:
        if text[0] in "+-":
            return _read_distance(text)
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInputError(
            msg("The time zone “%(name)s” is not known.", name=text),
            hint=msg("For example: --timezone Asia/Tokyo, --timezone +09:00"),
        ) from error


def _read_distance(text: str) -> tzinfo:
    found = _DISTANCE.fullmatch(text)
    if found is None or int(found[1]) > _FARTHEST:
        raise ValueError(text)
    return read_offset(text, UTC)


_DISTANCE = re.compile(r"[+-](\d\d):?[0-5]\d")
_FARTHEST = 14  # hours: Kiribati


def _own_zone() -> tzinfo:
    """Return the zone of this machine: with its summer times where its name can be told."""
    try:
        target = Path("/etc/localtime").readlink().as_posix()
        return ZoneInfo(target.partition("zoneinfo/")[2])
    except (OSError, KeyError, ValueError):
        return SystemClock().now().astimezone().tzinfo or UTC


def _check_jobs(number: int) -> int:
    if number < 0:
        raise InvalidInputError(
            msg("“%(number)s” is no number of processes.", number=number),
            hint=msg("For example: --jobs 2; without it there is one a core."),
        )
    return number


def read_span(since: str, until: str, zone: tzinfo) -> tuple[int | None, int | None]:
    """Read from when to when events are asked for; None where nothing was said.

    A day alone means all of it, at either end.
    """
    first, last = read_time(since, zone), read_time(until, zone)
    if last is not None and _DAY.fullmatch(until):
        last = (read_time(_next_day(until), zone) or last) - 1
    if first is not None and last is not None and first > last:
        raise InvalidInputError(
            msg("--from %(first)s is later than --to %(last)s.", first=since, last=until),
            hint=msg("Nothing could lie between; exchange them."),
        )
    return first, last


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def read_time(text: str, zone: tzinfo) -> int | None:
    """Read a time on the command line, in the zone that was named."""
    if not text:
        return None
    moment = parse_moment(text, zone)
    if moment is None:
        raise InvalidInputError(
            msg("“%(text)s” is no time.", text=text),
            hint=msg("For example: --from 2026-11-23 or --from 2026-11-23T09:00:00+09:00"),
        )
    return moment


def read_values(path: Path | None) -> Mapping[str, Sequence[str]]:
    """Read the values of placeholders: a mapping of names to a value or a list of them."""
    if path is None:
        return {}
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(
            msg("%(path)s cannot be read: %(why)s.", path=path, why=system_reason(error)),
            hint=msg("Check the path and your right to read it."),
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            msg("%(path)s is not a readable YAML file: %(why)s", path=path, why=error), hint=_VALUES
        ) from error
    if not isinstance(found, dict):
        raise InvalidInputError(
            msg("%(path)s must hold “name: value” lines.", path=path), hint=_VALUES
        )
    listed = {
        str(name): value if isinstance(value, list) else [value] for name, value in found.items()
    }
    for name, values in listed.items():
        if any(value is None or isinstance(value, list | dict) for value in values):
            raise InvalidInputError(
                msg("%(path)s: “%(name)s” has neither a value nor a list of values.", path=path,
                    name=name), hint=_VALUES,
            )  # fmt: skip
    return {name: [str(value) for value in values] for name, values in listed.items()}


_VALUES = msg("For example: Administrators: [taro, hanako]")
