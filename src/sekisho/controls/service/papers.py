"""Importing exceptions that so far existed on paper: a plan first, then all of it or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo

from sekisho.controls import exceptions as engine
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import Actor, RuleException, Scope, ScopeKind, Wish
from sekisho.controls.model import Control
from sekisho.controls.paper import PaperFault, PaperLine, read_paper
from sekisho.controls.service import exceptions as service
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.service.laying import devices_of, people_of
from sekisho.controls.service.scopes import find_named
from sekisho.controls.service.settling import settle_control
from sekisho.controls.store import exceptions as store
from sekisho.controls.store import laid
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import new_id

FindDevices = Callable[[str], Sequence[str]]
"""Returns the ids of the devices with a name; devices are known to the room above."""
_FEW = frozenset({ScopeKind.DEVICE, ScopeKind.PERSON})


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One exception that would be taken over; ``known`` if it already stands here."""

    line: int
    control: Control
    exception: RuleException
    target: str
    known: bool


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do; with any fault it does nothing."""

    lines: Sequence[PlannedLine]
    faults: Sequence[PaperFault]

    @property
    def new(self) -> list[PlannedLine]:
        """Return what would be added."""
        return [line for line in self.lines if not line.known]


def plan_import(
    tx: Transaction, text: str, zone: tzinfo | None, find_devices: FindDevices
) -> ImportPlan:
    """Say what an import would do. Needs ``exceptions.write`` and ``exceptions.approve``.

    Whoever imports reviews: they need a role that approves the severity, and cannot take over
    what is for themselves. An end that is missing, past or too far is a fault of its line.
    """
    tx.principal.require("exceptions.write")
    tx.principal.require("exceptions.approve")
    reviewer = service.actor_of(tx, None)
    read, faults = read_paper(text)
    planned: list[PlannedLine] = []
    for line in read:
        found = _plan_line(tx, line, reviewer, zone, find_devices)
        if isinstance(found, Text):
            faults.append(PaperFault(line.line, found))
        else:
            planned.append(found)
    return ImportPlan(planned, sorted(faults, key=lambda fault: fault.line))


def run_import(
    tx: Transaction, text: str, zone: tzinfo | None, find_devices: FindDevices
) -> list[RuleException]:
    """Take over what a plan shows; raise InvalidInputError if a line cannot be.

    By a fresh proof, as each of them would have been approved.
    """
    tx.principal.require_fresh(tx.now)
    plan = plan_import(tx, text, zone, find_devices)
    if plan.faults:
        first = plan.faults[0]
        raise InvalidInputError(
            msg("Line %(line)s: %(why)s", line=first.line, why=first.message),
            hint=msg("Nothing was imported. Correct the file and read it in again."),
        )
    made = [line.exception for line in plan.new]
    rules = load_rules()
    store.insert_exceptions(tx, [(each, engine.next_turn(each, rules)) for each in made])
    for each in made:
        devices = devices_of(tx, each.scope)
        laid.lay(tx, [(device, each) for device in devices])
        settle_control(tx, each.control_id, devices)
    evidence.record_many(
        tx,
        [
            NewRecord("exception.imported", f"exception:{each.id}", service.describe(each))
            for each in made
        ],
    )
    return made


def _plan_line(
    tx: Transaction,
    line: PaperLine,
    reviewer: Actor,
    zone: tzinfo | None,
    find_devices: FindDevices,
) -> PlannedLine | Text:
    control = _find_control(line.rule)
    if control is None:
        return msg("There is no rule “%(id)s” in the catalogue.", id=line.rule[:60])
    targets = _find_targets(tx, line, find_devices)
    if len(targets) != 1:
        return _say_target(line.target, len(targets))
    if line.until is None:
        limit = engine.latest_end(control.severity, load_rules(), tx.now, zone)
        day = engine.last_day(limit).astimezone(zone).date().isoformat()
        return msg(
            "There is no end date. This rule allows %(limit)s at the latest: write the column "
            "“until”.", limit=day,
        )  # fmt: skip
    scope = Scope(line.scope, targets[0], line.ownership)
    try:
        made = _make(tx, line, control, scope, reviewer, zone, line.until)
    except SekishoError as error:
        return error.message if isinstance(error.message, Text) else Text(error.message)
    return PlannedLine(line.line, control, made, line.target, store.is_known(tx, made))


def _make(
    tx: Transaction,
    line: PaperLine,
    control: Control,
    scope: Scope,
    reviewer: Actor,
    zone: tzinfo | None,
    until: date,
) -> RuleException:
    rules = load_rules()
    wish = Wish(control.id, scope, line.reason, line.measure, engine.end_of_day(until, zone))
    limit = engine.latest_end(control.severity, rules, tx.now, zone)
    asker = Actor("", line.asked_by or reviewer.name)
    asked = engine.request(new_id("exc"), wish, control.severity, asker, limit, tx.now)
    few = frozenset(people_of(tx, scope)) if scope.kind in _FEW else frozenset()
    approved = engine.approve(asked, reviewer, rules, tx.now, profiting=few)
    began = None
    if line.since is not None:
        midnight = datetime.combine(line.since, time())
        local = midnight.replace(tzinfo=zone) if zone is not None else midnight.astimezone()
        began = min(local.astimezone(tx.now.tzinfo), tx.now)
    return engine.mark_paper(approved, line.source or "paper", began)


def _find_control(words: str) -> Control | None:
    wanted = words.casefold()
    for control in catalogue_in_force().controls.values():
        if wanted in {control.id, *(title.casefold() for title in control.title.values())}:
            return control
    return None


def _find_targets(tx: Transaction, line: PaperLine, find_devices: FindDevices) -> Sequence[str]:
    if line.scope is ScopeKind.DEVICE:
        return find_devices(line.target)
    return find_named(tx, line.scope, line.target)


def _say_target(target: str, number: int) -> Text:
    if not number:
        return msg("Nobody and nothing here is called “%(name)s”.", name=target[:60])
    return msg(
        "“%(name)s” is the name of %(n)s; write the e-mail address or the id instead.",
        name=target[:60], n=number,
    )  # fmt: skip
