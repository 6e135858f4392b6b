"""osquery's TLS remote API: enroll, config, log, distributed. The hot path of the server.

A client of this API ignores the HTTP status and judges the body alone; an empty body is success.
So every reply has a JSON body, an error has the key ``error``, and ``node_invalid`` is said only
about a node key that is unknown or ended, never because something of ours failed: that would
make every device enrol again. What belongs to the protocol (node_invalid, a refused enrolment,
busy) is answered with status 200, because some things on the way replace the bodies of other
answers, and a replaced body could be an empty one; faults of the request are 400 and 413.
"""

from collections.abc import Mapping

import msgspec
from litestar import Response, get, post

from sekisho import __version__
from sekisho.devices import answers, offers
from sekisho.devices.api.exchange import Act, AnyRequest, Exchange, guarded
from sekisho.devices.desk import Node
from sekisho.devices.engine import Refusal
from sekisho.devices.model import DeviceState
from sekisho.devices.protocol import EnrollRequest, LogRequest, NodeRequest, WriteRequest
from sekisho.devices.service import carves, checkins, enrolment
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg

_encode = msgspec.json.Encoder(order="sorted").encode
_NOTHING_TO_ASK = b'{"queries":{}}'
_ACCEPTED = b"{}"


@get("/version", opt={"anonymous": True}, tags=["osquery"], sync_to_thread=False)
def show_version() -> dict[str, str]:
    """Tell the server's version; Fleet's load generator asks for it before it sends logs."""
    return {"version": __version__}


@post("/enroll", status_code=200)
async def enroll(request: AnyRequest) -> Response[bytes]:
    """Exchange an enrolment secret for a node key."""
    return await guarded(request, _enroll)


@post("/config", status_code=200)
async def config(request: AnyRequest) -> Response[bytes]:
    """Give a device its options and the schedule that bridges an outage."""
    return await guarded(request, _config)


@post("/log", status_code=200)
async def log(request: AnyRequest) -> Response[bytes]:
    """Take results and failures of scheduled queries; a line that comes twice counts once."""
    return await guarded(request, _log)


@post("/distributed/read", status_code=200)
async def distributed_read(request: AnyRequest) -> Response[bytes]:
    """Give a device the queries that are due; nearly always there is nothing to ask."""
    return await guarded(request, _read)


@post("/distributed/write", status_code=200)
async def distributed_write(request: AnyRequest) -> Response[bytes]:
    """Take answers; the reply says that they are committed."""
    return await guarded(request, _write)


async def _enroll(exchange: Exchange) -> bytes:
    message = await exchange.read(EnrollRequest)
    desk = exchange.desk
    if desk.is_guessing(exchange.address):
        return _refused(str(msg("Too many wrong secrets from this network; wait a minute.")))
    outcome = await desk.writer.write(lambda tx: enrolment.enrol(tx, message, exchange.address))
    if isinstance(outcome, Refusal):
        desk.statistics.refused += 1
        desk.note_guess(exchange.address)
        return _refused(f"{outcome.code.value}: {outcome.reason}")
    desk.expect_key(outcome.node_key)
    return _encode({"node_key": outcome.node_key})


async def _config(exchange: Exchange) -> bytes:
    node = await exchange.authenticate(await exchange.read(NodeRequest))
    return await exchange.desk.config_of(node)


async def _read(exchange: Exchange) -> bytes:
    node = await exchange.authenticate(await exchange.read(NodeRequest))
    asked, hurry = exchange.desk.ask(node)
    if not asked and not hurry:
        return _NOTHING_TO_ASK
    return _encode({"queries": asked, "accelerate": hurry} if hurry else {"queries": asked})


async def _write(exchange: Exchange) -> bytes:
    message = await exchange.read(WriteRequest)
    node = await exchange.authenticate(message)
    desk = exchange.desk
    reading = answers.read_write(message, node.book.plan.index, node.ownership)
    names = [told.name for told in reading.told]
    desk.statistics.dropped_answers += reading.strange
    carved = answers.read_carves(message) if reading.strange else {}
    if carved:
        await desk.writer.write(lambda tx: _note_carves(tx, node, carved))
    if node.state is not DeviceState.ACTIVE or not names:
        return _ACCEPTED
    if node.last_write == exchange.digest and not offers.is_awaited(node.book, names):
        desk.statistics.repeated += 1
        return _ACCEPTED
    received_at = desk.clock.now()
    second = int(received_at.timestamp())

    def job(tx: Transaction) -> None:
        _still_counts(node)
        times = offers.times_after(node.book, names, second)
        checkins.judge_write(tx, node, reading, node.book.plan.digest, times, received_at)

    await desk.writer.write(job)
    desk.statistics.writes += 1
    desk.note_answers(node, names, received_at)
    node.last_write = exchange.digest
    return _ACCEPTED


async def _log(exchange: Exchange) -> bytes:
    message = await exchange.read(LogRequest)
    node = await exchange.authenticate(message)
    desk = exchange.desk
    now = desk.clock.now()
    book = node.book
    reading = answers.read_log(message.data, book.plan.index, node.ownership, node.identity, now)
    desk.statistics.bad_lines += reading.bad_lines
    if reading.cloned:
        await desk.writer.write(lambda tx: checkins.note_clone(tx, node, exchange.address))
        return exchange.invalid(msg("this node key belongs to another machine; enrol again"))
    if node.state is not DeviceState.ACTIVE:
        return _ACCEPTED
    last = {each.told.name: offers.answered_at(book, each.told.name) for each in reading.answers}

    def job(tx: Transaction) -> bool:
        _still_counts(node)
        if reading.identity != node.identity:
            checkins.note_identity(tx, node, reading.identity)
        overlaps = checkins.judge_log(tx, node, reading, last, now)
        if overlaps:
            checkins.note_clone(tx, node, exchange.address)
        return overlaps

    if reading.answers or reading.identity != node.identity:
        await desk.writer.write(job)
        node.identity = reading.identity
    return _ACCEPTED


def _note_carves(tx: Transaction, node: Node, carved: dict[str, str]) -> None:
    for order, guid in carved.items():
        carves.note_guid(tx, node.id, order, guid)


def _still_counts(node: Node) -> None:
    """Refuse to write for a device that was withdrawn or paused while its answers waited."""
    if node.state is not DeviceState.ACTIVE:
        raise UnavailableError(
            msg("This device was stopped while its results waited; nothing was kept.")
        )


def _refused(reason: str) -> bytes:
    return _encode({"error": reason, "node_invalid": True})


ACTS: Mapping[str, Act] = {
    "/api/osquery/enroll": _enroll,
    "/api/osquery/config": _config,
    "/api/osquery/log": _log,
    "/api/osquery/distributed/read": _read,
    "/api/osquery/distributed/write": _write,
}
"""What each address does, for the lane in front of the framework (``server/lane.py``)."""

HANDLERS = [enroll, config, log, distributed_read, distributed_write]
