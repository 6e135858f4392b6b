"""The other side of webhooks, as Slack and Teams behave, over TLS on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fakes.tls import Credentials


@dataclass
class Received:
    """One request: path, headers and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body)


@dataclass
class HookServer:
    """What arrived, and the answers that come next (status, headers, body)."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def answer(self, request: Received) -> tuple[int, dict[str, str], str]:
        """Judge a request as the service named by its path would."""
        if self.answers:
            return self.answers.pop(0)
        if request.path.startswith("/services/"):
            return _slack(request)
        if request.path.startswith("/powerautomate/"):
            return _teams(request, bare=False)
        if request.path.startswith("/bare/"):
            return _teams(request, bare=True)
        return 200, {}, "{}"


def _slack(request: Received) -> tuple[int, dict[str, str], str]:
    """Slack's rules: a text, at most 50 blocks, no text of rich text without a character."""
    message = request.message
    blocks = message.get("blocks", [])
    sections = [s["elements"] for b in blocks if b["type"] == "rich_text" for s in b["elements"]]
    empty = any(e.get("text") == "" for elements in sections for e in elements)
    if not message.get("text") or len(blocks) > 50 or not all(sections) or empty:
        return 400, {}, "invalid_blocks"
    return 200, {}, "ok"


def _teams(request: Received, *, bare: bool) -> tuple[int, dict[str, str], str]:
    """A workflow's rules: an Adaptive Card in the form its template reads, at most 28 KB."""
    if len(request.body) > 28_672:
        return 413, {}, "RequestEntityTooLarge"
    card = request.message if bare else request.message["attachments"][0]["content"]
    if card.get("type") != "AdaptiveCard" or not card.get("body"):
        return 400, {}, '{"error":{"code":"InvalidBotAdaptiveCard"}}'
    return 202, {"x-ms-workflow-run-id": "0858"}, ""


@contextmanager
def running_hook_server(credentials: Credentials) -> Iterator[HookServer]:
    """Serve until the block ends."""
    state = HookServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep the request and answer it."""
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body)
            state.received.append(request)
            status, extra, said = state.answer(request)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(said.encode())), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = credentials.server_context().wrap_socket(server.socket, server_side=True)
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
