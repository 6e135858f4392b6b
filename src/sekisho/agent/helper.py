"""The per-user helper of a company device: facts that only the user's session can read.

The service (root) connects to the socket of each signed-in user's helper and asks for a table's
rows. Both sides check with SO_PEERCRED who the other is: the helper serves root and its own user
only, the service believes only the user who owns the folder of the socket. The helper offers
``USER_TABLES`` and no SQL, so the socket gives nothing away that the user could not read.
"""

import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sekisho.agent.table import Row, Table, UnreadableError, Where

USER_TABLES = frozenset({"gsettings", "screen_lock", "screenlock"})
SOCKET_NAME = "sekisho-agent.sock"
TIMEOUT_SECONDS = 3.0
MAX_MESSAGE_BYTES = 1024 * 1024
_CREDENTIALS = struct.Struct("3i")
_XUCRED = struct.Struct("=II")


def helper_folders(root: Path = Path("/")) -> tuple[Path, ...]:
    """Return the folders in which helpers of signed-in users put their sockets."""
    parents = ("run/user/*", "Users/*/Library/Application Support/Sekisho")
    return tuple(sorted(path for parent in parents for path in root.glob(parent)))


def own_folder() -> Path:
    """Return the folder for this user's helper socket."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/Sekisho"
    return Path(f"/run/user/{os.getuid()}")


def delegate(
    tables: Mapping[str, Table], folders: Callable[[], Iterable[Path]]
) -> dict[str, Table]:
    """Let the helpers answer for tables of the user's session that the service cannot read."""

    def with_helpers(table: Table) -> Table:
        return replace(table, rows=lambda where: _read_or_ask(table, folders(), where))

    return {
        name: with_helpers(table) if name in USER_TABLES else table
        for name, table in tables.items()
    }


def _read_or_ask(table: Table, folders: Iterable[Path], where: Where) -> list[Row]:
    try:
        return list(table.rows(where))
    except UnreadableError as error:
        return ask_helpers(folders, table.name, where, str(error))


def ask_helpers(folders: Iterable[Path], name: str, where: Where, why: str) -> list[Row]:
    """Return the rows of every helper; raises ``UnreadableError`` unless there is one and all do.

    ``why`` says why the service could not read the table itself.
    """
    paths = [folder / SOCKET_NAME for folder in folders if (folder / SOCKET_NAME).exists()]
    if not paths:
        raise UnreadableError(
            f"{why}; no helper runs in a user's session (sekisho agent run --user)"
        )
    return [row for path in paths for row in ask_helper(path, name, where)]


def ask_helper(path: Path, name: str, where: Where) -> list[Row]:
    """Ask one helper for one table; raises ``UnreadableError``."""
    question = json.dumps(
        {"table": name, "where": {key: list(wanted) for key, wanted in where.items()}}
    )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(TIMEOUT_SECONDS)
            link.connect(str(path))
            _check_peer(link, {path.parent.stat().st_uid})
            link.sendall(question.encode() + b"\n")
            reply = json.loads(receive_line(link))
    except (OSError, ValueError) as error:
        raise UnreadableError(f"the helper at {path} did not answer: {error}") from error
    return read_reply(reply, path)


def read_reply(reply: object, path: Path) -> list[Row]:
    """Judge a helper's reply; everything that is not a list of rows is unreadable."""
    if not isinstance(reply, dict):
        raise UnreadableError(f"the helper at {path} answered with something else than an object")
    if "unreadable" in reply:
        raise UnreadableError(str(reply["unreadable"])[:500])
    rows = reply.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableError(f"the helper at {path} did not answer with rows")
    return rows


class Helper:
    """The listening side, in the user's session."""

    def __init__(self, folder: Path, tables: Mapping[str, Table], clients: frozenset[int]) -> None:
        self.path = folder / SOCKET_NAME
        self._tables = {name: table for name, table in tables.items() if name in USER_TABLES}
        self._clients = clients
        self._listener = self._listen(folder)

    def _listen(self, folder: Path) -> socket.socket:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o117)
        try:
            listener.bind(str(self.path))
        finally:
            os.umask(before)
        listener.listen(4)
        listener.settimeout(1.0)
        return listener

    def serve_once(self) -> bool:
        """Answer one question if one comes within a second; returns whether one was answered."""
        try:
            link, _ = self._listener.accept()
        except TimeoutError:
            return False
        with link:
            try:
                link.settimeout(TIMEOUT_SECONDS)
                _check_peer(link, self._clients)
                question = json.loads(receive_line(link))
                link.sendall(json.dumps(self.answer(question)).encode() + b"\n")
            except (OSError, ValueError):
                # A caller that is not allowed or speaks nonsense gets no answer.
                return False
        return True

    def answer(self, question: object) -> dict[str, object]:
        """Read one table as asked."""
        asked = question if isinstance(question, dict) else {}
        table = self._tables.get(str(asked.get("table")))
        if table is None:
            return {"unreadable": f"the helper does not offer the table {asked.get('table')!r}"}
        try:
            rows = [dict(row) for row in table.rows(_where(asked.get("where")))]
        except UnreadableError as error:
            return {"unreadable": str(error)}
        return {"rows": rows}

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._listener.close()
        self.path.unlink(missing_ok=True)


def _where(raw: object) -> Where:
    if not isinstance(raw, dict):
        return {}
    return {
        str(key): tuple(str(one) for one in wanted)
        for key, wanted in raw.items()
        if isinstance(wanted, list)
    }


def receive_line(link: socket.socket) -> bytes:
    """Receive one line of at most 1 MiB; raises ``ValueError`` when it is longer or cut off."""
    parts = bytearray()
    for chunk in _chunks(link):
        parts += chunk
        if chunk.endswith(b"\n"):
            return bytes(parts)
        if len(parts) > MAX_MESSAGE_BYTES:
            break
    raise ValueError("the message is cut off or too long")


def _chunks(link: socket.socket) -> Iterator[bytes]:
    while chunk := link.recv(65_536):
        yield chunk


def _check_peer(link: socket.socket, allowed: Iterable[int]) -> None:
    """Raise ``PermissionError`` unless the process at the other end belongs to ``allowed``."""
    uid = peer_uid(link)
    if uid not in frozenset(allowed):
        raise PermissionError(f"the other end of the socket belongs to user {uid}")


def peer_uid(link: socket.socket) -> int:
    """Return the user of the process at the other end (Linux SO_PEERCRED, macOS LOCAL_PEERCRED)."""
    if sys.platform == "darwin":
        raw = link.getsockopt(0, 1, 76)
        return int(_XUCRED.unpack_from(raw)[1])
    option = getattr(socket, "SO_PEERCRED", 17)
    raw = link.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
