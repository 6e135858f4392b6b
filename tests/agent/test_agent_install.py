"""What installing would do, on every platform; the plan is pure."""

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from sekisho.agent.install import (
    InstallError,
    RunCommand,
    Step,
    WriteFile,
    apply_steps,
    plan_install,
    system_unit,
)
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


@pytest.mark.parametrize(
    ("ownership", "rights"),
    [(Ownership.COMPANY, "/RU SYSTEM"), (Ownership.PRIVATE, "/RL LIMITED")],
)
def test_windows_gets_a_task_with_the_right_rights(ownership: Ownership, rights: str) -> None:
    create = commands(plan("windows", ownership))[0]

    assert rights in create
    assert '"/opt/se kisho/bin/python" -m sekisho agent run' in create


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "sekisho-agent.service"
    unit.write_text(system_unit(("/bin/true", "100%", 'a "b"')))

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
