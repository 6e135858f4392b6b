"""The words of lists: acts on many and what becomes of each row, saved views, sheets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sekisho.kernel.i18n import Text, msg

MOST_MEMBERS = 50_000


class Listing(StrEnum):
    """A list that can be searched, kept as a view and (two of them) acted on."""

    DEVICES = "devices"
    FINDINGS = "findings"
    EXCEPTIONS = "exceptions"
    PEOPLE = "people"


class ActKind(StrEnum):
    """What can be done with many rows at once."""

    ASSIGN = "assign"
    NOTIFY = "notify"
    EXCEPT = "except"
    TAG = "tag"
    UNTAG = "untag"
    OWN = "own"
    UNDO = "undo"


class ActState(StrEnum):
    """How far an act has come: rows chosen, planned, being done, done, or stopped midway."""

    DRAFT = "draft"
    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class Outcome(StrEnum):
    """What became of one row."""

    TODO = "todo"
    DONE = "done"
    SAME = "same"
    REFUSED = "refused"
    LEFT = "left"


class Reason(StrEnum):
    """Why a row is not done."""

    NONE = ""
    ALREADY = "already"
    BEYOND = "beyond"
    PRIVATE = "private"
    WITHDRAWN = "withdrawn"
    NOBODY = "nobody"
    CLOSED = "closed"
    NO_RULE = "no_rule"
    NOT_APPLYING = "not_applying"
    KEPT = "kept"
    EXCEPTED = "excepted"
    ASKED = "asked"
    TOO_MANY_TAGS = "too_many_tags"
    CHANGED = "changed"
    TOO_LONG = "too_long"
    STOPPED = "stopped"
    FAULT = "fault"


WORDS_OF_ACT: Mapping[ActKind, Text] = {
    ActKind.ASSIGN: msg("Assign to a person"),
    ActKind.NOTIFY: msg("Write to the people concerned"),
    ActKind.EXCEPT: msg("Ask for an exception"),
    ActKind.TAG: msg("Put tags on"),
    ActKind.UNTAG: msg("Take tags away"),
    ActKind.OWN: msg("Set the person"),
    ActKind.UNDO: msg("Undo"),
}
WORDS_OF_STATE: Mapping[ActState, Text] = {
    ActState.DRAFT: msg("Rows chosen"),
    ActState.PLANNED: msg("Planned, not started"),
    ActState.RUNNING: msg("Being done"),
    ActState.DONE: msg("Finished"),
    ActState.STOPPED: msg("Stopped"),
}
WORDS_OF_OUTCOME: Mapping[Outcome, Text] = {
    Outcome.TODO: msg("Still to do"),
    Outcome.DONE: msg("Done"),
    Outcome.SAME: msg("Was so already"),
    Outcome.REFUSED: msg("Cannot be done"),
    Outcome.LEFT: msg("Left out"),
}
WORDS_OF_REASON: Mapping[Reason, Text] = {
    Reason.ALREADY: msg("It is so already."),
    Reason.BEYOND: msg("It is gone, or lies outside the units you may act in."),
    Reason.PRIVATE: msg("It is a private PC: its person consented, and stays its person."),
    Reason.WITHDRAWN: msg("The device was removed."),
    Reason.NOBODY: msg("It belongs to nobody who could be written to."),
    Reason.CLOSED: msg("The finding is closed."),
    Reason.NO_RULE: msg("It is no failure of a rule, so there is nothing to except."),
    Reason.NOT_APPLYING: msg("The rule does not apply to this device."),
    Reason.KEPT: msg("The rule is kept there."),
    Reason.EXCEPTED: msg("It is excepted already."),
    Reason.ASKED: msg("The same exception waits for a decision already."),
    Reason.TOO_MANY_TAGS: msg("It would have more than 20 tags."),
    Reason.CHANGED: msg("Somebody changed it since, so it stays as it is."),
    Reason.TOO_LONG: msg("The severity of the rule allows no exception with this last day."),
    Reason.FAULT: msg("Sekisho could not do it; the log of the worker says why."),
    Reason.STOPPED: msg("The act was stopped before it came to this row."),
}
ACTS_OF: Mapping[Listing, tuple[ActKind, ...]] = {
    Listing.DEVICES: (ActKind.TAG, ActKind.UNTAG, ActKind.OWN, ActKind.NOTIFY, ActKind.EXCEPT),
    Listing.FINDINGS: (ActKind.ASSIGN, ActKind.NOTIFY, ActKind.EXCEPT),
}
UNDOABLE = frozenset({ActKind.ASSIGN, ActKind.TAG, ActKind.UNTAG, ActKind.OWN})


@dataclass(frozen=True, slots=True)
class Act:
    """One act on many rows.

    ``wish`` is what the rows were chosen by (the address of the list, or "" for ticked ones),
    ``words`` what is to be done (a person, tags, a message …), ``actor`` ``kind:id`` of who orders
    it and ``rights`` what they held then: they never get more while it runs, and less if they
    lose some. ``undoes`` is the act that this one takes back.
    """

    id: str
    listing: Listing
    kind: ActKind
    wish: str
    words: Mapping[str, str]
    state: ActState
    actor: str
    actor_name: str
    person_id: str | None
    rights: tuple[str, ...]
    created_at: datetime
    total: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    undoes: str | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One row of an act; ``before`` is what it takes to undo it."""

    number: int
    target: str
    outcome: Outcome
    reason: Reason = Reason.NONE
    before: object = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows have which outcome, and for which reason."""

    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reasons: Mapping[tuple[Outcome, Reason], int] = field(default_factory=dict)

    def of(self, outcome: Outcome) -> int:
        """Return how many rows have this outcome."""
        return self.outcomes.get(outcome, 0)


@dataclass(frozen=True, slots=True)
class SavedView:
    """A named search: filters, order and columns as they stand in the address of a list.

    ``role`` and ``unit_id`` say with whom it is shared ("" and "": with nobody).
    """

    id: str
    listing: Listing
    name: str
    query: str
    owner_id: str
    owner_name: str
    role: str
    unit_id: str
    created_at: datetime
    version: int = 1

    @property
    def shared(self) -> bool:
        """Tell whether others than its owner see it."""
        return bool(self.role or self.unit_id)


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of a file that was brought: ``cells`` by column, only those that the file has."""

    line: int
    id: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SheetFault:
    """What is wrong with a line (0: with the whole file)."""

    line: int
    words: Text


@dataclass(frozen=True, slots=True)
class SheetChange:
    """One thing that a file changes: ``before`` and ``after`` as people read them."""

    line: int
    id: str
    title: str
    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """What a file would change; nothing is changed while there are faults."""

    listing: Listing
    lines: int
    changes: tuple[SheetChange, ...]
    faults: tuple[SheetFault, ...]
    conflicts: tuple[SheetFault, ...] = ()

    @property
    def fine(self) -> bool:
        """Tell whether the file can be brought in as it is."""
        return bool(self.changes) and not self.faults and not self.conflicts
