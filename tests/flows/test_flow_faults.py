"""What goes wrong in the world must not lose an acknowledged answer, and is said clearly.

Killed processes, full disks, wrong clocks, mistakes in files: on the whole program.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import sekisho
from fakes.osqueryd import FailedError
from sekisho.controls import service as controls
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM
from support.crowd import Crowd, Member, enrol_member
from support.running import Running, run_cli, running_up
from support.visiting import (
    Post,
    list_devices,
    make_kit,
    public_client,
    query,
    verify_evidence,
    wait_until,
)

RULE = "disk-encrypted"
BACK_SECONDS = 60
ALONE = ("--no-device", "--envoy", "off")
needs_mounts = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="a small disk needs root on Linux, which CI has",
)


def _group_kit(up: Running, folder: Path, size: int) -> str:
    options = ("--devices", str(size), "--no-approval")
    return str(make_kit(up, folder / "group.zip", *options)["secret"])


def _verdicts(up: Running, control: str = RULE) -> dict[str, str]:
    """Return host identifier → verdict."""
    rows = query(
        up, "SELECT host_identifier, kind FROM control_verdicts JOIN devices ON device_id = id "
        "WHERE control_id = ?", control,
    )  # fmt: skip
    return {str(host): str(kind) for host, kind in rows}


def _nothing_acknowledged_is_lost(up: Running, members: list[Member]) -> None:
    stored = _verdicts(up)
    for member in members:
        assert stored[member.host.host_identifier] in member.possible
    ((changes,),) = query(
        up, "SELECT count(*) FROM control_changes WHERE control_id = ? AND after <> 'unknown'", RULE
    )
    # An answer that was lost on the way makes the next one no change.
    assert changes >= sum(member.taken - member.lost for member in members)


def _pid(up: Running, name: str) -> int:
    """Return the number of a supervised process, as the log of ``up`` tells it."""
    started = re.findall(rf"process started\s.*\bname={name}\b.*\bpid=(\d+)", up.log.read_text())
    return int(started[-1]) if started else 0


def _kill(up: Running, name: str) -> None:
    """Kill a process that lives; when it has just died, its successor."""
    wait_until(lambda: _is_alive(_pid(up, name)), BACK_SECONDS, f"{name} lives")
    os.kill(_pid(up, name), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    if not pid:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_killed_processes_come_back_and_lose_nothing_acknowledged(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", "--yes") as up:
        wait_until(lambda: _pid(up, "agent"), BACK_SECONDS, "the agent")
        crowd = Crowd(up, _group_kit(up, tmp_path, 4), 4, RULE)
        with crowd:
            for round_, name in enumerate(("web", "worker", "web", "agent", "worker", "web")):
                time.sleep(0.3 + 0.37 * round_)
                _kill(up, name)
            before = crowd.taken
            wait_until(lambda: crowd.taken > before + 8, BACK_SECONDS, "answers after the kills")

        assert sum(member.lost for member in crowd.members) > 0  # the kills were felt
        _nothing_acknowledged_is_lost(up, crowd.members)
        for name in ("web", "worker", "agent"):
            wait_until(lambda name=name: _is_alive(_pid(up, name)), BACK_SECONDS, name)  # type: ignore[misc]  # a default binds it
        wait_until(lambda: _all_sealed(up), BACK_SECONDS, "every record is sealed")
        assert verify_evidence(up)["problems"] == 0
        assert up.stop() == 0


def _all_sealed(up: Running) -> bool:
    return query(up, "SELECT count(*) FROM evidence_records WHERE seq IS NULL") == [(0,)]


def test_a_killed_supervisor_leaves_data_that_starts_again(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", "--no-device") as up:
        crowd = Crowd(up, _group_kit(up, tmp_path, 2), 2, RULE)
        with crowd:
            wait_until(lambda: crowd.taken > 6, BACK_SECONDS, "answers")
            for pid in (up.process.pid, _pid(up, "web"), _pid(up, "worker")):
                os.kill(pid, signal.SIGKILL)
            up.process.wait(10)
    with running_up(tmp_path / "data", "--no-device") as up:
        _nothing_acknowledged_is_lost(up, crowd.members)
        assert verify_evidence(up)["problems"] == 0


def test_the_processes_of_a_killed_supervisor_end_by_themselves(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", "--yes") as up:
        wait_until(lambda: _pid(up, "agent"), BACK_SECONDS, "the agent")
        children = [_pid(up, name) for name in ("web", "worker", "agent")]
        address = f"localhost:{up.public_url.rpartition(':')[2]}"
        os.kill(up.process.pid, signal.SIGKILL)
        up.process.wait(10)
        for pid in children:
            wait_until(lambda pid=pid: not _is_alive(pid), BACK_SECONDS, "no orphans")  # type: ignore[misc]  # a default binds it
    with running_up(tmp_path / "data", "--listen", address, "--no-device") as up:
        assert up.public_url == f"https://{address}"
        assert verify_evidence(up)["problems"] == 0


WRONG = [4_000_000_000, 1_000, -5, "soon", 10**40]


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, list[Member]]]:
    """An installation, and a device of it for each wrong clock."""
    folder = tmp_path_factory.mktemp("clocks")
    with running_up(folder / "data", *ALONE) as up, public_client(up) as client:
        secret = _group_kit(up, folder, len(WRONG))
        yield up, [enrol_member(client, secret, n, RULE) for n, _ in enumerate(WRONG, 1)]


@pytest.mark.parametrize("told", WRONG)
def test_a_wrong_clock_on_a_device_neither_hides_nor_outlasts_the_truth(
    joined: tuple[Running, list[Member]], told: int | str
) -> None:
    up, members = joined
    member = members[WRONG.index(told)]
    member.answer()
    assert _verdict_of(up, member) == "fail"

    member.host.snapshot(member.toggled, [{"1": "1"}], told)
    member.host.log()
    member.word = True
    member.answer()  # says no again, at the server's own time
    assert _verdict_of(up, member) == "fail"
    member.answer()
    assert _verdict_of(up, member) == "pass"
    ahead = query(up, "SELECT count(*) FROM control_verdicts WHERE checked_at > datetime("
                      "'now', '+1 hour')")  # fmt: skip
    assert ahead == [(0,)]


def _verdict_of(up: Running, member: Member) -> str:
    return _verdicts(up)[member.host.host_identifier]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@needs_mounts
def test_a_full_disk_is_said_and_loses_nothing_acknowledged(
    tmp_path: Path, small_disk: Path
) -> None:
    with running_up(small_disk / "data", "--no-device") as up, public_client(up) as client:
        member = enrol_member(client, _group_kit(up, tmp_path, 1), 1, RULE)
        member.answer()
        filler = _fill(small_disk)

        wait_until(lambda: not _takes(member), BACK_SECONDS, "the full disk is felt")
        with pytest.raises(FailedError, match=r"disk is full") as told:
            member.host.write()
        assert "node_invalid" not in str(told.value)
        assert member.host.node_key, "a full disk is no reason to enrol again"

        filler.unlink()
        wait_until(lambda: _takes(member), BACK_SECONDS, "answers after room was made")
        _nothing_acknowledged_is_lost(up, [member])
        with httpx.Client(base_url=up.url) as local:
            wait_until(lambda: local.get("/healthz").status_code == 200, BACK_SECONDS, "health")
        wait_until(lambda: _all_sealed(up), BACK_SECONDS, "every record is sealed")
        assert verify_evidence(up)["problems"] == 0
        assert up.stop() == 0


def _takes(member: Member) -> bool:
    before = member.taken
    member.answer()
    return member.taken > before


def _answer_until_taken(member: Member) -> None:
    """Answer until the server took one: a busy machine may ask for the first one again."""
    wait_until(lambda: _takes(member), BACK_SECONDS, f"an answer is taken ({member.why})")
    assert len(member.possible) == 1


def test_a_mistake_in_a_control_is_named_and_the_last_good_set_stays(tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "controls"
    shutil.copytree(Path(sekisho.__file__).parent / "content" / "controls", folder)
    chosen = {"SEKISHO_CONTROLS": str(folder.parent)}
    with running_up(tmp_path / "data", *ALONE, environment=chosen) as up:
        with public_client(up) as client:
            known = enrol_member(client, _group_kit(up, tmp_path, 3), 1, RULE).names
            line = _break(folder / f"{RULE}.yaml")
            wait_until(
                lambda: f"{RULE}.yaml:{line}" in up.log.read_text(), 40, "the fault in the log"
            )
            time.sleep(1)
            assert enrol_member(client, _group_kit_again(up), 2, RULE).names == known
        assert up.stop() == 0

    with running_up(tmp_path / "data", *ALONE, environment=chosen) as up:
        with public_client(up) as client:
            assert enrol_member(client, _group_kit_again(up), 3, RULE).names == known
        said = up.log.read_text()
    assert f"{RULE}.yaml:{line}" in said
    assert "last good controls" in said


def _group_kit_again(up: Running) -> str:
    with zipfile.ZipFile(up.data.parent / "group.zip") as archive:
        return str(json.loads(archive.read("sekisho-kit.json"))["secret"])


def _break(path: Path) -> int:
    """Misspell a column in the first query of a control; return a line of the file at fault."""
    lines = path.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith("severity:"))
    lines[number - 1] = "severity: terrible"
    path.write_text("\n".join(lines) + "\n")
    return number


@pytest.mark.postgres
def test_everything_runs_on_postgresql_and_starts_again(tmp_path: Path, postgres_url: str) -> None:
    chosen = ("--no-device", "--database-url", postgres_url)
    with running_up(tmp_path / "data", *chosen) as up:
        assert httpx.get(up.ready["first_admin_url"]).status_code == 200
        with public_client(up) as client:
            member = enrol_member(client, _group_kit(up, tmp_path, 1), 1, RULE)
            member.answer()
        assert verify_evidence(up)["problems"] == 0
        assert up.stop() == 0

    with running_up(tmp_path / "data", "--no-device") as up:  # the address was kept
        assert not (tmp_path / "data" / "sekisho.db").exists()
        (device,) = list_devices(up)
        assert _verdict_on(postgres_url, device["id"]) == "fail"
        with public_client(up) as client:
            member.host.transport = Post(client)
            _answer_until_taken(member)
        assert _verdict_on(postgres_url, device["id"]) in member.possible
        assert verify_evidence(up)["problems"] == 0
        opened = _back_up(up)
    before = _verdict_on(postgres_url, device["id"])
    _comes_back_without_postgresql(tmp_path / "new", opened, member)
    assert _verdict_on(postgres_url, device["id"]) == before, "the old machine is left alone"


def _back_up(up: Running) -> tuple[str, ...]:
    """Back up while it runs; return what ``restore`` is to be told."""
    file, phrase = up.data.parent / "backup", up.data.parent / "phrase"
    phrase.write_text("correct horse battery staple\n")
    opened = ("--passphrase-file", str(phrase))
    run_cli("backup", str(file), "--data", str(up.data), *opened)
    return (str(file), *opened)


def _comes_back_without_postgresql(folder: Path, opened: tuple[str, ...], member: Member) -> None:
    run_cli("restore", *opened, "--data", str(folder))
    with running_up(folder, *ALONE) as up:
        assert set(_verdicts(up).values()) == member.possible
        with public_client(up) as client:
            member.host.transport = Post(client)
            _answer_until_taken(member)
        assert set(_verdicts(up).values()) == member.possible
        assert verify_evidence(up)["problems"] == 0


def _verdict_on(url: str, device: str) -> str:
    database = Database(url, SystemClock())
    try:
        with database.read(SYSTEM) as tx:
            found = {
                str(v.control_id): v.kind.value
                for v in controls.list_verdicts(tx, DeviceID(device))
            }
    finally:
        database.close()
    return found[RULE]
