"""Make the agent start with the computer: a service for company devices, a login item otherwise.

Pure planning: ``plan_install`` says which files are written and which commands run, so that
``--dry-run`` prints exactly what would be done. Nothing here needs the server.
"""

import ntpath
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from sekisho.agent.errors import AgentError
from sekisho.wire.kit import Ownership

NAME = "sekisho-agent"
LABEL = "jp.sekisho.agent"
COMMAND_SECONDS = 60


class InstallError(AgentError):
    """A step failed; the text says which and what the system answered."""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file to write."""

    path: Path
    content: str
    encoding: str = "utf-8"

    def __str__(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A command to run, without a shell; ``may_fail`` when it only undoes what may not be there."""

    words: tuple[str, ...]
    may_fail: bool = False

    def __str__(self) -> str:
        return f"run {shlex.join(self.words)}"


Step = WriteFile | RunCommand


def plan_install(
    platform: str, ownership: Ownership, program: Sequence[str], state: Path, home: Path
) -> tuple[Step, ...]:
    """Return the steps for this platform; ``program`` starts ``sekisho``, ``state`` is its folder.

    A company device gets the service and the helper for every user's session; a private one only
    an entry in the owner's own session, with the owner's rights.
    """
    run = (*program, "agent", "run", "--state", str(state))
    helper = (*program, "agent", "run", "--user")
    company = ownership is Ownership.COMPANY
    if platform == "linux":
        return _linux_company(run, helper, state) if company else _linux_private(run, home)
    if platform == "darwin":
        return _macos_company(run, helper) if company else _macos_private(run, home)
    return _windows_company(run, state) if company else _windows_private(run)


