"""``sekisho evidence``: verify the store, write a checkpoint, show keys; also on a copy of it.

``verify`` only reads. Exit codes: 0 nothing found, 1 found something, 2 could not verify.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography import x509
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.engine import make_url

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.evidence import service
from sekisho.evidence.engine.checkpoints import write_line
from sekisho.evidence.model import Verification
from sekisho.evidence.sources.destinations import open_destinations
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, UnavailableError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

COMMAND = Principal(PrincipalKind.COMMAND, "local", "sekisho", frozenset({"*"}))


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``evidence``."""
    parser = subparsers.add_parser("evidence", help="verify the evidence, write a checkpoint")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verify = verbs.add_parser("verify", help="hold the store against its chain and checkpoints")
    add_data_option(verify)
    verify.add_argument("--checkpoints", nargs="+", type=Path, default=[], metavar="FILE",
                        help="checkpoint lines that were kept elsewhere (JSONL)")  # fmt: skip
    verify.add_argument("--tsa-root", nargs="+", type=Path, default=[], metavar="PEM",
                        help="certificates of time-stamp authorities to trust")  # fmt: skip
    verify.set_defaults(run=run_verify)
    checkpoint = verbs.add_parser("checkpoint", help="sign where the chain stands and send it")
    add_data_option(checkpoint)
    checkpoint.set_defaults(run=run_checkpoint)
    keys = verbs.add_parser("keys", help="the public keys that sign checkpoints")
    add_data_option(keys)
    keys.set_defaults(run=run_keys)


def run_verify(arguments: argparse.Namespace) -> int:
    """Verify and print what was found; the last line says what the result is worth."""
    settings = read_settings(arguments)
    outside = list(_read_lines(arguments.checkpoints))
    roots = [root for path in arguments.tsa_root for root in _read_roots(path)]
    with open_database(settings) as database, _showing_progress() as progress:
        found = service.verify_database(
            database, outside=outside, shelf=settings.data / "artefacts", roots=roots,
            progress=progress,
        )  # fmt: skip
    (_print_json if arguments.format == "json" else _print_text)(found)
    return 0 if found.sound else 1


def run_checkpoint(arguments: argparse.Namespace) -> int:
    """Write a checkpoint, send it everywhere, print its line; 1 if it did not arrive somewhere."""
    settings = read_settings(arguments)
    destinations = open_destinations(settings)
    box = SecretBox.load(settings.secret_key)
    with open_database(settings) as database:
        with database.write(COMMAND) as tx:
            made = service.write_checkpoint(tx, destinations, box=box)
        report = service.deliver_checkpoints(database, destinations)
    print(write_line(made).decode())
    for reason in report.failed.values():
        print(f"sekisho: {reason}", file=sys.stderr)
    return 1 if report.failed else 0


def run_keys(arguments: argparse.Namespace) -> int:
    """Print the public keys, one a line."""
    with open_database(read_settings(arguments)) as database, database.read(COMMAND) as tx:
        for key in service.list_signing_keys(tx):
            if arguments.format == "json":
                print(msgspec.json.encode(key).decode())
            else:
                print(key.id, key.public_key, key.made_at.isoformat(timespec="seconds"))
    return 0


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the database that is there; never make an empty one in its place."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise NotFoundError(
            msg("There is no database at %(path)s.", path=url.database),
            hint=msg("Name the data folder with --data DIR."),
        )
    database = Database(settings.database, SystemClock())
    try:
        yield database
    finally:
        database.close()


def _read_lines(paths: list[Path]) -> Iterator[service.OutsideLine]:
    for path in paths:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise UnavailableError(
                msg("The checkpoints %(path)s cannot be read: %(why)s",
                    path=path, why=error.strerror)
            ) from error  # fmt: skip
        if not any(line.strip() for line in lines):
            raise InvalidInputError(
                msg("There is no checkpoint in %(path)s.", path=path),
                hint=msg("Name the file that the destination kept, or the saved text of a mail."),
            )
        for number, line in enumerate(lines, start=1):
            yield service.OutsideLine(f"{path}:{number}", line)


def _read_roots(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            msg("%(path)s is not a readable PEM certificate: %(why)s", path=path, why=error)
        ) from error


@contextmanager
def _showing_progress() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on stderr where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(_say(msg("Verifying")), total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_json(found: Verification) -> None:
    for problem in found.problems:
        line = {
            "found": problem.kind.value, "seq": problem.seq, "record": problem.record,
            "expected": problem.expected, "got": problem.got, "message": str(problem.message),
        }  # fmt: skip
        print(json.dumps(line, ensure_ascii=False))
    summary = {
        "sound": found.sound, "sealed": found.sealed, "chain": found.chain,
        "unsealed": found.unsealed, "erased": len(found.erased), "artifacts": found.artifacts,
        "checkpoints": found.stored_checkpoints, "outside": found.outside,
        "outside_seq": found.outside_seq, "timestamps": found.timestamps,
        "problems": found.problem_count, "worth": str(_say_worth(found)),
    }  # fmt: skip
    print(json.dumps(summary, ensure_ascii=False))


def _print_text(found: Verification) -> None:
    for problem in found.problems:
        print(f"✖ {_say(problem.message)}")
        if problem.expected or problem.got:
            print(f"    {_say(msg('expected'))}: {problem.expected}")
            print(f"    {_say(msg('found'))}: {problem.got}")
    more = found.problem_count - len(found.problems)
    if more:
        print(_say(msg("… and %(n)s more.", n=more)))
    for erased, erasure in sorted(found.erased.items()):
        print(_say(msg("· The payload of %(record)s was erased; record %(erasure)s tells of it.",
                       record=erased, erasure=erasure)))  # fmt: skip
    print(_say(msg("%(sealed)s records in the chain, %(unsealed)s waiting, %(artifacts)s "
                   "artefacts, %(problems)s problems.",
                   sealed=found.sealed, unsealed=found.unsealed, artifacts=found.artifacts,
                   problems=found.problem_count)))  # fmt: skip
    print(_say(_say_worth(found)))


def _say_worth(found: Verification) -> Text:
    """Say plainly what a result proves, and what it cannot."""
    if not found.sound:
        return msg("The store is not what was sealed. Keep a copy of it as it is now.")
    if not found.outside:
        return msg(
            "No checkpoint from outside was given: this shows that nothing was changed by accident "
            "or in single places, but whoever rules this machine could have rewritten the whole "
            "chain. Give --checkpoints FILE with lines that left this machine."
        )
    behind = found.sealed - found.outside_seq
    return msg(
        "Records 1 to %(seq)s are those of the checkpoints that were kept outside; the %(behind)s "
        "behind them rest on this machine alone.", seq=found.outside_seq, behind=behind,
    )  # fmt: skip


def _say(text: Text) -> str:
    return translate(text, speaking())
