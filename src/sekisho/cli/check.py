"""``sekisho check``: this computer against the telework rules, on the spot, without a server.

Asks the same questions through the same tables as the agent and judges them with the same engine
as the server. Rules that are proven by documents cannot be answered by a computer and are left
out; stderr says how many. Exit code: 0 all fine, 1 something fails or is unknown, 2 could not.
"""

import argparse
import datetime as dt
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sekisho.agent.builtin import Identity, current_platform
from sekisho.agent.sql import Answer as Found
from sekisho.agent.sql import Engine
from sekisho.agent.tables import tables_for
from sekisho.cli.columns import measure, pad, wrap
from sekisho.cli.main import speaking
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.engine import gather_evidence, judge
from sekisho.controls.model import (
    Answer,
    Catalogue,
    Control,
    Probe,
    Proof,
    Severity,
    Verdict,
    VerdictKind,
)
from sekisho.kernel.i18n import localized, msg, translate
from sekisho.wire.kit import Ownership

_ORDER = (VerdictKind.FAIL, VerdictKind.UNKNOWN, VerdictKind.EXEMPT, VerdictKind.PASS)
_MARKS = {
    VerdictKind.FAIL: ("✖", "31"),
    VerdictKind.UNKNOWN: ("?", "33"),
    VerdictKind.EXEMPT: ("⏸", "0"),
    VerdictKind.PASS: ("✔", "32"),
}
_WORDS = {
    VerdictKind.FAIL: msg("Fail"),
    VerdictKind.UNKNOWN: msg("Unknown"),
    VerdictKind.EXEMPT: msg("Exempt"),
    VerdictKind.PASS: msg("Pass"),
}
_SEVERITIES = {
    Severity.CRITICAL: msg("Critical"),
    Severity.HIGH: msg("High"),
    Severity.MEDIUM: msg("Medium"),
    Severity.LOW: msg("Low"),
}
_INDENT = "    "
_ROWS_SHOWN = 5
_NARROWEST, _WIDEST = 40, 100

Progress = Callable[[int, int], None]
"""Told (done, total) after each control."""


class EvidenceShown(TypedDict):
    """What stands behind one verdict."""

    sql: str
    rows: list[dict[str, str]]
    status: int
    detail: list[dict[str, str]]
    message: str


class Described(TypedDict):
    """One line of ``--format json``; the first six fields are a contract."""

    control: str
    title: str
    verdict: str
    proven: str
    evidence: EvidenceShown
    fix: list[str]
    severity: str
    statement: str
    checked_at: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """One rule held against this computer."""

    control: Control
    verdict: Verdict
    probe: Probe
    answer: Found
    detail: Found


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``check``."""
    parser = nouns.add_parser("check", help="hold this computer against the telework rules")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--language", choices=("ja", "en"), default="")
    parser.add_argument(
        "--ownership", choices=tuple(Ownership), default=Ownership.COMPANY, help="whose computer"
    )
    parser.add_argument("--controls", type=Path, metavar="DIR", help="a folder of own controls")
    parser.set_defaults(run=check)


def check(arguments: argparse.Namespace) -> int:
    """Check this computer, print the verdicts and return the exit code."""
    language = arguments.language or speaking()
    ownership = Ownership(arguments.ownership)
    platform = current_platform()
    catalogue = load_catalogue(arguments.controls)
    engine = Engine(tables_for(platform), Identity(platform))
    checked = sort_worst_first(check_controls(engine, catalogue, platform, ownership, _Progress()))
    if arguments.format == "json":
        for one in checked:
            print(json.dumps(describe(one, platform, language), ensure_ascii=False))
    else:
        colour = sys.stdout.isatty()
        columns = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
        for line in draw(checked, platform, language, colour=colour, columns=columns):
            print(line)
    _tell_left_out(catalogue, platform, ownership, language)
    fine = all(one.verdict.kind in {VerdictKind.PASS, VerdictKind.EXEMPT} for one in checked)
    return 0 if fine else 1


class _Progress:
    """A counter on stderr, only where a person sees it."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show how far we are; the last call wipes the line."""
        if self._shown:
            text = f"\r\033[K{done}/{total}" if done < total else "\r\033[K"
            print(text, end="", file=sys.stderr, flush=True)


def check_controls(
    engine: Engine,
    catalogue: Catalogue,
    platform: str,
    ownership: Ownership,
    progress: Progress,
) -> list[Checked]:
    """Judge every machine-proven control that applies; shared preconditions are asked once."""
    asked = [
        (control, probe)
        for control in catalogue.applying(platform, ownership)
        if (probe := _find_probe(control, platform, ownership)) is not None
    ]
    ready: dict[str, Found] = {}
    checked: list[Checked] = []
    for number, (control, probe) in enumerate(asked, 1):
        if probe.ready_name not in ready:
            ready[probe.ready_name] = engine.run(probe.precondition)
        checked.append(_check_one(engine, control, probe, ready[probe.ready_name], ownership))
        progress(number, len(asked))
    return checked


def _find_probe(control: Control, platform: str, ownership: Ownership) -> Probe | None:
    check = control.find_check(platform)
    if control.proof is not Proof.MACHINE or check is None:
        return None
    return check.choose_probe(sekisho_agent=True, private=ownership is Ownership.PRIVATE)


