"""What flows do to a running installation: enrol, check in, look into its database and wait."""

import json
import sqlite3
import ssl
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.running import Running, run_here


def wait_until(done: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until ``done`` says something true; return how long it took."""
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - started


@contextmanager
def public_client(up: Running, seconds: float = 20) -> Iterator[httpx.Client]:
    """Open connections to the public listener that trust its own CA and nothing else."""
    context = ssl.create_default_context(cafile=up.authority)
    with httpx.Client(base_url=up.public_url, verify=context, timeout=seconds) as client:
        yield client


class Post:
    """Sends an osqueryd's requests; ``client`` stays open between them."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def __call__(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        reply = self.client.post(path, content=body, headers=dict(headers))
        return reply.status_code, reply.content


def make_kit(up: Running, path: Path, *options: str) -> dict[str, Any]:
    """Make a kit with the command, its archive at ``path``; return what is in it."""
    run_here("devices", "kit", "create", "--data", str(up.data), "--out", str(path), *options)
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("sekisho-kit.json")))


def list_devices(up: Running) -> list[dict[str, Any]]:
    """Return what ``sekisho devices list`` says."""
    done = run_here("devices", "list", "--data", str(up.data), "--format", "json", check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def query(up: Running, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Read the SQLite database beside the running server."""
    connection = sqlite3.connect(f"file:{up.data / 'sekisho.db'}?mode=ro", uri=True, timeout=20)
    try:
        return list(connection.execute(sql, values))
    finally:
        connection.close()


def find_everywhere(up: Running, word: str) -> list[str]:
    """Return ``table.column`` of every cell in which a word occurs, whatever its case."""
    connection = sqlite3.connect(f"file:{up.data / 'sekisho.db'}?mode=ro", uri=True, timeout=20)
    try:
        tables = [row[0] for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
        return [f"{table}.{column}" for table in tables
                for column in _columns_with(connection, table, word.lower())]  # fmt: skip
    finally:
        connection.close()


def _columns_with(connection: sqlite3.Connection, table: str, word: str) -> list[str]:
    """Read a table once; both names come from the schema itself."""
    columns = [row[1] for row in connection.execute(f"SELECT * FROM pragma_table_info('{table}')")]  # noqa: S608 - see above
    counted = ", ".join(f'total(instr(lower(CAST("{c}" AS TEXT)), :word) > 0)' for c in columns)
    ((*counts,),) = connection.execute(f'SELECT {counted} FROM "{table}"', {"word": word})  # noqa: S608 - the same
    return [column for column, count in zip(columns, counts, strict=True) if count]


def verify_evidence(up: Running) -> dict[str, Any]:
    """Return the last line of ``sekisho evidence verify``; it must have found nothing."""
    done = run_here("evidence", "verify", "--data", str(up.data), "--format", "json")
    return dict(json.loads(done.stdout.splitlines()[-1]))
