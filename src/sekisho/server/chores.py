"""What the worker does, and how often: each piece is one room's service."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from sekisho.access import service as access
from sekisho.access.service import whatif
from sekisho.cases import service as cases
from sekisho.controls import service as controls
from sekisho.controls.service import applying, documents
from sekisho.controls.service.imports import WAITS, imports_folder
from sekisho.controls.service.selfchecks import turn_selfchecks
from sekisho.detection import service as detection
from sekisho.detection.sources.fetching import WebFetcher
from sekisho.devices.service import carves, certificates, known, privacy
from sekisho.evidence import service as evidence
from sekisho.evidence.sources.destinations import Destination, local_file, open_destinations
from sekisho.identity import service as identity
from sekisho.kernel.changes import forget_changes
from sekisho.kernel.db import Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.server.bootstrap import House
from sekisho.server.certificates import ensure_certificate
from sekisho.server.rulebook import Rulebook
from sekisho.server.worker import Chore, turned
from sekisho.worklists.service import acts

_HOUR = 3600.0
_DAY = 24 * _HOUR
_STEPS_SECONDS = 0.8  # the worker's turn; evidence is sealed within a second all the same
_DEVICES_A_STEP = 40  # 3 to 4 ms each; meanwhile no answer of a device is written


def make_chores(house: House) -> list[Chore]:
    """List the worker's chores; those named first come first in each turn."""
    destinations: list[Destination] = open_destinations(house.settings)
    return [
        Chore("turned", 5, turned),
        Chore("seal evidence", 1, _in_transaction(evidence.seal_records)),
        *_of_access(),
        *_of_verdicts(house),
        *_of_the_chain(house, destinations),
        *_of_detection(),
        *_of_old_things(house),
        Chore("certificate", _HOUR, ensure_certificate),
    ]


def _of_access() -> list[Chore]:
    """List what ends, or opens, somebody's way in."""
    return [
        Chore("exceptions", 1, _in_transaction(controls.turn_exceptions)),
        Chore("people of exceptions", 60, _in_transaction(controls.relay_exceptions)),
        Chore("granted access", 5, _in_transaction(access.end_granted)),
        Chore("who would lose access", 1, lambda h: whatif.advance_whatifs(h.database)),
    ]


def _of_verdicts(house: House) -> list[Chore]:
    """List what verdicts come from besides the answers of devices, and acts on many of them."""
    waiting = imports_folder(house.settings)
    rulebook = Rulebook(house.settings)
    return [
        Chore("stale verdicts", 2, in_steps(
            lambda tx: controls.expire_stale(tx, _DEVICES_A_STEP) == _DEVICES_A_STEP)),
        Chore("imports", 1, in_steps(
            lambda tx: applying.apply_imports(tx, waiting, _DEVICES_A_STEP) > 0)),
        Chore("acts on many", 1, work_on_acts),
        Chore("joined imports", 600, _in_transaction(
            lambda tx: applying.join_imported(tx, known.list_known(tx)))),
        Chore("documents", 30, _in_transaction(documents.spread_documents)),
        Chore("ending documents", _HOUR, _in_transaction(documents.remind_documents)),
        Chore("self-checks", 20, _in_transaction(turn_selfchecks)),
        Chore("controls", 10, rulebook.refresh),
        Chore("changed controls", 1, rulebook.settle),
        Chore("daily figures", 600, _in_transaction(controls.write_trend)),
    ]  # fmt: skip


def _of_the_chain(house: House, destinations: list[Destination]) -> list[Chore]:
    """List what keeps the chain of records provable."""
    settings, shelf = house.settings, _shelf(house)
    return [
        Chore("write checkpoint", 60, _in_transaction(
            lambda tx: evidence.write_due_checkpoint(tx, destinations, box=house.box))),
        Chore("deliver checkpoints", 30,
              lambda h: evidence.deliver_checkpoints(h.database, destinations)),
        Chore("verify evidence", _DAY, lambda h: evidence.verify_regularly(
            h.database, outside=_local_lines(settings.data), shelf=shelf)),
    ]  # fmt: skip


def _of_detection() -> list[Chore]:
    """List what keeps the library of rules new."""
    fetcher = WebFetcher()
    return [
        Chore("own detection rules", 600,
              lambda h: detection.settle_own_rules(h.database, SYSTEM)),
        Chore("uploads of detection rules", 1,
              lambda h: detection.turn_staged(h.database, fetcher)),
        Chore("updates of detection rules", 600,
              lambda h: detection.update_sources(h.database, fetcher)),
        Chore("ending suppressions", _HOUR, _in_transaction(detection.remind_of_ends)),
    ]  # fmt: skip


def _of_old_things(house: House) -> list[Chore]:
    """List what forgets: everything that was kept only for a while."""
    data, shelf, waiting = house.settings.data, _shelf(house), imports_folder(house.settings)
    return [
        Chore("old changes", _HOUR, _in_transaction(
            lambda tx: forget_changes(tx, tx.now - timedelta(hours=6)))),
        Chore("old questions", _DAY, _in_transaction(
            lambda tx: whatif.forget_whatifs(tx, tx.now - timedelta(days=7)))),
        Chore("old acts", _HOUR, _in_transaction(acts.forget_acts)),
        Chore("files of imports", _HOUR, _in_transaction(
            lambda tx: applying.remove_waiting_files(tx, waiting, WAITS))),
        Chore("old carves", 600, _in_transaction(
            lambda tx: carves.end_old_carves(tx, data / "carves"))),
        Chore("old sessions", _HOUR, _in_transaction(identity.forget_ended)),
        Chore("old looks", _DAY, _in_transaction(privacy.forget_old_looks)),
        Chore("ended certificates", _DAY, _in_transaction(certificates.forget_ended_certificates)),
        Chore("old reports", _HOUR, _in_transaction(cases.forget_old_reports)),
        Chore("orphaned artefacts", _DAY, _in_transaction(
            lambda tx: evidence.remove_orphans(tx, shelf=shelf))),
    ]  # fmt: skip


def _shelf(house: House) -> Path:
    return house.settings.data / "artefacts"


def in_steps(step: Callable[[Transaction], bool]) -> Callable[[House], None]:
    """Wrap what is done in small steps: for a while, each in a transaction of its own.

    ``step`` tells whether there is more. Devices' answers wait for the only writer while a step
    runs, so between two steps it is theirs for as long as the step took.
    """

    def run(house: House) -> None:
        until = time.monotonic() + _STEPS_SECONDS
        while True:
            began = time.monotonic()
            with house.database.write(SYSTEM) as tx:
                more = step(tx)
            took = time.monotonic() - began
            if not more or began + 2 * took > until:
                return
            time.sleep(took)

    return run


def work_on_acts(house: House) -> None:
    """Do acts on many for a while, some hundred rows a transaction, so that others get on."""
    until = time.monotonic() + _STEPS_SECONDS
    while time.monotonic() < until and acts.work_on_acts(house.database):
        pass


def _local_lines(data: Path) -> Iterator[evidence.OutsideLine]:
    """Read the checkpoints in the data folder; those elsewhere are for the command to read."""
    path = local_file(data)
    if path.is_file():
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield evidence.OutsideLine(f"{path.name}:{number}", line)


def _in_transaction(work: Callable[[Transaction], object]) -> Callable[[House], None]:
    """Wrap a service function so that it runs as Sekisho itself, in a transaction of its own."""

    def run(house: House) -> None:
        with house.database.write(SYSTEM) as tx:
            work(tx)

    return run
