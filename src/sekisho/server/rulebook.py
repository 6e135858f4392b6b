"""Which controls this installation works by: the program's own, or a folder of its own.

A folder is read again when a file in it changes. One with a mistake never takes over: every
fault is logged with file and line, and the last good set (kept in the data folder) stays.
"""

import shutil
import tempfile
import time
from pathlib import Path
from stat import S_ISREG

import structlog

from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.laid_content import lay_content
from sekisho.controls.model import Catalogue
from sekisho.controls.service import content
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House

log = structlog.get_logger()

PERIOD_SECONDS = 10.0
_MOMENT_SECONDS = 0.3  # of each second that check-ins wait at most while rules change
Signs = tuple[tuple[str, int, int], ...]


class Rulebook:
    """Keeps the controls in force true to their folder, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.controls) if settings.controls else None
        self._seen = _signs(self._folder)
        self._content = ""
        self._takeover: controls.Takeover | None = None
        self._settled = ""

    def refresh(self, house: House) -> bool:
        """Read the folder again if something in it changed; tell whether a new set took over."""
        laid = self._take_up(house)
        signs = _signs(self._folder)
        if signs == self._seen and not laid:
            return False
        current = controls.catalogue_in_force()
        found, faults = controls.reload_catalogue(self._folder, current)
        tell_faults(faults)
        changed = found.digest != current.digest
        if changed:
            controls.put_in_force(found)
        if not faults:
            keep_last_good(house.settings)
        self._seen = signs  # only now: what failed on the way is tried again
        return changed

    def _take_up(self, house: House) -> bool:
        """Let the organisation's own content of the database count; tell whether it changed."""
        with house.database.read(SYSTEM) as tx:
            digest = content.content_digest(tx)
            if digest == self._content:
                return False
            lay_content(content.read_content(tx))
        self._content = digest
        return True

    def settle(self, house: House) -> bool:
        """Let stored verdicts follow the controls in force, for a moment; tell whether they do.

        The worker's part: called again and again, so that its other chores go on meanwhile.
        """
        digest = controls.catalogue_in_force().digest
        until = time.monotonic() + _MOMENT_SECONDS
        while self._settled != digest and time.monotonic() < until:
            if self._settle_some(house, digest):
                self._settled = digest
        return self._settled == digest

    def _settle_some(self, house: House, digest: str) -> bool:
        takeover, self._takeover = self._takeover, None  # begun anew after a failure
        if takeover is None or takeover.catalogue.digest != digest:
            with house.database.read(SYSTEM) as tx:
                takeover = controls.find_takeover(tx)
        if takeover is None:
            return True
        with house.database.write(SYSTEM) as tx:
            done = takeover.step(tx)
        self._takeover = takeover
        return done

    def refresh_safely(self, house: House) -> None:
        """Do ``refresh``; what goes wrong (a full disk, a busy database) is tried again later."""
        try:
            self.refresh(house)
        except (OSError, SekishoError) as error:
            log.warning("the controls could not be read again", why=str(error))


def open_rulebook(settings: Settings) -> Catalogue:
    """Load the controls to start with: those of the folder, or the last good set of it.

    Raises CatalogueError with every fault if there is no last good set either.
    """
    if not settings.controls:
        return load_catalogue()
    try:
        found = load_catalogue(Path(settings.controls))
    except CatalogueError as error:
        tell_faults(error.faults)
        kept = _last_good(settings)
        if not kept.is_dir():
            raise
        log.warning("the last good controls are used", folder=str(kept))
        return load_catalogue(kept)
    tell_faults(())
    keep_last_good(settings)
    return found


def keep_last_good(settings: Settings) -> None:
    """Copy the folder of controls, which has just been read without a fault.

    Web and worker do this at the same time: each makes a copy of its own, and the one that comes
    second takes its copy away again.
    """
    if not settings.controls or _is_copy(Path(settings.controls), _last_good(settings)):
        return
    draft = Path(tempfile.mkdtemp(prefix="controls.new-", dir=settings.data))
    shutil.copytree(settings.controls, draft, dirs_exist_ok=True)
    shutil.rmtree(_last_good(settings), ignore_errors=True)
    try:
        draft.rename(_last_good(settings))
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)


def _is_copy(folder: Path, other: Path) -> bool:
    """Tell whether two folders hold the same files with the same content."""
    try:
        return other.is_dir() and _contents(folder) == _contents(other)
    except FileNotFoundError:  # another process is just putting its own copy there
        return False


def _contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def tell_faults(faults: tuple[Fault, ...]) -> None:
    """Log every fault of a catalogue with its file and line, and show it on the page of rules."""
    controls.note_faults(faults)
    for fault in faults:
        log.error("control has a fault", fault=str(fault))


def _last_good(settings: Settings) -> Path:
    return settings.data / "controls.good"


def _signs(folder: Path | None) -> Signs:
    """Return name, time and size of every file of the folder; () without one."""
    if folder is None:
        return ()
    return tuple(sign for path in sorted(folder.rglob("*")) for sign in _sign(path))


def _sign(path: Path) -> Signs:
    """Return a file's name, time and size; () for anything else, or if it has just gone."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return ((str(path), found.st_mtime_ns, found.st_size),) if S_ISREG(found.st_mode) else ()
