"""Make the agent start with the computer: a service for company devices, a login item otherwise.

Pure planning: ``plan_install`` says which files are written and which commands run, so that
``--dry-run`` prints exactly what would be done. Nothing here needs the server.
"""

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

    def __str__(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A command to run, without a shell."""

    words: tuple[str, ...]

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
        return _linux_company(run, helper) if company else _linux_private(run, home)
    if platform == "darwin":
        return _macos_company(run, helper) if company else _macos_private(run, home)
    return _windows(run, company=company)


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
        step.path.write_text(step.content, encoding="utf-8")
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
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise InstallError("%(what)s failed: %(why)s", what=shlex.join(step.words), why=said)


def _linux_company(run: Sequence[str], helper: Sequence[str]) -> tuple[Step, ...]:
    return (
        WriteFile(Path(f"/etc/systemd/system/{NAME}.service"), system_unit(run)),
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


def system_unit(run: Sequence[str]) -> str:
    """Return the systemd service of a company device: root's eyes, nobody's hands.

    The file system is read-only except for the agent's own folder.
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
        RunCommand(("launchctl", "bootstrap", "system", str(daemon))),
    )


def _macos_private(run: Sequence[str], home: Path) -> tuple[Step, ...]:
    item = home / f"Library/LaunchAgents/{LABEL}.plist"
    return (
        WriteFile(item, launchd_plist(LABEL, run)),
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


def _windows(run: Sequence[str], *, company: bool) -> tuple[Step, ...]:
    """Register a scheduled task: at start as SYSTEM, or at log-on with the user's own rights.

    A plain program cannot be a Windows service (it would have to answer the service manager).
    """
    program = subprocess.list2cmdline(run)
    when = ("/SC", "ONSTART", "/RU", "SYSTEM") if company else ("/SC", "ONLOGON", "/RL", "LIMITED")
    create = ("schtasks.exe", "/Create", "/F", "/TN", NAME, "/TR", program, *when)
    return (RunCommand(create), RunCommand(("schtasks.exe", "/Run", "/TN", NAME)))
