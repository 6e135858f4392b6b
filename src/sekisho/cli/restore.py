"""``sekisho restore``: a backup into a new data folder, verified before it is used."""

import argparse
import json
from pathlib import Path

from sekisho.cli.backup import choose_lock, say, showing_progress
from sekisho.cli.evidence import COMMAND
from sekisho.cli.installation import add_data_option, default_data
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.i18n import msg
from sekisho.server.backup.restoring import RestoreSummary, restore_backup


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``restore``."""
    parser = subparsers.add_parser("restore", help="restore a backup into a new data folder")
    add_data_option(parser)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE",
                        help="its first line unlocks the backup; - is stdin")  # fmt: skip
    parser.add_argument("--recovery-key", type=Path, metavar="PEM", help="the private recovery key")
    parser.add_argument("--database", default="", metavar="URL",
                        help="restore into this empty database (default: SQLite)")  # fmt: skip
    parser.set_defaults(run=run_restore)


def run_restore(arguments: argparse.Namespace) -> int:
    """Restore a backup; 1 if the restored evidence does not verify."""
    data = (arguments.data or default_data()).expanduser().resolve()
    lock = choose_lock(arguments.recovery_key, arguments.passphrase_file, confirm=False)
    with showing_progress(msg("Restoring")) as progress:
        done = restore_backup(
            arguments.file, data, lock, clock=SystemClock(), principal=COMMAND,
            database_url=arguments.database, progress=progress,
        )  # fmt: skip
    _print_restore(done, data, arguments.format)
    return 0 if done.verification.sound else 1


def _print_restore(done: RestoreSummary, data: Path, form: str) -> None:
    found = done.verification
    if form == "json":
        print(json.dumps({"data": str(data), "created": done.head.created.isoformat(),
                          "rows": done.rows, "files": done.files, "keys": done.head.keys,
                          "sealed": found.sealed, "problems": found.problem_count}))  # fmt: skip
        return
    print(say(msg("%(path)s: %(rows)s rows and %(files)s files of %(created)s are back.",
                   path=data, rows=done.rows, files=done.files,
                   created=done.head.created.isoformat(timespec="seconds"))))  # fmt: skip
    if not done.head.keys:
        print(say(msg("The backup holds no keys: put secret.key and the folder ca from your own "
                       "copy into the folder before you start.")))  # fmt: skip
    for problem in found.problems:
        print(f"✖ {say(problem.message)}")
    if found.sound:
        print(say(msg("The evidence was verified: %(n)s records.", n=found.sealed)))
