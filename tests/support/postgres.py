"""A real PostgreSQL of one's own: Debian's server in a temporary folder, on loopback only."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


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
                 "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"],
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
