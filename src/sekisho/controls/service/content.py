"""Content of the organisation's own: its rules, questionnaires, exception rules, dated lists.

A file is checked as the program's own is, and against what is in force; then it is kept in the
database, where every process finds it, with one record of what it was before and is now.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.datasets import OWN_LIST, DataFile, read_data_file
from sekisho.controls.exception_rules import read_rules
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.laid_content import laid_content
from sekisho.controls.model import Catalogue, Control, Probe
from sekisho.controls.reading import Source
from sekisho.controls.selfchecks import read_questionnaire
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.installation import get_fact, set_fact

FOLDERS = ("controls", "selfchecks", "exceptions", "data")
_FACT, _DIGEST = "controls.content", "controls.content_digest"
_SHORT = 12


@dataclass(frozen=True, slots=True)
class ContentFile:
    """One file: its text, what it calls its version, and whether it is the organisation's own."""

    name: str
    text: str
    version: str
    own: bool = False

    @property
    def digest(self) -> str:
        """Return what tells this text from any other: 12 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_SHORT]


def content_digest(tx: Transaction) -> str:
    """Return what tells the content kept now from any other; "" if there is none."""
    return str(get_fact(tx, _DIGEST, ""))


def read_content(tx: Transaction) -> dict[str, str]:
    """Return the organisation's own files by name."""
    found = get_fact(tx, _FACT, {})
    return {str(name): str(text) for name, text in found.items()}


def usual_content() -> dict[str, str]:
    """Return the files that come with the program, by name."""
    root = files("sekisho").joinpath("content")
    return {
        f"{folder}/{entry.name}": entry.read_text("utf-8")
        for folder in FOLDERS
        for entry in root.joinpath(folder).iterdir()
        if entry.name.endswith(".yaml")
    }


def list_content(tx: Transaction, folder: str = "") -> list[ContentFile]:
    """Return every file in force by name (of one folder, if it is named).

    The organisation's own counts, unless an update has outdone it.
    """
    own = _lay(read_content(tx))
    return [
        ContentFile(name, text, _say_version(name, text), name in own)
        for name, text in (usual_content() | own).items()
        if not folder or name.startswith(f"{folder}/")
    ]


def _lay(own: Mapping[str, str]) -> dict[str, str]:
    """Return those of the organisation's files that count: an update may bring a newer one."""
    usual = usual_content()
    return {n: t for n, t in own.items() if not _outdone(n, t, usual.get(n, ""))}


def _outdone(name: str, text: str, usual: str) -> bool:
    """Tell whether the program's edition counts instead; never of rules and of the own list.

    Catalogue and questionnaires choose by the same rule where they are loaded.
    """
    always = name.startswith(("controls/", "exceptions/")) or name == f"data/{OWN_LIST}.yaml"
    if not usual or always:
        return False
    mine, theirs = _say_version(name, text), _say_version(name, usual)
    if name.startswith("selfchecks/"):
        return int(mine) < int(theirs)
    return mine < theirs  # days as ISO 8601 writes them


def set_content(tx: Transaction, name: str, text: str, *, origin: str = "") -> None:
    """Keep a file of the organisation's own, fetched from ``origin`` if that is named.

    Needs ``controls.write`` and a fresh proof of who does it: devices are judged by it. Raises
    CatalogueError with every fault and its line.
    """
    tx.principal.require("controls.write")
    tx.principal.require_fresh(tx.now)
    kept = read_content(tx)
    in_force = _lay(kept)
    checked = check_content(name, text, tx.now, in_force.get(name))
    if isinstance(checked, tuple):
        raise CatalogueError(checked)
    before = (usual_content() | in_force).get(name)
    set_fact(tx, _FACT, kept | {name: text})
    set_fact(tx, _DIGEST, _digest_of(kept | {name: text}))
    old = ContentFile(name, before, _say_version(name, before)) if before is not None else None
    evidence.record(
        tx, kind="content.changed", subject=f"content:{name}",
        detail={
            "before": {"digest": old.digest, "version": old.version} if old else None,
            "after": {"digest": checked.digest, "version": checked.version},
            **({"from": origin} if origin else {}),
        },
    )  # fmt: skip


def remove_content(tx: Transaction, name: str) -> None:
    """Take a file of the organisation's own away; the program's counts again, if there is one.

    Needs what ``set_content`` does; raises NotFoundError for what is not the organisation's own.
    """
    tx.principal.require("controls.write")
    tx.principal.require_fresh(tx.now)
    kept = read_content(tx)
    gone = kept.pop(name, None)
    if gone is None:
        raise NotFoundError(msg("“%(name)s” is no content of your own.", name=name[:100]))
    set_fact(tx, _FACT, kept)
    set_fact(tx, _DIGEST, _digest_of(kept))
    before = ContentFile(name, gone, _say_version(name, gone))
    evidence.record(
        tx, kind="content.changed", subject=f"content:{name}",
        detail={"before": {"digest": before.digest, "version": before.version}, "after": None},
    )  # fmt: skip


