"""What every document says of itself: title, id, level and the like.

Title is required; everything else that cannot be used is noted as a fault and left out, since a
slip in a rule's author must not cost a detection.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, TypedDict

from sekisho.detection.language.documents import Block
from sekisho.detection.language.faults import READ_THE_SPECIFICATION, LanguageError
from sekisho.detection.language.values import text_of
from sekisho.detection.model import Level, LogSource, RuleFault
from sekisho.kernel.i18n import Text, msg

LONGEST_ID = 200
LONGEST_TITLE = 500


class Header(TypedDict):
    """The fields of model.Document, ready to be handed to it."""

    id: str
    title: str
    name: str
    level: Level
    status: str
    description: str
    author: str
    date: str
    modified: str
    license: str
    references: tuple[str, ...]
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    fields: tuple[str, ...]
    related: tuple[tuple[str, str], ...]
    file: str
    line: int


@dataclass(slots=True)
class Notes:
    """The faults of one file as they are found."""

    file: str
    faults: list[RuleFault] = field(default_factory=list)

    def note(
        self, line: int, got: Text, expected: Text, fix: Text = READ_THE_SPECIFICATION
    ) -> None:
        """Remember a fault and go on."""
        self.faults.append(RuleFault(self.file, line, got, expected, fix))

    def take(self, error: LanguageError, line: int) -> None:
        """Remember an error at its own line, or at this one."""
        error.at(line)
        self.note(error.line, error.got, error.expected, error.fix)


def line_of(block: Block, key: str) -> int:
    """Return the line of a key, or of the block if it is not there."""
    return block.lines.get(key, block.line)


def read_header(doc: Block, notes: Notes) -> Header:
    """Read what a document says of itself; raises LanguageError without a title."""
    title = _text(doc, "title", notes)
    if not title:
        raise LanguageError(
            msg("The document has no title."), msg("Every rule has a title."), line=doc.line
        )
    return Header(
        id=_text(doc, "id", notes)[:LONGEST_ID] or _made_id(doc),
        title=title[:LONGEST_TITLE],
        name=_text(doc, "name", notes),
        level=_level(doc, notes),
        status=_text(doc, "status", notes),
        description=_text(doc, "description", notes),
        author=_text(doc, "author", notes),
        date=_text(doc, "date", notes),
        modified=_text(doc, "modified", notes),
        license=_text(doc, "license", notes),
        references=_texts(doc, "references", notes),
        tags=_texts(doc, "tags", notes),
        falsepositives=_texts(doc, "falsepositives", notes),
        fields=_texts(doc, "fields", notes),
        related=_related(doc),
        file=notes.file,
        line=doc.line,
    )


def _made_id(doc: Block) -> str:
    told = json.dumps(doc, sort_keys=True, ensure_ascii=True, default=str)
    return f"unnamed-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _text(doc: Block, key: str, notes: Notes) -> str:
    value: Any = doc.get(key)
    if isinstance(value, Block | list):
        notes.note(
            line_of(doc, key),
            msg("“%(key)s” is a list or a mapping.", key=key),
            msg("It is a text."),
        )
        return ""
    return text_of(value).strip()


def _texts(doc: Block, key: str, notes: Notes) -> tuple[str, ...]:
    value: Any = doc.get(key)
    if isinstance(value, list):
        return tuple(text_of(one) for one in value if not isinstance(one, Block | list))
    one = _text(doc, key, notes)
    return (one,) if one else ()


def _level(doc: Block, notes: Notes) -> Level:
    said = _text(doc, "level", notes).lower()
    try:
        return Level(said) if said else Level.MEDIUM
    except ValueError:
        notes.note(
            line_of(doc, "level"),
            msg("The level is “%(level)s”.", level=said),
            msg("Levels are: %(known)s.", known=", ".join(Level)),
            msg("Until it is corrected the rule counts as medium."),
        )
        return Level.MEDIUM


def _related(doc: Block) -> tuple[tuple[str, str], ...]:
    value: Any = doc.get("related")
    found = [one for one in value if isinstance(one, Block)] if isinstance(value, list) else []
    return tuple((text_of(one.get("id")), text_of(one.get("type"))) for one in found)


def read_log_source(doc: Block) -> LogSource:
    """Read where a rule's events come from; raises LanguageError."""
    value: Any = doc.get("logsource")
    if not isinstance(value, Block):
        raise LanguageError(
            msg("The rule has no log source."),
            msg("“logsource” says category, product or service."),
            line=line_of(doc, "logsource"),
        )
    said = {
        key: text_of(value[key]).strip().lower() or None
        for key in ("category", "product", "service")
        if key in value and not isinstance(value[key], Block | list)
    }
    if not any(said.values()):
        raise LanguageError(
            msg("The log source says nothing."),
            msg("“logsource” says category, product or service."),
            line=value.line,
        )
    return LogSource(**said)
