"""A real PostgreSQL of one's own: Debian's server in a temporary folder, on loopback only."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

_FIRST_NUMBERS = (
    "SELECT setval(format('%I', sequencename)::regclass, start_value, false) "
    "FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
)
_LARGE = 256 << 10  # bytes from which to make a table anew is cheaper than to delete its rows


def find_binaries() -> Path | None:
    """Return the folder of initdb and postgres, the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server with an empty cluster; give its SQLAlchemy address without a database."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("initdb was not found: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="sekisho-pg-", dir="/var/tmp"))
    user = _server_user()
    if user:
        shutil.chown(folder, user)
    run = ["setpriv", f"--reuid={user}", "--clear-groups", "--"] if user else []
    port = _free_port()
    try:
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "sekisho",
                  "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]  # fmt: skip
        subprocess.run([*run, *initdb], check=True, capture_output=True, cwd=folder)
        with (folder.parent / f"{folder.name}.log").open("wb") as log:
            server = subprocess.Popen(
                [*run, str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port),
                 "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}",
                 "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300",
                 "-c", "synchronous_commit=off", "-c", "autovacuum=off",
                 "-c", "checkpoint_timeout=1h", "-c", "max_wal_size=8GB"],
                cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait_until_up(port)
            yield f"postgresql+psycopg://sekisho@127.0.0.1:{port}"
        finally:
            server.send_signal(2)
            server.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def _server_user() -> str:
    """Return whom the server must run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=sekisho dbname=postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@dataclass(frozen=True, slots=True)
class Shared:
    """One migrated database that test after test uses, as it was after its migration each time.

    To copy and to drop a database for each test cost a quarter of a second (both force a
    checkpoint); to empty the few tables that a test wrote to costs a few milliseconds.
    """

    server: str
    name: str
    shape: tuple[Any, ...]
    first_rows: tuple[str, ...]

    @classmethod
    def open(cls, server: str) -> "Shared":
        """Copy the migrated template."""
        name = f"t_{uuid.uuid4().hex}"
        run_sql(server, f"CREATE DATABASE {name} TEMPLATE migrated")
        with _connect(server, name) as connection:
            return cls(server, name, _shape(connection), _keep_first_rows(connection))

    @property
    def url(self) -> str:
        return f"{self.server}/{self.name}"

    def restore(self) -> None:
        """End what the test before left open, and put everything back as it was at first."""
        with _connect(self.server, self.name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            same = _shape(connection) == self.shape
            if same:
                _empty(connection, self.first_rows)
        if not same:  # the test has changed tables
            run_sql(self.server, f"DROP DATABASE {self.name} WITH (FORCE)")
            run_sql(self.server, f"CREATE DATABASE {self.name} TEMPLATE migrated")
            with _connect(self.server, self.name) as connection:
                _keep_first_rows(connection)


def run_sql(server: str, statement: str) -> None:
    """Run one statement as the server's administrator."""
    with _connect(server, "postgres") as connection:
        connection.execute(statement.encode())


def _connect(server: str, name: str) -> psycopg.Connection[Any]:
    plain = server.replace("postgresql+psycopg://", "postgresql://")
    return psycopg.connect(f"{plain}/{name}", autocommit=True)


def _shape(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
    """Tell which tables, indexes and triggers there are."""
    found = connection.execute(
        "SELECT count(*), sum(relnatts), sum(hashtext(relname)::bigint), "
        "(SELECT version_num FROM alembic_version), "
        "(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O') "
        "FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    ).fetchone()
    assert found is not None
    return tuple(found)


def _keep_first_rows(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Copy what the migration left in tables; return the tables."""
    written = [name for name, _ in _list_written(connection)]
    connection.execute("CREATE SCHEMA first_rows")
    for name in written:
        connection.execute(f"CREATE TABLE first_rows.{name} AS TABLE public.{name}".encode())
    return tuple(written)


def _list_written(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    """List the tables that hold or held rows, with their sizes in bytes."""
    return connection.execute(
        "SELECT quote_ident(relname), pg_relation_size(oid) FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' "
        "AND pg_relation_size(oid) > 0"
    ).fetchall()


def _empty(connection: psycopg.Connection[Any], first_rows: tuple[str, ...]) -> None:
    """Empty every table that has been written to, but for the migration's own rows."""
    written = _list_written(connection)
    large = ", ".join(name for name, size in written if size > _LARGE)
    statements = ["DELETE FROM " + name for name, size in written if size <= _LARGE]  # noqa: S608 - names from the catalogue
    statements += [f"TRUNCATE {large} CASCADE"] if large else []
    statements += [f"INSERT INTO {name} TABLE first_rows.{name}" for name in first_rows]
    unguarded = "SET LOCAL session_replication_role = replica"  # records refuse to be deleted
    script = "; ".join(["BEGIN", unguarded, *statements, _FIRST_NUMBERS, "COMMIT"])
    connection.execute(script.encode())
