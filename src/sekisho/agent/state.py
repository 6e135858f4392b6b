"""What the agent remembers, in one SQLite file: who it is, and answers not yet delivered.

Written with ``synchronous=FULL`` in WAL mode: what was stored survives ``kill -9`` and a power cut.
Answers are deleted only after the server's good reply. The file holds the enrolment secret and the
node key, so it is readable by its owner alone.

Who this device is also stands in a small copy beside it, written whole or not at all. A damaged
file (a failing disk, a truncation) is put aside and begun anew from that copy: answers on their way
are lost, the enrolment is not.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from sekisho.agent.errors import AgentError
from sekisho.wire.errors import MessageError

MAX_LINES = 1_000_000
MAX_SPOOL_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
COPY_SUFFIX = ".copy"
DAMAGED_SUFFIX = ".damaged"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line(
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS result(name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
"""


class StateError(AgentError):
    """The agent's memory cannot be used; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One log line waiting for the server; ``kind`` is osquery's log_type: result or status."""

    number: int
    body: Mapping[str, object]


class State:
    """The open memory file; one process at a time may write it."""

    def __init__(
        self, path: Path, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_SPOOL_BYTES
    ) -> None:
        self.path = path
        self._max_lines, self._max_bytes = max_lines, max_bytes
        try:
            self._database = _open(path)
        except (apsw.Error, OSError) as error:
            raise StateError(
                "%(path)s cannot be opened (%(why)s); give a folder that this user may write",
                path=path,
                why=error,
            ) from error
        self._lines = self._bytes = 0
        self._recount()
        self._restore()

    def _restore(self) -> None:
        """Bring back who this device is when the file has lost it and the copy has not.

        A memory of a version that made no copy gets one.
        """
        known = _read_copy(self.path)
        lost = self._database.execute("SELECT 1 FROM setting LIMIT 1").fetchone() is None
        if lost and known:
            self.put(**known)
        elif not lost and not known:
            with contextlib.suppress(StateError):
                self.put()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def get(self, name: str) -> str:
        """Return a remembered text, or ""."""
        row = self._database.execute("SELECT value FROM setting WHERE name=?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def put(self, **values: str) -> None:
        """Remember texts, all of them or none; raises ``StateError`` when there is no room."""
        try:
            with self._database:
                for name, value in values.items():
                    self._database.execute(
                        "INSERT OR REPLACE INTO setting VALUES(?,?)", (name, value)
                    )
            found = self._database.execute("SELECT name, value FROM setting")
            _write_copy(self.path, {str(name): str(value) for name, value in found})
        except (apsw.Error, OSError) as error:
            raise _write_error(self.path, error) from error

    def get_json(self, name: str) -> dict[str, object]:
        """Return a remembered JSON object, or {}."""
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(self.get(name) or "{}")
            if isinstance(value, dict):
                return value
        raise MessageError(
            "%(path)s has a damaged entry “%(name)s”; enrol this device again",
            path=self.path, name=name,
        )  # fmt: skip

    def put_results(self, results: Mapping[str, Mapping[str, object]]) -> None:
        """Keep answers by question name; a newer answer replaces one not yet sent."""
        try:
            with self._database:
                for name, body in results.items():
                    self._database.execute(
                        "INSERT OR REPLACE INTO result VALUES(?,?)", (name, json.dumps(body))
                    )
        except apsw.Error as error:
            raise _write_error(self.path, error) from error

    def list_results(self) -> dict[str, str]:
        """Return the unsent answers, name → JSON text."""
        found = self._database.execute("SELECT name, body FROM result ORDER BY name")
        return {str(name): str(body) for name, body in found}

    def forget_results(self, sent: Mapping[str, str]) -> None:
        """Delete what the server took; an answer that changed meanwhile stays."""
        with self._database:
            for name, body in sent.items():
                self._database.execute("DELETE FROM result WHERE name=? AND body=?", (name, body))

    def add_lines(self, kind: str, lines: Iterable[Mapping[str, object]]) -> int:
        """Spool log lines and return how many old ones had to go to make room."""
        try:
            with self._database:
                for line in lines:
                    body = json.dumps(line, separators=(",", ":"))
                    if len(body) <= MAX_LINE_BYTES:
                        self._insert_line(kind, body)
                purged = self._purge()
        except apsw.Error as error:
            self._recount()
            raise _write_error(self.path, error) from error
        return purged

    def _insert_line(self, kind: str, body: str) -> None:
        self._database.execute("INSERT INTO line(kind, body) VALUES(?,?)", (kind, body))
        self._lines += 1
        self._bytes += len(body)

    def _purge(self) -> int:
        """Delete the oldest lines over the bounds."""
        purged = 0
        while self._lines > self._max_lines or self._bytes > self._max_bytes:
            row = self._database.execute(
                "DELETE FROM line WHERE number=(SELECT min(number) FROM line) RETURNING body"
            ).fetchone()
            if row is None:
                self._lines = self._bytes = 0
                break
            self._lines -= 1
            self._bytes -= len(str(row[0]))
            purged += 1
        return purged

    def list_lines(self, kind: str, count: int, max_bytes: int = 4 * 1024 * 1024) -> list[Line]:
        """Return the oldest lines of a kind: at most ``count`` and about ``max_bytes``."""
        lines: list[Line] = []
        size = 0
        found = self._database.execute(
            "SELECT number, body FROM line WHERE kind=? ORDER BY number LIMIT ?", (kind, count)
        )
        for number, body in found:
            size += len(str(body))
            if lines and size > max_bytes:
                break
            lines.append(Line(int(str(number)), json.loads(str(body))))
        return lines

    def forget_lines(self, lines: Sequence[Line]) -> None:
        """Delete the lines that the server took."""
        with self._database:
            for line in lines:
                row = self._database.execute(
                    "DELETE FROM line WHERE number=? RETURNING body", (line.number,)
                ).fetchone()
                if row is not None:
                    self._lines -= 1
                    self._bytes -= len(str(row[0]))

    def count_lines(self) -> int:
        """Return how many lines wait."""
        return self._lines

    def erase(self) -> None:
        """Forget everything: who this device is and all it kept."""
        for suffix in (COPY_SUFFIX, DAMAGED_SUFFIX):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        with self._database:
            for table in ("setting", "line", "result"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
        self._lines = self._bytes = 0

    def _recount(self) -> None:
        found = self._database.execute("SELECT count(*), coalesce(sum(length(body)),0) FROM line")
        for count, size in found:
            self._lines, self._bytes = int(str(count)), int(str(size))


def _open(path: Path) -> apsw.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    try:
        return _open_sound(path)
    except (apsw.CorruptError, apsw.NotADBError):
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.replace(path.with_name(path.name + DAMAGED_SUFFIX))
        path.touch(mode=0o600)
        return _open_sound(path)


def _open_sound(path: Path) -> apsw.Connection:
    """Open the file; raises ``apsw.CorruptError`` or ``apsw.NotADBError`` when it is damaged."""
    database = apsw.Connection(str(path))
    try:
        _prepare(database)
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise apsw.CorruptError("the quick check found damage")
    except (apsw.SQLError, apsw.ReadOnlyError) as error:
        database.close()
        # Noise in the header reads as another format, or as a file that nobody may write.
        if os.access(path, os.W_OK):
            raise apsw.CorruptError(str(error)) from error
        raise
    except apsw.Error:
        database.close()
        raise
    return database


def _prepare(database: apsw.Connection) -> None:
    database.set_busy_timeout(5_000)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-256"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    database.execute(_SCHEMA)
    database.execute("BEGIN IMMEDIATE; ROLLBACK")


def _write_copy(path: Path, known: Mapping[str, str]) -> None:
    """Write the copy of what is known, for its owner alone, whole or not at all."""
    copy = path.with_name(path.name + COPY_SUFFIX)
    draft = copy.with_name(f"{copy.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(known, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(copy)


def _read_copy(path: Path) -> dict[str, str]:
    """Read the copy; {} when there is none or it is no copy."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.with_name(path.name + COPY_SUFFIX).read_text("ascii"))
        if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
            return found
    return {}


def _write_error(path: Path, error: Exception) -> StateError:
    return StateError("%(path)s cannot be written (%(why)s); free some space", path=path, why=error)
