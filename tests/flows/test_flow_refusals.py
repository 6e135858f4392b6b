"""What `sekisho up` will not begin with is said in one sentence, and nothing is left behind.

Folders that cannot be written, taken ports, addresses of others, mistakes in the settings.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.running import run_cli, run_here

needs_mounts = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="a mount needs root on Linux, which CI has",
)


@needs_mounts
def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-m", "sekisho", "up", "--data", str(tmp_path / "data"),
               "--listen", "127.0.0.1:0", "--no-device"]  # fmt: skip
    mount = f"mount -t tmpfs -o ro,size=1m none {tmp_path / 'data'}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mount} && exec "$@"',
         "sh", *command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert f"The data folder {tmp_path / 'data'} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_in_the_place_of_the_data_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    done = run_cli("up", "--data", str(tmp_path / "data"), "--no-device", check=False)

    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--listen", "--admin", "--intake"])
def test_a_taken_port_is_named(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = [] if option == "--listen" else ["--listen", "127.0.0.1:0"]
        done = run_cli(
            "up", "--data", str(tmp_path / "data"), *free, option, address, "--no-device",
            check=False,
        )  # fmt: skip

    assert done.returncode == 2
    assert f"{address} cannot be listened on" in done.stderr


@pytest.mark.parametrize("address", ["no-such-host.invalid:0", "192.0.2.1:0"])
def test_an_address_that_is_not_ours_is_named(tmp_path: Path, address: str) -> None:
    done = run_cli(
        "up", "--data", str(tmp_path / "data"), "--listen", address, "--no-device", check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"sekisho: {address}")
    assert "→" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("publik_name: x\n", "Unknown setting: publik_name"),
        ("public: nowhere\n", "“nowhere” is not an address"),
        ("language: fr\n", "“fr” is not known; ja or en is expected"),
        ("public_name: [\n", "is not a readable YAML file"),
        ("- a\n- b\n", "must hold “name: value” lines"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.yaml").write_text(text)

    done = run_here("up", "--data", str(tmp_path / "data"), "--no-device", check=False)

    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "data" / "sekisho.db").exists()
