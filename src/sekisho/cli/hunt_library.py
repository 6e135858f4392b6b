"""``sekisho hunt --library``: the rules of this server, with what was decided about them."""

import argparse
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sekisho.cli.installation import read_settings, require_installation
from sekisho.detection import service
from sekisho.detection.hunting.rulesets import cache_folder
from sekisho.detection.library import Suppression, Tuning
from sekisho.server.auth import command_principal
from sekisho.server.bootstrap import open_house

_KEPT = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the library's texts lie for a hunt, and the decisions in force."""

    folder: Path
    tunings: Mapping[str, Tuning]
    suppressions: tuple[Suppression, ...]


def read_library(arguments: argparse.Namespace) -> Kept:
    """Read the library of the data folder; its texts are laid out for the cache of compiled rules.

    The folder is named by its content, so that an unchanged library is compiled once.
    """
    settings = read_settings(arguments)
    require_installation(settings)
    with (
        open_house(settings) as house,
        house.database.read(command_principal(house.box)) as tx,
    ):
        library = service.load_library(tx)
    texts = {
        f"{place:03}-{source.source_id}/{name}": content
        for place, source in enumerate(library.texts)
        for name, content in source.files
    }
    return Kept(lay_out(texts), library.tunings, tuple(library.suppressions))


def lay_out(texts: Mapping[str, bytes]) -> Path:
    """Write texts into a folder named by what they say, if they are not there yet; return it."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{len(name)}:{name}:{len(texts[name])}:".encode() + texts[name])
    shelf = cache_folder().parent / "library"
    target = shelf / digest.hexdigest()[:32]
    if target.is_dir():
        os.utime(target)
        return target
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(dir=shelf))
    for name, content in texts.items():
        path = half / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        os.replace(half, target)  # noqa: PTH105 - whole or not at all
    except OSError:  # another hunt was faster
        shutil.rmtree(half)
    _clear(shelf)
    return target


def _clear(shelf: Path) -> None:
    """Remove what earlier states of the library left, but for the last few."""
    laid = sorted(shelf.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in laid[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