def _digest_of(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()


def check_content(
    name: str, text: str, now: datetime, kept: str | None = None
) -> ContentFile | tuple[Fault, ...]:
    """Return a file that may be laid, or every fault with its line; ``kept`` is laid already."""
    source = Source(name)
    known = usual_content().get(name)
    _check_name(name, source)
    folder = name.partition("/")[0]
    if not source.faults and text not in (kept, known):
        _CHECKS[folder](source, text, now, kept or known)
    if source.faults:
        return tuple(source.faults)
    return ContentFile(name, text, _say_version(name, text))


def _check_name(name: str, source: Source) -> None:
    folder, _, file = name.partition("/")
    if folder not in FOLDERS or not file.endswith(".yaml") or "/" in file:
        source.note(1, msg("There is no content of this name."))
    elif folder in {"exceptions", "data"} and name not in usual_content():
        known = sorted(each for each in usual_content() if each.startswith(f"{folder}/"))
        source.note(1, msg("Nothing reads this file; known are %(known)s.",
                           known=", ".join(known)))  # fmt: skip


def _check_rules(source: Source, text: str, now: datetime, before: str | None) -> None:
    del now, before
    try:
        read_rules(text, source.file)
    except CatalogueError as error:
        source.faults += error.faults


def _check_questionnaire(source: Source, text: str, now: datetime, before: str | None) -> None:
    del now
    made = read_questionnaire(text, source)
    if made is None:
        return
    if source.file != f"selfchecks/{made.id}.yaml":
        _note(source, text, "id", msg("The file must be called selfchecks/%(id)s.yaml.",
                                      id=made.id[:60]))  # fmt: skip
    known_rules = {*catalogue_in_force().controls, *map(_stem, laid_content("controls"))}
    for question in made.questions:
        for control in question.controls:
            if control not in known_rules:
                _note(source, text, control, msg("There is no rule “%(id)s” in the catalogue.",
                                                 id=control[:60]))  # fmt: skip
    known = read_questionnaire(before, Source(source.file)) if before else None
    if known is not None and made.version <= known.version and made != known:
        _note(source, text, "version", msg(
            "Version %(known)s is in force with other words: raise the version above it.",
            known=known.version,
        ))  # fmt: skip


def _check_control(source: Source, text: str, now: datetime, before: str | None) -> None:
    """Hold a rule against all others; who is asked something else needs a higher version."""
    del now
    laid, name = laid_content("controls"), source.file
    try:
        made = _find_control(load_catalogue(laid={**laid, name: text}), name)
    except CatalogueError as error:
        source.faults += error.faults
        return
    if made is None:
        _note(source, text, "id", msg("The file must be called controls/ID.yaml, by the “id” in "
                                      "it."))  # fmt: skip
        return
    known = _find_control(load_catalogue(laid={**laid, name: before}), name) if before else None
    if known is not None and made.version <= known.version and _asked(made) != _asked(known):
        _note(source, text, "version", msg(
            "Version %(known)s is in force and asks something else: raise the version above it.",
            known=known.version,
        ))  # fmt: skip


def _find_control(catalogue: Catalogue, name: str) -> Control | None:
    return catalogue.controls.get(ControlID(_stem(name)))


def _stem(name: str) -> str:
    return name.partition("/")[2].removesuffix(".yaml")


def _asked(control: Control) -> object:
    """Return what decides on a rule's verdicts: an answer to anything else is no proof."""
    return control.proof, control.max_age, control.ownership, [
        (platform, check.ownership, check.run_as, _sql(check.probe), _sql(check.fallback))
        for platform, check in sorted(control.checks.items())
    ]  # fmt: skip


def _sql(probe: Probe | None) -> tuple[str, str]:
    return (probe.sql, probe.precondition) if probe is not None else ("", "")


def _check_data(source: Source, text: str, now: datetime, before: str | None) -> None:
    name = source.file.removeprefix("data/").removesuffix(".yaml")
    made = read_data_file(name, text, source)
    usual = read_data_file(name, before or "", Source(source.file)) if before else None
    if made is None or usual is None:
        return
    if set(made.sets) != set(usual.sets) or _widths(made) != _widths(usual):
        _note(source, text, "sets", msg("The lists and columns must be those of the program."))
    if made.as_of < usual.as_of:
        _note(source, text, "as_of", msg("A newer list of %(day)s is in force.",
                                         day=usual.as_of.date().isoformat()))  # fmt: skip
    if made.as_of > now:
        _note(source, text, "as_of", msg("The day lies in the future."))
    if (made.stale_after is None) != (usual.stale_after is None):
        _note(source, text, "as_of", msg("A list that grows old must say after how many days."))


def _widths(data: DataFile) -> dict[str, int]:
    return {name: len(rows[0]) if rows else 0 for name, rows in data.sets.items()}


def _note(source: Source, text: str, word: str, message: Text) -> None:
    """Note a fault on the first line that has ``word``."""
    lines = text.splitlines()
    source.note(next((n for n, line in enumerate(lines, 1) if word in line), 1), message)


_CHECKS: Mapping[str, Callable[[Source, str, datetime, str | None], None]] = {
    "controls": _check_control,
    "exceptions": _check_rules,
    "selfchecks": _check_questionnaire,
    "data": _check_data,
}


def _say_version(name: str, text: str) -> str:
    """Return the version of a rule or questionnaire, else the day a file is of."""
    source = Source(name)
    root = source.parse(text)
    entries = root.entries() if root is not None else {}
    key = "version" if name.startswith(("controls/", "selfchecks/")) else "as_of"
    return entries[key].text() if key in entries else ""


__all__ = [
    "FOLDERS", "ContentFile", "check_content", "content_digest", "list_content", "read_content",
    "remove_content", "set_content", "usual_content",
]  # fmt: skip
