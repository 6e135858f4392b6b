"""The floor: the least that any server in Python could do for the same requests.

A raw ASGI application under the same web server, with the same TLS, that reads each body and
answers with bytes of the same size as the real replies, without a database or a thought. What the
real server costs is told as a multiple of this. Arguments: PORT CERTIFICATE KEY CONFIG_FILE.
"""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

NOTHING = b'{"queries":{}}'


def make_app(config: bytes) -> Any:
    """Make the application; ``config`` is what every request for a configuration gets."""
    replies = {
        "/api/osquery/distributed/read": NOTHING,
        "/api/osquery/config": config,
        "/api/osquery/enroll": b'{"node_key":"' + b"k" * 43 + b'"}',
    }
    heads = {
        path: {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
        for path, body in {**replies, "": b"{}"}.items()
    }

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        path = scope["path"]
        await send(heads.get(path, heads[""]))
        await send({"type": "http.response.body", "body": replies.get(path, b"{}")})

    return app


async def serve(port: int, certificate: Path, key: Path, config: bytes) -> None:
    """Serve until SIGTERM."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = Server(
        make_app(config),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        backlog=4096,
        backpressure=int(limit * 0.9),
        log_enabled=False,
        websockets=False,
        http1_settings=HTTP1Settings(keep_alive=True, header_read_timeout=90_000),
        ssl_cert=certificate,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    running = asyncio.create_task(server.serve())
    await stopping.wait()
    server.stop()  # type: ignore[no-untyped-call]  # granian has no annotation there
    await running
    os._exit(0)  # as in cli/serve.py: granian's threads may still want the interpreter


if __name__ == "__main__":
    asyncio.run(
        serve(
            int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]).read_bytes()
        )
    )
