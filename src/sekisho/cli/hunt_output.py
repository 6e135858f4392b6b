"""Where a hunt's result goes: on stdout, or into a file that is there whole or not at all."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sekisho.detection.sources.walking import Found
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg, system_reason


def check_output(output: Path | None, files: Sequence[Found]) -> None:
    """Raise InvalidInputError, before hours of hunting, where the result could not be written.

    A file that is to be read is never written over: it is what everything is proven by.
    """
    if output is None:
        return
    if any(found.path is not None and _is_same(found.path, output) for found in files):
        raise InvalidInputError(
            msg("%(path)s is one of the files to read; the result would destroy it.", path=output),
            hint=msg("Give --output another name, outside the folders that are read."),
        )
    folder = output.resolve().parent
    if output.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InvalidInputError(
            msg("The result cannot be written to %(path)s.", path=output),
            hint=msg("Give --output the name of a file in a folder that is there and yours."),
        )


def _is_same(path: Path, output: Path) -> bool:
    try:
        return path.samefile(output)
    except OSError:
        return False


@contextmanager
def opened(output: Path | None) -> Iterator[TextIO]:
    """Give what to write the result to; InvalidInputError if it cannot take it."""
    try:
        if output is None:
            yield sys.stdout
            sys.stdout.flush()
        else:
            yield from _opened_file(output.resolve())
    except BrokenPipeError:
        raise  # whoever reads has enough
    except OSError as error:
        where = output or msg("standard output")
        raise InvalidInputError(
            msg("The result cannot be written to %(path)s: %(why)s.", path=where,
                why=system_reason(error)),
            hint=msg("Make room, or write it somewhere else with --output."),
        ) from error  # fmt: skip


def _opened_file(target: Path) -> Iterator[TextIO]:
    """Write beside ``target`` and move it there at the end; devices and pipes take it at once."""
    if target.exists() and not target.is_file():
        with target.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