def apply_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Do the steps one by one, yielding each after it is done; raises ``InstallError``."""
    for step in steps:
        if isinstance(step, WriteFile):
            _write(step)
        else:
            _run(step)
        yield step


def _write(step: WriteFile) -> None:
    try:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        step.path.write_text(step.content, encoding=step.encoding)
        step.path.chmod(0o644)
    except OSError as error:
        raise InstallError(
            "%(path)s cannot be written (%(why)s); on a company device run this as the "
            "administrator",
            path=step.path,
            why=error.strerror,
        ) from error


def _run(step: RunCommand) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - words made above, no shell
            step.words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(
            "%(what)s could not be run: %(why)s", what=step.words[0], why=error
        ) from error
    if done.returncode and not step.may_fail:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise InstallError("%(what)s failed: %(why)s", what=shlex.join(step.words), why=said)


def _linux_company(run: Sequence[str], helper: Sequence[str], state: Path) -> tuple[Step, ...]:
    return (
        WriteFile(Path(f"/etc/systemd/system/{NAME}.service"), system_unit(run, state)),
        WriteFile(Path(f"/etc/systemd/user/{NAME}-helper.service"), user_unit(helper, "helper")),
        RunCommand(("systemctl", "daemon-reload")),
        RunCommand(("systemctl", "enable", "--now", f"{NAME}.service")),
        RunCommand(("systemctl", "--global", "enable", f"{NAME}-helper.service")),
    )


def _linux_private(run: Sequence[str], home: Path) -> tuple[Step, ...]:
    unit = home / f".config/systemd/user/{NAME}.service"
    return (
        WriteFile(unit, user_unit(run, "agent")),
        RunCommand(("systemctl", "--user", "daemon-reload")),
        RunCommand(("systemctl", "--user", "enable", "--now", f"{NAME}.service")),
    )


def system_unit(run: Sequence[str], state: Path) -> str:
    """Return the systemd service of a company device: root's eyes, nobody's hands.

    The file system is read-only except for the agent's own folder ``state``.
    """
    return "\n".join(
        [
            "[Unit]",
            "Description=Sekisho endpoint agent",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            f"ExecStart={_systemd_words(run)}",
            "Restart=always",
            "RestartSec=30",
            "StateDirectory=sekisho-agent",
            "StateDirectoryMode=0700",
            f"ReadWritePaths={_systemd_words((str(state),))}",
            "MemoryMax=128M",
            "CPUQuota=20%",
            "Nice=10",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "PrivateTmp=yes",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "RestrictNamespaces=yes",
            "LockPersonality=yes",
            "MemoryDenyWriteExecute=yes",
            "SystemCallArchitectures=native",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def user_unit(run: Sequence[str], what: str) -> str:
    """Return a systemd unit for the user's session (``what`` is agent or helper)."""
    return "\n".join(
        [
            "[Unit]",
            f"Description=Sekisho endpoint {what} in the user's session",
            "",
            "[Service]",
            f"ExecStart={_systemd_words(run)}",
            "Restart=always",
            "RestartSec=30",
            "Nice=10",
            "NoNewPrivileges=yes",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def _systemd_words(words: Sequence[str]) -> str:
    """Quote for systemd.service(5): double quotes, ``%`` and ``$`` doubled."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return " ".join(f'"{word}"' for word in quoted).replace("%", "%%").replace("$", "$$")


def _macos_company(run: Sequence[str], helper: Sequence[str]) -> tuple[Step, ...]:
    daemon = Path(f"/Library/LaunchDaemons/{LABEL}.plist")
    return (
        WriteFile(daemon, launchd_plist(LABEL, run)),
        WriteFile(
            Path(f"/Library/LaunchAgents/{LABEL}-helper.plist"),
            launchd_plist(f"{LABEL}-helper", helper),
        ),
        RunCommand(("launchctl", "bootout", f"system/{LABEL}"), may_fail=True),
        RunCommand(("launchctl", "bootstrap", "system", str(daemon))),
    )


def _macos_private(run: Sequence[str], home: Path) -> tuple[Step, ...]:
    item = home / f"Library/LaunchAgents/{LABEL}.plist"
    return (
        WriteFile(item, launchd_plist(LABEL, run)),
        RunCommand(("launchctl", "unload", str(item)), may_fail=True),
        RunCommand(("launchctl", "load", "-w", str(item))),
    )


def launchd_plist(label: str, run: Sequence[str]) -> str:
    """Return a launchd property list that keeps the program alive (launchd.plist(5))."""
    words = "".join(f"<string>{escape(word)}</string>" for word in run)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        '<plist version="1.0"><dict>'
        f"<key>Label</key><string>{escape(label)}</string>"
        f"<key>ProgramArguments</key><array>{words}</array>"
        "<key>RunAtLoad</key><true/><key>KeepAlive</key><true/>"
        "<key>ProcessType</key><string>Background</string>"
        "</dict></plist>\n"
    )


def _windows_company(run: Sequence[str], state: Path) -> tuple[Step, ...]:
    """Register a task that starts with the computer as SYSTEM and stays.

    A plain program cannot be a Windows service (it would have to answer the service manager).
    There is no helper: SYSTEM reads the settings of signed-in users from their loaded hives.
    """
    definition = state / "task.xml"
    grants = (f"*{sid}:(OI)(CI)F" for sid in ("S-1-5-18", "S-1-5-32-544"))
    return (
        # ProgramData lets every user read; the folder holds the node key and the secret.
        RunCommand(("icacls.exe", str(state), "/inheritance:r", "/grant:r", *grants, "/T", "/Q")),
        WriteFile(definition, task_xml(run), "utf-16"),
        RunCommand(("schtasks.exe", "/Create", "/F", "/TN", NAME, "/XML", str(definition))),
        RunCommand(("schtasks.exe", "/Run", "/TN", NAME)),
    )


def task_xml(run: Sequence[str]) -> str:
    """Return the task's definition (Task Scheduler schema 1.2).

    What ``schtasks /SC ONSTART`` makes would end after three days and not run on batteries.
    """
    arguments = escape(subprocess.list2cmdline(run[1:]))
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Sekisho endpoint agent</Description></RegistrationInfo>
  <Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{escape(run[0])}</Command><Arguments>{arguments}</Arguments></Exec>
  </Actions>
</Task>
"""


def _windows_private(run: Sequence[str]) -> tuple[Step, ...]:
    """Start with the owner's own log-on: an entry that Task Manager shows and needs no rights.

    ``pythonw.exe`` stands beside ``python.exe`` and opens no window.
    """
    folder, name = ntpath.split(run[0])
    windowless = name.lower().replace("python.exe", "pythonw.exe")
    words = (ntpath.join(folder, windowless), *run[1:])
    key = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run"
    entry = ("/v", NAME, "/t", "REG_SZ", "/d", subprocess.list2cmdline(words), "/f")
    return (
        RunCommand(("reg.exe", "add", key, *entry)),
        RunCommand(("cmd.exe", "/c", "start", "", *words)),
    )
