"""From what a device sent to answers that can be judged; pure.

Rows are counted and dropped: only the optional detail of a company device is kept. A private PC
may answer nothing but a constant; more than that is refused and named, so that it can be recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sekisho.devices import protocol
from sekisho.devices.engine import Mark, find_clone, identity_of, merge_identity
from sekisho.devices.model import Ownership
from sekisho.devices.protocol import LogLine, WriteRequest, clean_text

MAX_DETAIL_ROWS = 20
MAX_DETAIL_COLUMNS = 12
MAX_DETAIL_TEXT = 300
AHEAD = timedelta(minutes=5)  # how far a device's clock may be ahead until it is not believed
_NOT_ROWS = "the answer is not a list of rows"
_MORE_THAN_CONSTANT = "the answer carried more than the constant a private PC may send; refused"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: ``status`` 0 = the query ran; ``rows`` is how many rows it gave."""

    name: str
    rows: int
    status: int
    message: str
    detail: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one write said: answers, names that said more than they may, names nobody asked."""

    told: tuple[Told, ...]
    refused: tuple[str, ...]
    strange: int


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """An answer from the log: when the device ran it (its clock, bounded by ours) and its mark."""

    told: Told
    at: datetime
    mark: Mark


@dataclass(frozen=True, slots=True)
class LogReading:
    """What one log request said; ``identity`` is what its lines tell about the machine."""

    answers: tuple[LoggedAnswer, ...]
    refused: tuple[str, ...]
    bad_lines: int
    identity: tuple[str, ...]
    cloned: bool


def read_write(request: WriteRequest, planned: Mapping[str, int], ownership: Ownership) -> Reading:
    """Read a distributed write: every query that is in the plan, in any order, with its status."""
    told: list[Told] = []
    refused: list[str] = []
    strange = 0
    for name in {**request.queries, **request.statuses}:
        if name not in planned:
            strange += 1
            continue
        rows = protocol.decode_rows(request.queries[name]) if name in request.queries else []
        status = protocol.read_status(request.statuses.get(name, 0))
        message = clean_text(request.messages.get(name, ""), protocol.MAX_MESSAGE)
        answer, is_refused = _judge_rows(name, rows, status, message, ownership)
        told.append(answer)
        refused += [name] if is_refused else []
    return Reading(tuple(told), tuple(refused), strange)


def read_carves(request: WriteRequest) -> dict[str, str]:
    """Return by order what a carve query said: the guid under which the files will come, or "".

    Several files make several rows; osquery gives them one guid.
    """
    found: dict[str, str] = {}
    for name, raw in request.queries.items():
        if name.startswith(protocol.CARVE_PREFIX):
            rows = protocol.decode_rows(raw) or [{}]
            guid = clean_text(rows[0].get("carve_guid", ""), 64) if rows else ""
            found[name[len(protocol.CARVE_PREFIX) :]] = guid
    return found


def read_log(
    data: list[msgspec.Raw],
    planned: Mapping[str, int],
    ownership: Ownership,
    pinned: Sequence[str],
    now: datetime,
) -> LogReading:
    """Read log lines: snapshots of planned queries and failures of scheduled queries.

    Of several lines for one query the latest counts. Differences say nothing about rules.
    """
    found: dict[str, LoggedAnswer] = {}
    refused: list[str] = []
    identity, bad, cloned = tuple(pinned), 0, False
    for raw, line in zip(data, protocol.decode_lines(data), strict=True):
        if line is None:
            bad += 1
            continue
        seen = identity_of(line.hostIdentifier, line.decorations)
        cloned = cloned or find_clone(identity, seen)
        identity = merge_identity(identity, seen)
        logged, is_refused = _read_line(line, raw, planned, ownership, now)
        if logged is None:
            continue
        refused += [logged.told.name] if is_refused else []
        before = found.get(logged.told.name)
        if before is None or logged.mark[:3] > before.mark[:3]:
            found[logged.told.name] = logged
    return LogReading(tuple(found.values()), tuple(refused), bad, identity, cloned)


def _read_line(
    line: LogLine, raw: msgspec.Raw, planned: Mapping[str, int], ownership: Ownership, now: datetime
) -> tuple[LoggedAnswer | None, bool]:
    second = protocol.read_unix_time(line.unixTime)
    if second is None:
        return None, False
    at = _bounded(second, now)
    epoch = protocol.read_integer(line.epoch, 0, (1 << 63) - 1) or 0
    counter = protocol.read_integer(line.counter, 0, (1 << 63) - 1) or 0
    mark = (int(at.timestamp()), epoch, counter, protocol.digest_line(raw))
    failed = protocol.query_of_error(line.message) if line.message else None
    if failed is not None and failed[0] in planned:
        return LoggedAnswer(Told(failed[0], 0, 1, failed[1]), at, mark), False
    name = protocol.query_of_line(clean_text(line.name))
    if line.snapshot is None or name not in planned:
        return None, False
    rows = line.snapshot if all(isinstance(row, dict) for row in line.snapshot) else None
    told, is_refused = _judge_rows(name, rows, 0, "", ownership)
    return LoggedAnswer(told, at, mark), is_refused


def _bounded(second: int, now: datetime) -> datetime:
    """Return when a line was made; a time in our future is not believed."""
    at = datetime.fromtimestamp(second, UTC)
    return now if at > now + AHEAD else min(at, now)


def _judge_rows(
    name: str, rows: list[dict[str, Any]] | None, status: int, message: str, ownership: Ownership
) -> tuple[Told, bool]:
    """Make an answer of rows; tell whether they said more than they may."""
    if status != 0:
        return Told(name, 0, status, message or f"status {status}"), False
    if rows is None:
        return Told(name, 0, 1, _NOT_ROWS), False
    if ownership is Ownership.PRIVATE and not protocol.is_constant(rows):
        return Told(name, 0, 1, _MORE_THAN_CONSTANT), True
    keep = ownership is Ownership.COMPANY and name.startswith(protocol.DETAIL_PREFIX)
    return Told(name, len(rows), 0, message, _detail(rows) if keep else ()), False


def _detail(rows: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, str], ...]:
    kept = list(rows)[:MAX_DETAIL_ROWS]
    return tuple(
        {
            clean_text(name, MAX_DETAIL_TEXT): clean_text(value, MAX_DETAIL_TEXT)
            for name, value in list(row.items())[:MAX_DETAIL_COLUMNS]
        }
        for row in kept
    )
