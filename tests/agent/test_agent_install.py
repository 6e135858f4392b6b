"""What installing would do, on every platform; the plan is pure."""

import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sekisho.agent.helper import USER_TABLES
from sekisho.agent.install import (
    InstallError,
    RunCommand,
    Step,
    WriteFile,
    apply_steps,
    plan_install,
    system_unit,
)
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.manifest import manifest_for
from sekisho.controls.model import Platform
from sekisho.wire.kit import Ownership

PROGRAM = ("/opt/se kisho/bin/python", "-m", "sekisho")
HOME = Path("/home/hanako")
STATE = Path("/var/lib/sekisho-agent")


def plan(platform: str, ownership: Ownership) -> tuple[Step, ...]:
    return plan_install(platform, ownership, PROGRAM, STATE, HOME)


def files(steps: tuple[Step, ...]) -> dict[str, str]:
    return {str(step.path): step.content for step in steps if isinstance(step, WriteFile)}


def commands(steps: tuple[Step, ...]) -> list[str]:
    return [str(step) for step in steps if isinstance(step, RunCommand)]


def test_a_company_linux_device_gets_a_service_and_a_helper() -> None:
    steps = plan("linux", Ownership.COMPANY)
    written = files(steps)

    unit = written["/etc/systemd/system/sekisho-agent.service"]
    assert 'ExecStart="/opt/se kisho/bin/python" "-m" "sekisho" "agent" "run"' in unit
    assert "ProtectSystem=strict" in unit
    assert f'ReadWritePaths="{STATE}"' in unit
    assert '"--user"' in written["/etc/systemd/user/sekisho-agent-helper.service"]
    assert "run systemctl enable --now sekisho-agent.service" in commands(steps)


def test_a_private_device_gets_nothing_outside_its_owners_session() -> None:
    linux = plan("linux", Ownership.PRIVATE)
    darwin = plan("darwin", Ownership.PRIVATE)

    assert all(path.startswith("/home/hanako/") for path in files(linux) | files(darwin))
    assert all("--user" in command for command in commands(linux))


def test_macos_files_are_property_lists() -> None:
    for ownership in Ownership:
        for content in files(plan("darwin", ownership)).values():
            parsed = plistlib.loads(content.encode())
            assert parsed["ProgramArguments"][:3] == list(PROGRAM)
            assert parsed["KeepAlive"] is True


def test_a_company_windows_device_gets_a_task_that_stays() -> None:
    steps = plan("windows", Ownership.COMPANY)
    (definition,) = (step for step in steps if isinstance(step, WriteFile))
    task = ET.fromstring(definition.content.encode("utf-16"))  # noqa: S314 - our own text
    settings = {element.tag.rpartition("}")[2]: element.text for element in task.iter()}

    assert definition.encoding == "utf-16"
    assert settings["Command"] == PROGRAM[0]
    assert settings["Arguments"] == f"-m sekisho agent run --state {STATE}"
    assert settings["UserId"] == "S-1-5-18"
    assert settings["ExecutionTimeLimit"] == "PT0S"
    assert settings["DisallowStartIfOnBatteries"] == "false"
    assert settings["StopIfGoingOnBatteries"] == "false"
    assert "BootTrigger" in settings


def test_a_company_windows_devices_folder_is_closed_before_anything_else() -> None:
    first, *others = commands(plan("windows", Ownership.COMPANY))

    assert first.startswith(f"run icacls.exe {STATE} /inheritance:r")
    assert "S-1-5-32-545" not in first  # the group Users
    assert [command.split()[1] for command in others] == ["schtasks.exe", "schtasks.exe"]


def test_a_private_windows_device_needs_no_rights_and_shows_no_window() -> None:
    program = (r"C:\Program Files\Py\python.exe", "-m", "sekisho")
    add, start = (
        step.words
        for step in plan_install("windows", Ownership.PRIVATE, program, STATE, HOME)
        if isinstance(step, RunCommand)
    )

    assert add[2].startswith("HKCU")
    assert add[add.index("/d") + 1].startswith(r'"C:\Program Files\Py\pythonw.exe" -m sekisho')
    assert start[4] == r"C:\Program Files\Py\pythonw.exe"


def test_windows_needs_no_helper_because_no_check_reads_a_sessions_table() -> None:
    read = {
        table for table, _ in manifest_for(load_catalogue(), Platform.WINDOWS, Ownership.COMPANY)
    }

    assert read
    assert read.isdisjoint(USER_TABLES)


def test_installing_again_takes_the_former_service_down_first() -> None:
    words = [
        step.words for step in plan("darwin", Ownership.COMPANY) if isinstance(step, RunCommand)
    ]
    down, up = words

    assert down[:2] == ("launchctl", "bootout")
    assert up[:2] == ("launchctl", "bootstrap")
    assert list(apply_steps((RunCommand(("false",), may_fail=True),)))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "sekisho-agent.service"
    unit.write_text(system_unit(("/bin/true", "100%", 'a "b"'), Path("/srv/my agent")))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "sekisho-agent.service:" not in done.stderr


def test_steps_are_done_in_order_and_a_failure_says_what_the_system_said(tmp_path: Path) -> None:
    steps = (
        WriteFile(tmp_path / "deep/unit", "content"),
        RunCommand(("sh", "-c", "echo not today >&2; exit 3")),
    )
    done = apply_steps(steps)

    assert next(done) is steps[0]
    assert (tmp_path / "deep/unit").read_text() == "content"
    with pytest.raises(InstallError, match="not today"):
        next(done)


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InstallError, match="could not be run"):
        list(apply_steps((RunCommand(("/no/such/program",)),)))
    with pytest.raises(InstallError, match="cannot be written"):
        list(apply_steps((WriteFile(tmp_path / "file/below", ""),)))
