"""From files to a set of rules: everything that can be in force, and why the rest is not."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sekisho.detection.language.correlations import read_correlation
from sekisho.detection.language.documents import LARGEST_FILE, Block, read_documents
from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.headers import Notes
from sekisho.detection.language.linking import link
from sekisho.detection.language.rules import read_filter, read_rule
from sekisho.detection.model import Correlation, Document, Filter, Rule, RuleFault, RuleSet
from sekisho.kernel.i18n import Text, msg, system_reason

_SUFFIXES = frozenset({".yml", ".yaml"})
Placeholders = Mapping[str, Sequence[str]]


class RuleText(msgspec.Struct, frozen=True):
    """One file of rules: its name for people, its bytes, or why it could not be read."""

    file: str
    content: bytes = b""
    unread: Text | None = None


def load_folder(paths: Sequence[Path], *, values: Placeholders | None = None) -> RuleSet:
    """Load every rule file of folders and single files; see load_rules."""
    return load_rules(read_folder(paths), values=values)


def read_folder(paths: Sequence[Path]) -> list[RuleText]:
    """Read ``*.yml`` and ``*.yaml`` below folders, in the order of their names, and single files.

    What cannot be read is in the list too, with the reason.
    """
    files = [file for path in paths for file in (sorted(_below(path)) if path.is_dir() else [path])]
    return [_read_file(file) for file in dict.fromkeys(files)]


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            yield path


def _read_file(path: Path) -> RuleText:
    try:
        with path.open("rb") as file:
            return RuleText(str(path), file.read(LARGEST_FILE + 1))
    except OSError as error:
        return RuleText(str(path), unread=system_reason(error))


def load_rules(texts: Iterable[RuleText], *, values: Placeholders | None = None) -> RuleSet:
    """Read documents, resolve what they say of each other, and list every fault.

    ``values`` are those of placeholders (``expand``). Pure: equal texts and values, equal set.
    """
    held = {} if values is None else values
    documents: list[Document] = []
    faults: list[RuleFault] = []
    digest = hashlib.sha256(msgspec.json.encode({name: list(held[name]) for name in sorted(held)}))
    for text in texts:
        digest.update(f"{len(text.file)}:{text.file}:{len(text.content)}:".encode())
        digest.update(text.content)
        notes = Notes(text.file)
        documents += _read_text(text, notes, held)
        faults += notes.faults
    linked = link(documents)
    return RuleSet(
        rules=tuple(linked.rules),
        correlations=tuple(linked.correlations),
        filters=tuple(linked.filters),
        faults=tuple(sorted([*faults, *linked.faults], key=lambda one: (one.file, one.line))),
        digest=digest.hexdigest(),
    )


def _read_text(text: RuleText, notes: Notes, values: Placeholders) -> Iterator[Document]:
    if text.unread is not None:
        notes.note(
            1,
            msg("The file cannot be read: %(why)s.", why=text.unread),
            msg("A rule file must be readable."),
            msg("Correct its rights, or leave it out."),
        )
        return
    try:
        for doc in read_documents(text.content):
            document = _read_document(doc, notes, values)
            if document is not None:
                yield document
    except LanguageError as error:
        notes.take(error, 1)


def _read_document(doc: Any, notes: Notes, values: Placeholders) -> Document | None:
    if not isinstance(doc, Block):
        notes.note(
            getattr(doc, "line", 1),
            msg("The document is no mapping."),
            msg("A rule has a title, a log source and a detection."),
        )
        return None
    try:
        return _read_kind(doc, notes, values)
    except LanguageError as error:
        notes.take(error, doc.line)
        return None


def _read_kind(
    doc: Block, notes: Notes, values: Placeholders
) -> Rule | Correlation | Filter | None:
    if "correlation" in doc:
        return read_correlation(doc, notes)
    if "filter" in doc:
        return read_filter(doc, notes, values)
    return read_rule(doc, notes, values)
