"""Which controls this installation works by: the program's own, or a folder of its own.

A folder is read again when a file in it changes. One with a mistake never takes over: every
fault is logged with file and line, and the last good set (kept in the data folder) stays.
"""

import shutil
from pathlib import Path

import structlog

from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.model import Catalogue
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House

log = structlog.get_logger()

PERIOD_SECONDS = 10.0
Signs = tuple[tuple[str, int, int], ...]


class Rulebook:
    """Keeps the controls in force true to their folder, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.controls) if settings.controls else None
        self._seen = _signs(self._folder)

    def refresh(self, house: House) -> bool:
        """Read the folder again if something in it changed; tell whether a new set took over."""
        signs = _signs(self._folder)
        if signs == self._seen:
            return False
        self._seen = signs
        current = controls.catalogue_in_force()
        found, faults = controls.reload_catalogue(self._folder, current)
        log_faults(faults)
        if found.digest == current.digest:
            return False
        put_in_force(house, found)
        keep_last_good(house.settings)
        return True


def open_rulebook(settings: Settings) -> Catalogue:
    """Load the controls to start with: those of the folder, or the last good set of it.

    Raises CatalogueError with every fault if there is no last good set either.
    """
    if not settings.controls:
        return load_catalogue()
    try:
        found = load_catalogue(Path(settings.controls))
    except CatalogueError as error:
        log_faults(error.faults)
        kept = _last_good(settings)
        if not kept.is_dir():
            raise
        log.warning("the last good controls are used", folder=str(kept))
        return load_catalogue(kept)
    keep_last_good(settings)
    return found


def put_in_force(house: House, catalogue: Catalogue) -> None:
    """Judge by ``catalogue`` from now on, and start its changed controls anew."""
    with house.database.write(SYSTEM) as tx:
        controls.replace_catalogue(tx, catalogue)


def keep_last_good(settings: Settings) -> None:
    """Copy the folder of controls, which has just been read without a fault."""
    if settings.controls:
        target, draft = _last_good(settings), settings.data / "controls.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(settings.controls, draft)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)


def log_faults(faults: tuple[Fault, ...]) -> None:
    """Log every fault of a catalogue with its file and line."""
    for fault in faults:
        log.error("control has a fault", fault=str(fault))


def _last_good(settings: Settings) -> Path:
    return settings.data / "controls.good"


def _signs(folder: Path | None) -> Signs:
    """Return name, time and size of every file of the folder; () without one."""
    if folder is None:
        return ()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)
