"""From the paths that were named to the files behind them, in a fixed order.

Folders are walked down without following links to folders, so that a link can neither lead out
nor round in circles; a link to a file is followed only where the path itself was named.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sekisho.detection.sources.limits import Trouble
from sekisho.detection.sources.stretches import Stretch
from sekisho.kernel.i18n import msg, system_reason

STDIN = "-"
Report = Callable[[Trouble], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read: its path (None is standard input), its size in bytes and time of change.

    With a ``stretch`` it is only that part of its records, and ``size`` is that of the stretch.
    """

    path: Path | None
    size: int = 0
    changed: float | None = None
    named: bool = True
    stretch: Stretch | None = None

    @property
    def name(self) -> str:
        """The name as messages and results show it."""
        return "<stdin>" if self.path is None else str(self.path)


def find_files(paths: Sequence[str], report: Report) -> Iterator[Found]:
    """List the files behind ``paths``, each once; what cannot be listed is reported."""
    seen: set[tuple[int, int]] = set()
    for path in dict.fromkeys(paths):
        if path == STDIN:
            yield Found(None)
            continue
        for found, state in _find_below(Path(path), report, named=True):
            same = (state.st_dev, state.st_ino)
            if same not in seen or not state.st_ino:  # which some file systems do not number
                seen.add(same)
                yield found


def _find_below(
    path: Path, report: Report, *, named: bool
) -> Iterator[tuple[Found, os.stat_result]]:
    try:
        state = path.stat() if named else path.lstat()
        if stat.S_ISDIR(state.st_mode):
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                yield from _find_below(path / name, report, named=False)
        elif stat.S_ISREG(state.st_mode):
            yield Found(path, state.st_size, state.st_mtime, named), state
        elif named and stat.S_ISFIFO(state.st_mode):
            yield Found(path), state
        else:
            _report_special(path, report, named=named, link=stat.S_ISLNK(state.st_mode))
    except OSError as error:
        what = msg("It cannot be opened: %(why)s.", why=system_reason(error))
        report(Trouble(str(path), None, what, msg("Check the path and your right to read it.")))


def _report_special(path: Path, report: Report, *, named: bool, link: bool) -> None:
    what = (
        msg("It is a link, and links inside folders are not followed.")
        if link
        else msg("It is no regular file.")
    )
    hint = (
        msg("Files, folders, archives and pipes can be read.")
        if named
        else msg("Name it itself if it is to be read.")
    )
    report(Trouble(str(path), None, what, hint))
