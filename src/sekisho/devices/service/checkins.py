"""Check-ins: what a device answers becomes verdicts, in one transaction with its evidence.

These are jobs for the group writer. Times: a distributed answer counts from when we received it;
a line from the log, which may have waited on the device, from when the device made it (bounded
by our clock), and never overwrites a later answer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sekisho.controls import service as controls
from sekisho.controls.model import Answer, Subject
from sekisho.devices import engine
from sekisho.devices.answers import LoggedAnswer, LogReading, Reading, Told
from sekisho.devices.desk import Node
from sekisho.devices.protocol import DETAIL_PREFIX, READY_PREFIX
from sekisho.devices.service import flags
from sekisho.devices.store import devices as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction

_PASSED = ({"1": "1"},)
_TOGETHER = timedelta(minutes=5)  # log lines made within this time are judged together


def judge_write(
    tx: Transaction, node: Node, reading: Reading, plan: str, times: bytes, received_at: datetime
) -> None:
    """Judge one distributed write and store when its queries were answered."""
    answers = [_answer(told, None) for told in reading.told]
    controls.judge_answers(tx, _subject(node), answers, received_at)
    store.save_schedules(tx, [(node.id, plan, times)])
    _record_refused(tx, node, reading.refused)


def judge_log(
    tx: Transaction, node: Node, reading: LogReading, last_answers: dict[str, int], now: datetime
) -> bool:
    """Judge what is new among log lines; tell whether two machines seem to share the node key.

    ``last_answers`` is when each query was answered directly (seconds since 1970).
    """
    names = [logged.told.name for logged in reading.answers]
    seen = store.list_lines(tx, node.id, names)
    overlaps = any(
        engine.counters_overlap(seen.get(logged.told.name), logged.mark)
        for logged in reading.answers
    )
    news = [
        logged
        for logged in reading.answers
        if engine.is_newer(seen.get(logged.told.name), logged.mark)
    ]
    fresh = [each for each in news if each.mark[0] > last_answers.get(each.told.name, 0)]
    for group in _group(fresh):
        made_at = min(now, group[-1].at)
        answers = [_answer(logged.told, logged.at) for logged in _pairs(group, node)]
        if answers:
            controls.judge_answers(tx, _subject(node), answers, made_at)
    store.save_lines(tx, node.id, {logged.told.name: logged.mark for logged in news})
    _record_refused(tx, node, reading.refused)
    return overlaps


def note_identity(tx: Transaction, node: Node, identity: Sequence[str]) -> None:
    """Pin what a device's own log lines tell about the machine it is on."""
    store.update_device(tx, node.id, identity=list(identity))


def note_clone(tx: Transaction, node: Node, address: str) -> None:
    """Flag a device whose node key is used by two machines, with a finding and a record."""
    device = store.find_device(tx, node.id)
    if device is not None:
        flags.raise_clone(tx, device, engine.truncate_address(address))


def _group(logged: Sequence[LoggedAnswer]) -> list[list[LoggedAnswer]]:
    """Put answers that were made together into one judgement, oldest first."""
    groups: list[list[LoggedAnswer]] = []
    for answer in sorted(logged, key=lambda each: each.at):
        if groups and answer.at - groups[-1][0].at <= _TOGETHER:
            groups[-1].append(answer)
        else:
            groups.append([answer])
    return groups


def _pairs(group: Sequence[LoggedAnswer], node: Node) -> list[LoggedAnswer]:
    """Leave out a check whose precondition is not among the lines: it would prove nothing."""
    plan = node.book.plan
    present = {logged.told.name for logged in group}
    return [
        logged
        for logged in group
        if all(
            plan.names[at] in present
            for at in plan.partners[plan.index[logged.told.name]]
            if plan.names[at].startswith(READY_PREFIX)
        )
    ]


def _answer(told: Told, device_time: datetime | None) -> Answer:
    rows = told.detail if told.name.startswith(DETAIL_PREFIX) else _PASSED[: told.rows]
    return Answer(told.name, rows, told.status, told.message, device_time)


def _subject(node: Node) -> Subject:
    return Subject(node.id, node.ownership, node.platform, node.owner_id)


def _record_refused(tx: Transaction, node: Node, names: Sequence[str]) -> None:
    if names:
        evidence.record(
            tx,
            kind="device.answer_refused",
            subject=f"device:{node.id}",
            detail={"queries": sorted(names), "reason": "more than the constant was sent"},
            person=node.owner_id,
        )
