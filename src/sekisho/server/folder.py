"""The data folder: may this program use it, and does nobody else? Imports little (``apart``)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sekisho import __version__
from sekisho.kernel.errors import ConflictError, UnavailableError
from sekisho.kernel.i18n import msg

# The form of the data folder itself (which files lie where). Raise it when an older program
# could harm a folder written by this one; the database has revisions of its own.
DATA_FORMAT = 1
ENROLLED = "enrolled"  # the mark in the agent's own folder that this machine is a device


def prepare_data(folder: Path) -> None:
    """Make the data folder or check that this program may use it.

    Raises ConflictError for a folder of a newer version and UnavailableError where it cannot be
    made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_format(folder / "VERSION")
    except OSError as error:
        raise UnavailableError(
            msg("The data folder %(path)s cannot be used: %(why)s", path=folder, why=error),
            hint=msg("Choose another with --data DIR, or mend its owner and rights."),
        ) from error


def _check_format(path: Path) -> None:
    if not path.exists():
        path.write_text(f"{DATA_FORMAT} {__version__}\n", encoding="ascii")
        return
    found = path.read_text(encoding="utf-8", errors="replace").split()
    if not found or not found[0].isdecimal():
        raise ConflictError(
            msg("%(path)s does not say which version wrote this folder.", path=path),
            hint=msg("Choose an empty folder with --data DIR, or restore a backup."),
        )
    if int(found[0]) > DATA_FORMAT:
        raise ConflictError(
            msg(
                "The data folder was written by a newer version (%(got)s); this is %(own)s.",
                got=" ".join(found[1:]) or found[0],
                own=__version__,
            ),
            hint=msg("Update Sekisho, or restore a backup made by this version."),
        )


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep a second ``sekisho up`` off the same data folder while the block runs.

    Raises ConflictError naming the process that has it.
    """
    path = folder / "lock"
    with path.open("a+", encoding="ascii") as file:
        if not _lock(file.fileno()):
            file.seek(0)
            raise ConflictError(
                msg("Sekisho already runs on %(path)s (process %(pid)s).",
                    path=folder, pid=file.read().strip() or "?"),
                hint=msg("Stop it first, or choose another folder with --data DIR."),
            )  # fmt: skip
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        import msvcrt  # noqa: PLC0415 - present on Windows only

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_enrolled(state: Path) -> bool:
    """Tell whether the agent in ``state`` has been enrolled by us before."""
    return (state / ENROLLED).is_file()