def _check_one(
    engine: Engine, control: Control, probe: Probe, ready: Found, ownership: Ownership
) -> Checked:
    company = ownership is Ownership.COMPANY
    found = engine.run(probe.sql)
    detail = engine.run(probe.detail) if probe.detail and company else Found()
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    answers = {
        control.policy_name: _answer(control.policy_name, found),
        probe.ready_name: _answer(probe.ready_name, ready),
        control.detail_name: _answer(control.detail_name, detail),
    }
    check = next(c for c in control.checks.values() if probe in c.probes)
    # The words of a private computer stay on it, so its owner may see them here.
    evidence = gather_evidence(control, check, answers, Ownership.COMPANY)
    return Checked(control, judge(control, evidence, None, now), probe, found, detail)


def _answer(name: str, found: Found) -> Answer:
    return Answer(name, found.rows, found.status, found.message)


def sort_worst_first(checked: Iterable[Checked]) -> list[Checked]:
    """Sort by verdict (fail, unknown, exempt, pass), then by severity, then by name."""
    severities = tuple(Severity)
    return sorted(
        checked,
        key=lambda one: (
            _ORDER.index(one.verdict.kind),
            severities.index(one.control.severity),
            one.control.id,
        ),
    )


def describe(one: Checked, platform: str, language: str) -> Described:
    """Shape one verdict as a line of ``--format json``."""
    message = one.verdict.message
    return {
        "control": one.control.id,
        "title": localized(one.control.title, language),
        "verdict": one.verdict.kind.value,
        "proven": one.verdict.proof.value,
        "evidence": {
            "sql": one.probe.sql.strip(),
            "rows": list(one.answer.rows),
            "status": one.answer.status,
            "detail": list(one.detail.rows),
            "message": translate(message, language) if message is not None else "",
        },
        "fix": list(one.control.fix_steps(platform, language)),
        "severity": one.control.severity.value,
        "statement": localized(one.control.statement, language),
        "checked_at": one.verdict.checked_at.isoformat() if one.verdict.checked_at else None,
    }


def draw(
    checked: Sequence[Checked], platform: str, language: str, *, colour: bool, columns: int = 80
) -> Iterator[str]:
    """Draw the table for people: worst first, how to put it right, and what to do first."""
    titles = [localized(one.control.title, language) for one in checked]
    width = max(map(measure, titles), default=0)
    words = max((measure(translate(word, language)) for word in _WORDS.values()), default=0)
    for one in checked:
        yield _head_line(one, language, width, words, colour=colour)
        if one.verdict.kind in {VerdictKind.FAIL, VerdictKind.UNKNOWN}:
            yield from _help_lines(one, platform, language, columns)
    yield ""
    yield _count_line(checked, language)
    yield from _first_lines(checked, platform, language, columns)


def _count_line(checked: Sequence[Checked], language: str) -> str:
    counts = {kind: sum(one.verdict.kind is kind for one in checked) for kind in _ORDER}
    said = (
        f"{translate(_WORDS[kind], language)} {count}" for kind, count in counts.items() if count
    )
    return translate(msg("%(n)s rules: ", n=len(checked)), language) + " · ".join(said)


def _first_lines(
    checked: Sequence[Checked], platform: str, language: str, columns: int
) -> Iterator[str]:
    """Say what to do first, at the end where the eye is: the worst failure's first step."""
    worst = next((one for one in checked if one.verdict.kind is VerdictKind.FAIL), None)
    steps = worst.control.fix_steps(platform, language) if worst is not None else ()
    if worst is not None and steps:
        title = localized(worst.control.title, language)
        said = msg("Start with “%(title)s”: %(step)s", title=title, step=steps[0])
        yield from wrap(translate(said, language), columns)


def _head_line(one: Checked, language: str, width: int, words: int, *, colour: bool) -> str:
    mark, code = _MARKS[one.verdict.kind]
    word = pad(translate(_WORDS[one.verdict.kind], language), words)
    shown = f"\033[{code}m{mark} {word}\033[0m" if colour else f"{mark} {word}"
    title = pad(localized(one.control.title, language), width)
    severity = translate(_SEVERITIES[one.control.severity], language)
    return f"{shown}  {title}  {severity}".rstrip()


def _help_lines(one: Checked, platform: str, language: str, columns: int) -> Iterator[str]:
    if one.verdict.message is not None:
        yield from wrap(translate(one.verdict.message, language), columns, _INDENT, _INDENT)
    if one.verdict.kind is VerdictKind.FAIL:
        yield from wrap(localized(one.control.why, language), columns, _INDENT, _INDENT)
        yield from _row_lines(one, language, columns)
        for number, step in enumerate(one.control.fix_steps(platform, language), 1):
            yield from wrap(step, columns, f"{_INDENT}{number}. ", f"{_INDENT}   ")


def _row_lines(one: Checked, language: str, columns: int) -> Iterator[str]:
    """Show what was found, a few rows of it, without the columns that say nothing."""
    rows = one.verdict.rows
    for row in rows[:_ROWS_SHOWN]:
        found = ", ".join(f"{name}={value}" for name, value in row.items() if value)
        yield from wrap(found, columns, f"{_INDENT}· ", f"{_INDENT}  ")
    if len(rows) > _ROWS_SHOWN:
        more = msg("and %(n)s more", n=len(rows) - _ROWS_SHOWN)
        yield f"{_INDENT}  {translate(more, language)}"


def _tell_left_out(
    catalogue: Catalogue, platform: str, ownership: Ownership, language: str
) -> None:
    documents = [
        control
        for control in catalogue.applying(platform, ownership)
        if control.proof is not Proof.MACHINE
    ]
    if documents:
        text = msg(
            "%(n)s more rules are proven by documents and not by this computer.", n=len(documents)
        )
        print(translate(text, language), file=sys.stderr)
