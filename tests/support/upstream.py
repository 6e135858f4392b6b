"""An app behind the gate: tells what it was sent, streams, speaks WebSocket; and a TCP echo."""

import base64
import contextlib
import hashlib
import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class _App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            self._echo_socket()
        elif self.path.startswith("/events"):
            self._stream({"content-type": "text/event-stream"}, b"data: x\n\n")
        elif self.path.startswith("/download"):
            self._stream({"content-length": "1000000000"}, b"x" * 100_000)
        else:
            self._tell()

    do_POST = do_GET  # noqa: N815 - the names of http.server
    do_PUT = do_GET  # noqa: N815 - the same

    def _tell(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        told = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": len(body),
        }
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _stream(self, headers: dict[str, str], piece: bytes) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.01)

    def _echo_socket(self) -> None:
        key = self.headers["sec-websocket-key"] + _MAGIC
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 - RFC 6455
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        self.send_header("sec-websocket-accept", accept)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while piece := self.connection.recv(65536):
                self.connection.sendall(piece)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the gate cuts connections on purpose."""


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while piece := self.request.recv(65536):
                self.request.sendall(piece)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024


@contextlib.contextmanager
def upstreams() -> Iterator[tuple[int, int]]:
    """Run the app and the echo; give their ports."""
    app = _Server(("127.0.0.1", 0), _App)
    echo = _EchoServer(("127.0.0.1", 0), _Echo)
    servers: list[socketserver.BaseServer] = [app, echo]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield app.server_port, echo.server_address[1]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def read_head(sock: socket.socket) -> bytes:
    """Read up to the end of an HTTP head."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = sock.recv(65536)
        if not piece:
            break
        found += piece
    return found
