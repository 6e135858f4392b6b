"""What Envoy counts: how many requests came, and about how many of them we were asked.

The difference is the hot path: requests with a good cookie, which cost no call of ours.
"""

import contextlib
import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from sekisho.server.gate.bootstrap import ADMIN_SOCKET
from sekisho.server.gate.shapes import DECISION_CLUSTER

_SECONDS = 1.0
_ASKED = f"cluster.{DECISION_CLUSTER}.upstream_rq_total"
_TUNNELS = "downstream_cx_upgrades_active"
_PATH = (
    rf"/stats?format=json&filter=^(cluster\.{DECISION_CLUSTER}\.upstream_rq_total|"
    r"http\.(device|browser)\.downstream_(rq_total|cx_upgrades_active))$"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts since Envoy's start, except for ``upgraded``: tunnels and WebSockets open now.

    ``asked`` counts streams to the decision process: a question, or a session that is held.
    """

    requests: int
    asked: int
    upgraded: int


def read_figures(folder: Path) -> Figures | None:
    """Ask the Envoy that works in ``folder``; None where none answers."""
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        found = {each["name"]: int(each["value"]) for each in _ask(folder)["stats"]}
        return Figures(
            requests=sum(n for name, n in found.items() if name.endswith("downstream_rq_total")),
            asked=found.get(_ASKED, 0),
            upgraded=sum(n for name, n in found.items() if name.endswith(_TUNNELS)),
        )
    return None


def _ask(folder: Path) -> dict[str, list[dict[str, str]]]:
    connection = http.client.HTTPConnection("envoy", timeout=_SECONDS)
    connection.sock = _connect(folder)
    try:
        connection.request("GET", _PATH)
        found: dict[str, list[dict[str, str]]] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def _connect(folder: Path) -> socket.socket:
    """Connect by way of the folder's descriptor: a socket's path has 107 characters at most."""
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(_SECONDS)
        made.connect(f"/proc/self/fd/{number}/{ADMIN_SOCKET}")
    except OSError:
        made.close()
        raise
    finally:
        os.close(number)
    return made
