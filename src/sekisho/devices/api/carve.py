"""osquery's carve API: begin and block.

The client does not look for ``error`` in the reply to a block: the one way to stop an upload is
an answer that is not JSON, so a refused block gets plain words.
"""

import asyncio

import msgspec
from litestar import Response, post
from litestar.enums import MediaType

from sekisho.devices.api.exchange import (
    AnyRequest,
    Exchange,
    Reply,
    UnknownNodeError,
    guarded,
    open_exchange,
    respond,
)
from sekisho.devices.protocol import CarveBegin, CarveBlock
from sekisho.devices.service import carves
from sekisho.kernel.errors import SekishoError

_encode = msgspec.json.Encoder(order="sorted").encode


@post("/carve/begin", status_code=200)
async def carve_begin(request: AnyRequest) -> Response[bytes]:
    """Open the upload of files that two persons ordered from a company device."""
    return await guarded(request, _begin)


@post("/carve/block", status_code=200)
async def carve_block(request: AnyRequest) -> Response[bytes]:
    """Take one block of an upload."""
    exchange = open_exchange(request)
    try:
        return respond(Reply(await _block(exchange)))
    except UnknownNodeError:
        return _stop("this node key is not known here")
    except SekishoError as error:
        return _stop(str(error.message))
    finally:
        exchange.release()


async def _begin(exchange: Exchange) -> bytes:
    message = await exchange.read(CarveBegin)
    node = await exchange.authenticate(message)
    outcome = await exchange.desk.writer.write(lambda tx: carves.begin_carve(tx, node.id, message))
    if isinstance(outcome, SekishoError):
        raise outcome
    return _encode({"session_id": outcome})


async def _block(exchange: Exchange) -> bytes:
    message = await exchange.read(CarveBlock)
    device_id = None
    if message.node_key or exchange.header_key():
        device_id = (await exchange.authenticate(message)).id
    files = exchange.desk.files
    await asyncio.shield(
        exchange.desk.writer.write(
            lambda tx: carves.accept_block(tx, files.carves, files.shelf, device_id, message)
        )
    )
    return b"{}"


def _stop(reason: str) -> Response[bytes]:
    words = f"refused: {reason}\n".encode()
    return Response(words, status_code=200, media_type=MediaType.TEXT)
