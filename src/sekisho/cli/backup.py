"""``sekisho backup``: everything in one encrypted file, while the server runs."""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sekisho.cli.evidence import COMMAND, open_database
from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.evidence.sources.shelf import sync_folder
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.secrets import Secret
from sekisho.server.backup.envelope import Lock, Passphrase, make_recovery_key, read_recovery_key
from sekisho.server.backup.writing import BackupSummary, write_backup


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``backup``."""
    parser = subparsers.add_parser("backup", help="write an encrypted backup, while running too")
    add_data_option(parser)
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE",
                        help="its first line locks the backup; - is stdin")  # fmt: skip
    parser.add_argument("--recipient", type=Path, metavar="PEM",
                        help="lock towards this public recovery key instead")  # fmt: skip
    parser.add_argument("--without-keys", action="store_true",
                        help="leave out secret.key and every private key")  # fmt: skip
    parser.add_argument("--make-recovery-key", type=Path, metavar="FILE",
                        help="make a recovery key: FILE (keep it elsewhere) "
                        "and FILE.pub")  # fmt: skip
    parser.set_defaults(run=run_backup)


def run_backup(arguments: argparse.Namespace) -> int:
    """Write a backup, or a recovery key."""
    if arguments.make_recovery_key:
        return _make_key(arguments.make_recovery_key)
    if arguments.file is None:
        raise InvalidInputError(
            msg("A file name is missing."), hint=msg("sekisho backup FILE")
        )  # fmt: skip
    settings = read_settings(arguments)
    with open_database(settings) as database:
        lock = choose_lock(arguments.recipient, arguments.passphrase_file, confirm=True)
        with showing_progress(msg("Backing up")) as progress:
            done = write_backup(
                settings, database, COMMAND, arguments.file, lock,
                with_keys=not arguments.without_keys, progress=progress,
            )  # fmt: skip
    _print_backup(done, arguments.format)
    return 0


def choose_lock(key: Path | None, passphrase_file: Path | None, *, confirm: bool) -> Lock:
    """Return what locks or opens a backup: a recovery key, a file's first line, or words asked."""
    if key is not None:
        return read_recovery_key(_read(key))
    if passphrase_file is None:
        return Passphrase(Secret(_ask(confirm=confirm)))
    if str(passphrase_file) == "-":
        return Passphrase(Secret(sys.stdin.readline().rstrip("\r\n")))
    first, _, _ = _read(passphrase_file).partition(b"\n")
    return Passphrase(Secret(first.decode("utf-8", "surrogateescape").rstrip("\r")))


def _ask(*, confirm: bool) -> str:
    if not sys.stdin.isatty():
        raise InvalidInputError(
            msg("There is no terminal to ask for the passphrase."),
            hint=msg("Use --passphrase-file FILE, or a recovery key."),
        )
    words = getpass.getpass(say(msg("Passphrase: ")))
    if confirm and getpass.getpass(say(msg("Once more: "))) != words:
        raise InvalidInputError(msg("The two passphrases differ."))
    return words


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            msg("%(path)s cannot be read: %(why)s", path=path, why=error.strerror)
        ) from error


def _make_key(path: Path) -> int:
    """Write a recovery key (0600) and its public half; never over an old one."""
    private, public = make_recovery_key()
    half = path.with_name(path.name + ".pub")
    try:
        for target, content, mode in ((path, private, 0o600), (half, public, 0o644)):
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for the mode
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(path.parent)
    except FileExistsError as error:
        raise ConflictError(
            msg("%(path)s exists already.", path=error.filename),
            hint=msg("Choose a new file name."),
        ) from error
    print(say(msg("%(private)s unlocks backups: keep it off this machine. Use %(public)s with "
                   "--recipient.", private=path, public=half)))  # fmt: skip
    return 0


@contextmanager
def showing_progress(title: Text) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on stderr where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(say(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_backup(done: BackupSummary, form: str) -> None:
    if form == "json":
        print(json.dumps({"file": str(done.path), "sha256": done.digest, "bytes": done.size,
                          "rows": done.rows, "files": done.files}))  # fmt: skip
        return
    print(say(msg("%(path)s: %(rows)s rows, %(files)s files, %(size)s bytes, SHA-256 %(digest)s",
                   path=done.path, rows=done.rows, files=done.files, size=done.size,
                   digest=done.digest)))  # fmt: skip


def say(text: Text) -> str:
    """Say ``text`` in the terminal's language."""
    return translate(text, speaking())
