"""The computer a table is read from: a file tree, commands, a user and a clock.

Every reader takes a ``Host``. The default is this computer; tests hand in a folder as ``root`` and
recorded commands as ``run``, so that a reader is judged by what it makes of real material.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.agent.table import Unreadable
from sekisho.agent.tables.commands import Account, Lines, Run, lines, run

FILE_LIMIT = 32 * 1024 * 1024
HUMAN_UID = 1000
MACOS_HUMAN_UID = 500
NOBODY_UID = 65534


def _uid() -> int:
    if sys.platform == "win32":
        return 0
    return os.geteuid()


@dataclass(frozen=True, slots=True)
class Host:
    """Where facts come from. ``uid`` is the effective user of the agent, ``clock`` in seconds."""

    root: Path = Path("/")
    run: Run = run
    lines: Lines = lines
    uid: int = field(default_factory=_uid)
    clock: Callable[[], float] = time.time

    @property
    def is_root(self) -> bool:
        """Whether the agent has the administrator's rights."""
        return self.uid == 0

    def path(self, absolute: str) -> Path:
        """Return where ``absolute`` lies on this host (below ``root`` in tests)."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str, limit: int = FILE_LIMIT) -> bytes | None:
        """Return the bytes of a file, ``None`` if there is none; raise ``Unreadable`` otherwise."""
        return read_file(self.path(absolute), limit)

    def text(self, absolute: str, limit: int = FILE_LIMIT) -> str | None:
        """Like :meth:`read`, as text; bytes that are not UTF-8 become replacement characters."""
        data = self.read(absolute, limit)
        return None if data is None else data.decode("utf-8", errors="replace")

    def text_lines(self, absolute: str) -> Iterator[str]:
        """Yield the lines of a file one by one, so that a long one is never held whole.

        A file that does not exist raises ``FileNotFoundError``; one that cannot be read
        ``Unreadable``.
        """
        try:
            with self.path(absolute).open(encoding="utf-8", errors="replace") as file:
                yield from file
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreadable(f"{absolute} could not be read: {error.strerror}") from None

    def names(self, absolute: str) -> list[str]:
        """Return the sorted names in a folder, none if there is no such folder."""
        try:
            return sorted(child.name for child in self.path(absolute).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Unreadable(f"the folder {absolute} could not be read: {error.strerror}") from None

    def exists(self, absolute: str) -> bool:
        """Tell whether ``absolute`` exists; raise ``Unreadable`` where that cannot be seen."""
        try:
            os.stat(self.path(absolute))  # noqa: PTH116 - Path.exists hides a refused permission
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise Unreadable(f"{absolute} could not be looked at: {error.strerror}") from None
        return True


def read_file(path: Path, limit: int = FILE_LIMIT) -> bytes | None:
    """Return at most ``limit`` bytes; ``None`` if the file does not exist.

    A refused permission, a broken disk or a file above the limit raises ``Unreadable``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(f"{path} could not be read: {error.strerror}") from None
    if len(data) > limit:
        raise Unreadable(f"{path} is larger than {limit} bytes and was not read")
    return data


def people(host: Host) -> Iterator[Account]:
    """Yield the human accounts of ``/etc/passwd`` whose facts this agent is to read.

    A root agent speaks for every person of the computer, any other for its own user alone.
    """
    for line in (host.text("/etc/passwd") or "").splitlines():
        account = _account(line)
        if account is None:
            continue
        human = HUMAN_UID <= account.uid < NOBODY_UID and not _barred(line)
        if account.uid == host.uid or (host.is_root and human):
            yield account


def _account(line: str) -> Account | None:
    parts = line.split(":")
    if len(parts) < 7 or not (parts[2].isdecimal() and parts[3].isdecimal()):  # noqa: PLR2004 - passwd(5)
        return None
    return Account(uid=int(parts[2]), gid=int(parts[3]), name=parts[0], home=parts[5])


def _barred(line: str) -> bool:
    return line.rstrip().endswith(("/nologin", "/false"))
