"""The wheel: everything a page needs is in it, and what it installs works, base and server.

The environments are made as ``tools/environment`` makes the checkout's: without system pip, from
the lock files, every package checked against its hash.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PIP = next((ROOT / "tools").glob("pip-*.whl"))
INSTALL_SECONDS = 540


def _run(
    *command: str | Path,
    seconds: float = 120,
    folder: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program as outside the checkout: nothing of the test's own Python shines through."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    return subprocess.run(
        [str(word) for word in command],
        env=environment | {"LC_ALL": "C.UTF-8"} | dict(more or {}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _make_environment(folder: Path, lock: str, wheel: Path) -> Path:
    """Make a virtual environment with the packages of a lock file and the wheel."""
    made = _run(sys.executable, "-m", "venv", "--without-pip", folder)
    assert made.returncode == 0, made.stderr
    _install(folder, "--require-hashes", "--requirement", str(ROOT / "requirements" / lock))
    _install(folder, "--no-deps", str(wheel))
    return folder / "bin"


def _install(folder: Path, *what: str) -> None:
    """Install; what is imported is compiled then, and most is not."""
    done = _run(
        folder / "bin" / "python", PIP / "pip", "install", "--quiet", "--no-input",
        "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:", *what,
        seconds=INSTALL_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = _run(
        sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("sekisho-*.whl")
    return made


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the base install: the agent and no server."""
    return _make_environment(tmp_path_factory.mktemp("base"), "agent.lock", wheel)


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the server's packages."""
    return _make_environment(tmp_path_factory.mktemp("server"), "server.lock", wheel)


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "src/sekisho"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    tracked = {name.removeprefix("src/") for name in listed if (ROOT / name).exists()}
    packed = set(zipfile.ZipFile(wheel).namelist())

    assert tracked - packed == set()
    assert {name.split("/")[0] for name in packed - tracked} <= {
        "sekisho", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    }  # fmt: skip
    unwanted = ("*.pyc", "test_*", "conftest.py", "*/tests/*", "*.db", "*.key")
    assert not [name for name in packed if any(Path(name).match(each) for each in unwanted)]


@pytest.mark.parametrize(
    "pattern",
    [
        "sekisho/*/templates/*/*.html",
        "sekisho/ui/templates/*.html",
        "sekisho/server/pages/templates/pages/*.html",
        "sekisho/ui/static/*.css",
        "sekisho/ui/static/*.js",
        "sekisho/ui/static/fonts/*.woff2",
        "sekisho/content/controls/*.yaml",
        "sekisho/content/osquery_schema.json",
        "sekisho/locale/ja/*.po",
        "sekisho/kernel/migrations/versions/0*.py",
        "sekisho/devices/texts/consent.*.md",
        "sekisho/py.typed",
        "*.dist-info/licenses/LICENSE",
        "*.dist-info/licenses/NOTICE",
    ],
)
def test_the_wheel_holds(wheel: Path, pattern: str) -> None:
    assert any(Path(name).match(pattern) for name in zipfile.ZipFile(wheel).namelist())


def test_the_extra_names_what_the_lock_of_the_server_installs(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = zipfile.ZipFile(wheel).read(
        next(n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA"))
    )

    asked = [line for line in metadata.decode().splitlines() if line.startswith("Requires-Dist:")]
    extra = [line for line in asked if "extra == 'server'" in line]
    assert len(extra) == len(project["optional-dependencies"]["server"])
    assert len(asked) - len(extra) == len(project["dependencies"])


def test_the_base_install_checks_this_computer(base: Path, tmp_path: Path) -> None:
    done = _run(base / "sekisho", "check", "--format", "json", folder=tmp_path)

    assert done.returncode in {0, 1}, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = [line["verdict"] for line in lines if "verdict" in line]
    assert len(verdicts) >= 10
    assert set(verdicts) <= {"pass", "fail", "unknown", "exempt"}


def test_the_base_install_has_the_agent(base: Path, tmp_path: Path) -> None:
    said = _run(base / "sekisho", "agent", "--help", folder=tmp_path)
    refused = _run(base / "sekisho", "agent", "enroll", tmp_path / "none.zip", folder=tmp_path)

    assert said.returncode == 0, said.stderr
    for verb in ("enroll", "run", "show", "approve", "pause", "leave", "install"):
        assert verb in said.stdout
    assert refused.returncode == 2
    assert "cannot be read" in refused.stderr


@pytest.mark.parametrize("option", ["", "--yes", "--data=data", "--help", "-x"])
def test_the_base_install_says_what_up_needs(base: Path, tmp_path: Path, option: str) -> None:
    done = _run(base / "sekisho", "up", *option.split(), folder=tmp_path)

    assert done.returncode == 2
    assert "sekisho[server]" in done.stderr
    assert not (tmp_path / "data").exists()


def test_pipx_installs_it(wheel: Path, tmp_path: Path) -> None:
    pipx = shutil.which("pipx")
    if pipx is None:  # the environments above are what pipx makes
        return
    places = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")}
    done = _run(pipx, "install", wheel, seconds=INSTALL_SECONDS, more=places)
    assert done.returncode == 0, done.stderr[-3000:]

    said = _run(tmp_path / "PIPX_BIN_DIR" / "sekisho", "--version", folder=tmp_path)
    assert said.stdout.strip() == f"sekisho {wheel.name.split('-')[1]}"


def test_the_server_from_the_wheel_serves_its_pages(server: Path, tmp_path: Path) -> None:
    with _running_up(server / "sekisho", tmp_path) as ready:
        with httpx.Client(base_url=ready["url"], timeout=10) as local:
            assert local.get("/healthz").status_code == 200
            page = local.get("/sign-in")
            assert page.status_code == 200
            assets = set(re.findall(r'"(/static/[^"]+)"', page.text))
            assert {Path(urlsplit(name).path).suffix for name in assets} >= {".css", ".js"}
            for name in assets:
                reply = local.get(name)
                assert (reply.status_code, len(reply.content) > 100) == (200, True), name
        authority = ssl.create_default_context(cafile=tmp_path / "data" / "ca" / "ca.pem")
        assert httpx.get(f"{ready['public_url']}/version", verify=authority).status_code == 200
    assert (tmp_path / "data" / "sekisho.db").is_file()


@contextlib.contextmanager
def _running_up(program: Path, folder: Path) -> Iterator[dict[str, str]]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "SEKISHO_"))}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "up", "--data", folder / "data", "--listen", "127.0.0.1:0", "--format",
             "json", "--no-device"],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True, cwd=folder,
            env=environment,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()[-3000:]
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(40)
            if process.stdout is not None:
                process.stdout.close()
        assert code == 0


def test_the_unit_of_the_service_is_sound(tmp_path: Path) -> None:
    unit = tmp_path / "sekisho.service"
    unit.write_text(
        (ROOT / "deploy" / "sekisho.service").read_text().replace("/opt/sekisho", str(ROOT))
    )
    assert f"ExecStart={ROOT}/sekisho up " in unit.read_text()
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:  # a machine without systemd has nobody to ask
        done = _run(analyze, "verify", unit)
        assert (done.returncode, done.stderr.strip()) == (0, "")
