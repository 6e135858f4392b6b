"""A real desktop to look at: one X server that speaks VNC, and FreeRDP's shadow of it with NLA."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.gate_house import free_port

USER, PASSWORD = "hanako", "Kaki-no-ki-7"
NEEDED = ("Xtigervnc", "freerdp-shadow-cli", "winpr-hash", "xterm")
_SECONDS = 60.0


def is_installed() -> bool:
    """Tell whether the programs are here; ./test installs them."""
    return all(shutil.which(name) for name in NEEDED)


@dataclass(frozen=True)
class Desktop:
    """Where it is reached, and a file into which its shell writes what is typed."""

    rdp: int
    vnc: int
    typed: Path


@contextlib.contextmanager
def running_desktop(folder: Path) -> Iterator[Desktop]:
    """Run an X server with a terminal on it, reachable by RDP with NLA and by VNC."""
    folder.mkdir(parents=True)
    made = Desktop(free_port(), free_port(), folder / "typed")
    with contextlib.ExitStack() as stack:
        display = _start_screen(stack, folder, made.vnc)
        environment = {**os.environ, "DISPLAY": display, "HOME": str(folder)}
        shell = f"echo '関所 desktop'; exec cat > {made.typed}"
        look = ["-geometry", "90x24+40+40", "-fs", "14", "-fa", "Monospace", "-bg", "#103050"]
        command = ["xterm", *look, "-fg", "white", "-e", "sh", "-c", shell]
        _start(stack, folder, command, environment)
        _start_shadow(stack, folder, made.rdp, environment)
        for port in (made.vnc, made.rdp):
            _wait_for_port(port, folder)
        yield made


def _start_screen(stack: contextlib.ExitStack, folder: Path, port: int) -> str:
    """Start the X server at a display of its own choice; return the display's name."""
    reading, writing = os.pipe()
    command = ["Xtigervnc", "-displayfd", str(writing), "-geometry", "1024x700", "-depth", "24",
               "-SecurityTypes", "None", "-localhost", "-rfbport", str(port), "-ac",
               "-nolisten", "tcp"]  # fmt: skip
    _start(stack, folder, command, dict(os.environ), keep=writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        return f":{told.readline().strip()}"


def _start_shadow(
    stack: contextlib.ExitStack, folder: Path, port: int, environment: dict[str, str]
) -> None:
    """Share the screen by RDP: nobody gets in without NLA and the one account."""
    hashing = ["winpr-hash", "-u", USER, "-p", PASSWORD, "-f", "sam"]
    hashed = subprocess.run(hashing, capture_output=True, text=True, check=True)
    (folder / "sam").write_text(hashed.stdout)
    command = [
        "freerdp-shadow-cli", f"/port:{port}", "/bind-address:127.0.0.1", "+auth",
        f"/sam-file:{folder}/sam", "/sec:nla",
    ]  # fmt: skip
    _start(stack, folder, command, environment)


def _start(
    stack: contextlib.ExitStack, folder: Path, command: list[str], environment: dict[str, str],
    keep: int | None = None,
) -> None:  # fmt: skip
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log,
            pass_fds=() if keep is None else (keep,),
        )  # fmt: skip
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_port(port: int, folder: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            logs = [p.read_text("utf-8", "replace")[-800:] for p in folder.glob("*.log")]
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)
        else:
            return
