"""Reads the files of a folder into what they want; every mistake is noted with file and line.

Pure but for reading the files: whether the people, units and groups that are named exist is for
the plan to say.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.reading import MAX_CHARACTERS, Place, Source
from sekisho.controls.service.content import FOLDERS, ContentFile
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.server.apply.model import CONTENT_FILE, FILES, Kind, Mark, Section, Wanted
from sekisho.server.apply.places import did_you_mean, fields_of, mark_of, read_switch
from sekisho.server.apply.sections import LIST_OF, READERS

LONGEST_FILE = 5_000_000  # characters: fifty thousand addresses on lines of their own
_SUFFIXES = frozenset({".yaml", ".yml"})


def read_folder(folder: Path, *, own_controls: bool = False) -> tuple[list[Section], list[Fault]]:
    """Read every file of ``folder``; return what they want and all mistakes.

    ``own_controls``: the server works by the rules of a folder, so those here are only checked.
    Raises InvalidInputError for what is no folder, or one without any file of ours.
    """
    if not folder.is_dir():
        raise InvalidInputError(
            msg("%(path)s is no folder.", path=folder),
            hint=msg("Write the present state into one with: sekisho apply --export DIR"),
        )
    kinds = {name: kind for kind, name in FILES.items()}
    sections: list[Section] = []
    faults = list(_check_controls(folder)) if own_controls else []
    for path in sorted(each for each in folder.iterdir() if _is_list(each)):
        source = Source(path.name, longest=LONGEST_FILE)
        kind = kinds.get(path.name)
        if kind is None:
            hint = did_you_mean(path.name, kinds)
            source.note(1, msg("This file is not known. %(hint)s", hint=hint))
        else:
            sections += _read_file(path, kind, source)
        faults += source.faults
    sections += _read_content(folder, FOLDERS[own_controls:], faults)
    if not sections and not faults and not (folder / "controls").is_dir():
        raise InvalidInputError(
            msg("%(path)s holds none of the files that can be applied.", path=folder),
            hint=did_you_mean("", kinds),
        )
    return sections, faults


def _is_list(path: Path) -> bool:
    return path.suffix in _SUFFIXES and path.name != CONTENT_FILE


def _check_controls(folder: Path) -> Iterable[Fault]:
    """Return the mistakes of a folder of controls within, if there is one."""
    if not (folder / "controls").is_dir():
        return ()
    try:
        load_catalogue(folder)
    except CatalogueError as error:
        return error.faults
    return ()


def _read_content(folder: Path, within_it: Iterable[str], faults: list[Fault]) -> Iterator[Section]:
    """Yield the files of content within, whole; what they say is for the room to check."""
    items: list[Wanted] = []
    complete = _read_complete(folder / CONTENT_FILE, faults)
    for name in within_it:
        within = folder / name
        for path in sorted(within.iterdir()) if within.is_dir() else ():
            if path.suffix in _SUFFIXES:
                items += _read_content_file(path, f"{name}/{path.name}", faults)
    if items or complete:
        yield Section(Kind.CONTENT, tuple(items), Mark(CONTENT_FILE, 1), complete)


def _read_complete(path: Path, faults: list[Fault]) -> bool:
    """Tell whether content of one's own that the folder does not hold is to go."""
    if not path.exists():
        return False
    source = Source(path.name)
    root = source.parse(path.read_text(encoding="utf-8", errors="replace"))
    complete = read_switch(fields_of(root, ("complete",)).get("complete")) if root else False
    faults += source.faults
    return complete


def _read_content_file(path: Path, name: str, faults: list[Fault]) -> Iterator[Wanted]:
    mark = Mark(name, 1)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(mark.fault(msg("The file cannot be read: %(why)s", why=error)))
        return
    if len(text) > MAX_CHARACTERS:
        why = msg("The file is too long (%(got)s characters).", got=len(text))
        faults.append(mark.fault(why))
        return
    digest = ContentFile(name, text, "").digest
    yield Wanted(Kind.CONTENT, (name,), {"digest": digest}, mark, text=text)


def _read_file(path: Path, kind: Kind, source: Source) -> Iterator[Section]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        source.note(1, msg("The file cannot be read: %(why)s", why=error))
        return
    made = read_section(text, kind, source)
    if made is not None:
        yield made


def read_section(text: str, kind: Kind, source: Source) -> Section | None:
    """Read the text of one file; every mistake is noted in ``source``."""
    try:
        root = source.parse(text)
        return None if root is None else _read_root(root, kind)
    except RecursionError:
        source.note(1, msg("The file is nested too deep."))
        return None


def _read_root(root: Place, kind: Kind) -> Section:
    fields = fields_of(root, (LIST_OF[kind],), ("complete",))
    complete = read_switch(fields.get("complete"))
    items: list[Wanted] = []
    if LIST_OF[kind] in fields:
        items = list(READERS[kind](fields[LIST_OF[kind]], complete))
    _refuse_twice(items, root.source)
    mark = mark_of(fields.get("complete", root))
    return Section(kind, tuple(items), mark, complete)


# Two schedules or channels may be alike but for their fields.
_MAY_REPEAT = frozenset({Kind.SELF_CHECK, Kind.CHANNEL})


def _refuse_twice(items: Iterable[Wanted], source: Source) -> None:
    seen: dict[tuple[str, ...], Mark] = {}
    for item in items:
        key = tuple(part.casefold() for part in item.key) if item.kind is Kind.UNIT else item.key
        first = seen.setdefault(key, item.mark)
        if first is not item.mark and item.kind not in _MAY_REPEAT:
            source.note(
                item.mark.line,
                msg("“%(name)s” stands on line %(line)s already.",
                    name=" ".join(item.key), line=first.line),
            )  # fmt: skip
