"""Signs a person in for tunnels: in their browser, brought back over loopback (RFC 8252, 7.3).

The command keeps a secret and shows its digest; the portal's ticket is of use to nobody else. What
comes of it is bound to this device by its certificate and to the sign-in in the portal: signing
out there ends it.
"""

import contextlib
import hashlib
import http.server
import json
import os
import secrets
import time
import urllib.parse
import webbrowser
from collections.abc import Callable
from pathlib import Path

from sekisho.agent.tunnel import GateLink, SignInNeededError

CREDENTIAL = "tunnel-credential.json"
WAIT_SECONDS = 300.0
_OK = 200


def load_credential(folder: Path) -> str:
    """Return the kept credential, "" if there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / CREDENTIAL).read_text(encoding="ascii"))
        return str(found["credential"])
    return ""


def keep_credential(folder: Path, credential: str) -> None:
    """Keep a credential for this user's eyes only."""
    draft = folder / f"{CREDENTIAL}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"credential": credential}, file)
    draft.replace(folder / CREDENTIAL)


def sign_in(link: GateLink, portal: str, say: Callable[[str], None], *, browse: bool = True) -> str:
    """Have the person sign in and return the credential; raise SignInNeededError if nobody does.

    ``say`` is given the address to open, for where no browser can be started.
    """
    secret = secrets.token_urlsafe(24)
    asker = hashlib.sha256(secret.encode()).hexdigest()
    with _Waiting() as waiting:
        query = urllib.parse.urlencode({"port": waiting.server_port, "asker": asker})
        address = f"{portal}/gate/connect?{query}"
        say(address)
        if browse:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)
        ticket = waiting.wait()
    if not ticket:
        raise SignInNeededError("nobody signed in within %(n)s seconds", n=int(WAIT_SECONDS))
    status, found = link.ask(
        "/.sekisho/credential",
        {"Authorization": f"Bearer {ticket}", "Sekisho-Asker": secret},
    )
    if status != _OK or not found.get("credential"):
        raise SignInNeededError("the gate did not take the sign-in; try again")
    return str(found["credential"])


class _Waiting(http.server.HTTPServer):
    """Waits on loopback for the browser that brings the ticket."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Arrival)
        self.ticket = ""
        self.timeout = 1.0

    def wait(self) -> str:
        """Return the ticket, "" if none came in time."""
        until = time.monotonic() + WAIT_SECONDS
        while not self.ticket and time.monotonic() < until:
            self.handle_request()
        return self.ticket


class _Arrival(http.server.BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        """Take the ticket and say that the window can be closed."""
        path, _, query = self.path.partition("?")
        ticket = dict(urllib.parse.parse_qsl(query)).get("ticket", "")
        found = path == "/" and bool(ticket)
        if found and isinstance(self.server, _Waiting):
            self.server.ticket = ticket
        body = "関所: この窓は閉じてかまいません。 / You can close this window.".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body) if found else 0))
        self.end_headers()
        self.wfile.write(body if found else b"")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own name
        """Say nothing: stderr is the person's."""
