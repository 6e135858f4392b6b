"""Self-checks: questionnaires as YAML, what replies say, results that show nobody. Pure.

- A reply is somebody's word: it can make a rule known where nothing stronger is, never more.
- Results are told for groups of five or more; a smaller group is hidden, and so is the next one
  as long as what is hidden could be told by taking the visible ones from the whole.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from sekisho.controls.faults import CatalogueError
from sekisho.controls.model import Localized, VerdictKind
from sekisho.controls.reading import Place, Source
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID

SMALLEST_GROUP = 5
SOURCE_PREFIX = "selfcheck:"
_QUESTION = ("id", "ask", "why", "controls")
_MOST_QUESTIONS = 40


class Reply(StrEnum):
    """What somebody may reply; ``na`` only where the question allows it."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"
    NA = "na"


class Audience(StrEnum):
    """Who is asked."""

    EVERYBODY = "everybody"
    UNIT = "unit"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, why it is asked, and the rules that a machine can compare it with."""

    id: str
    ask: Localized
    why: Localized
    controls: tuple[ControlID, ...] = ()
    may_not_apply: bool = False

    @property
    def replies(self) -> tuple[Reply, ...]:
        """Return what may be replied."""
        usual = (Reply.YES, Reply.NO, Reply.UNSURE)
        return (*usual, Reply.NA) if self.may_not_apply else usual


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """A set of questions; replies count for ``max_age``."""

    id: str
    version: int
    title: Localized
    intro: Localized
    max_age: timedelta
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is asked what, and how often; ``every_days`` 0 is once."""

    id: str
    check_id: str
    audience: Audience
    audience_id: str
    every_days: int
    open_days: int
    remind_days: int
    next_at: datetime | None
    stopped_at: datetime | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Round:
    """One time of asking: open from … to …, how many were asked and have answered."""

    id: str
    schedule_id: str
    check_id: str
    check_version: int
    opens_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    invited: int
    answered: int = 0

    def is_open(self, now: datetime) -> bool:
        """Return whether somebody can still answer."""
        return self.closed_at is None and self.opens_at <= now < self.closes_at


@dataclass(frozen=True, slots=True)
class Tally:
    """How one group replied: people asked and answered, and replies by question."""

    unit_id: str | None
    invited: int
    answered: int
    replies: Mapping[str, Mapping[Reply, int]]


@dataclass(frozen=True, slots=True)
class Results:
    """Results that may be shown: of all, by group, and how many groups are hidden."""

    whole: Tally | None
    units: tuple[Tally, ...]
    hidden_groups: int
    hidden_people: int


def load_questionnaires(path: Path | None = None) -> dict[str, Questionnaire]:
    """Load ``selfchecks/*.yaml`` of a folder, or those that came with the program.

    Raises CatalogueError with every fault and its line.
    """
    root: Traversable = files("sekisho").joinpath("content") if path is None else path
    folder = root.joinpath("selfchecks")
    entries = [e for e in folder.iterdir() if e.name.endswith(".yaml")] if folder.is_dir() else []
    sources = [Source(f"selfchecks/{e.name}") for e in entries]
    found: dict[str, Questionnaire] = {}
    for entry, source in zip(entries, sources, strict=True):
        made = read_questionnaire(entry.read_text("utf-8"), source)
        if made is not None:
            if made.id in found:
                source.note(1, msg("There is another questionnaire “%(id)s”.", id=made.id))
            found[made.id] = made
    faults = [fault for source in sources for fault in source.faults]
    if faults:
        raise CatalogueError(faults)
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=4)
def read_own_questionnaires(own: tuple[tuple[str, str], ...]) -> Mapping[str, Questionnaire]:
    """Return the program's questionnaires with ``own`` (file name, YAML) laid over them.

    Of two with one id the higher version counts. ``own`` was checked when it was laid.
    """
    found = load_questionnaires()
    for name, text in own:
        made = read_questionnaire(text, Source(name))
        if made is not None and (made.id not in found or found[made.id].version <= made.version):
            found[made.id] = made
    return MappingProxyType(dict(sorted(found.items())))


def read_questionnaire(text: str, source: Source) -> Questionnaire | None:
    """Read one questionnaire; every fault is noted in ``source`` with its line."""
    names = ("id", "version", "title", "intro", "max_age", "questions")
    root = source.parse(text)
    fields = root.fields(names) if root is not None else {}
    if not set(names) <= fields.keys():
        return None
    questions = [q for q in map(_read_question, fields["questions"].items()) if q is not None]
    ids = Counter(question.id for question in questions)
    if not questions or len(questions) > _MOST_QUESTIONS or max(ids.values()) > 1:
        fields["questions"].note(
            msg("1 to %(most)s questions with ids of their own are expected.", most=_MOST_QUESTIONS)
        )
    return Questionnaire(
        id=fields["id"].text(),
        version=fields["version"].integer(1, 1_000_000),
        title=fields["title"].localized(),
        intro=fields["intro"].localized(),
        max_age=fields["max_age"].duration(),
        questions=tuple(questions),
    )


def _read_question(place: Place) -> Question | None:
    fields = place.fields(_QUESTION, ("may_not_apply",))
    if not set(_QUESTION) <= fields.keys():
        return None
    return Question(
        id=fields["id"].text(),
        ask=fields["ask"].localized(),
        why=fields["why"].localized(),
        controls=tuple(ControlID(item.text()) for item in fields["controls"].items()),
        may_not_apply="may_not_apply" in fields and fields["may_not_apply"].text() == "true",
    )


def read_replies(questionnaire: Questionnaire, sent: Mapping[str, str]) -> dict[str, Reply]:
    """Return the replies that were sent, checked; raise InvalidInputError naming the question.

    Every question must be answered: a page that was sent half-filled says nothing by silence.
    """
    replies: dict[str, Reply] = {}
    for number, question in enumerate(questionnaire.questions, 1):
        got = sent.get(question.id, "")
        if got not in question.replies:
            raise InvalidInputError(
                msg("Question %(number)s has no answer yet.", number=number)
                if not got
                else msg("“%(got)s” is no answer to question %(number)s.",
                         got=got[:20], number=number),
                hint=msg("Choose one answer to every question; “not sure” is an answer, too."),
            )  # fmt: skip
        replies[question.id] = Reply(got)
    return replies


def judge_replies(
    questionnaire: Questionnaire, replies: Mapping[str, Reply]
) -> dict[ControlID, tuple[VerdictKind, str]]:
    """Return what replies say of rules: pass or fail, and by which question.

    Where two questions are about one rule, a no counts. Not sure and not applying say nothing.
    """
    said: dict[ControlID, tuple[VerdictKind, str]] = {}
    for question in questionnaire.questions:
        reply = replies.get(question.id)
        if reply not in (Reply.YES, Reply.NO):
            continue
        kind = VerdictKind.PASS if reply is Reply.YES else VerdictKind.FAIL
        for control_id in question.controls:
            if kind is VerdictKind.FAIL or control_id not in said:
                said[control_id] = (kind, question.id)
    return said


def next_opening(schedule: Schedule, now: datetime) -> datetime | None:
    """Return when the next round opens after one at ``schedule.next_at``; None after the only one.

    Rounds missed while the server stood still are not caught up one by one.
    """
    if schedule.every_days == 0 or schedule.next_at is None:
        return None
    step = timedelta(days=schedule.every_days)
    missed = max(0, (now - schedule.next_at) // step)
    return schedule.next_at + (missed + 1) * step


def hide_small(tallies: Sequence[Tally]) -> Results:
    """Return what may be shown of ``tallies``: no group under five, and none by subtraction.

    Under five answers in all nothing is shown. The people of hidden groups together are five or
    more, or everything by group is hidden.
    """
    whole = _sum_up(tallies)
    if whole.answered < SMALLEST_GROUP:
        return Results(None, (), len(tallies), whole.answered)
    ordered = sorted(tallies, key=lambda t: (t.answered, t.unit_id or ""))
    hidden = [t for t in ordered if t.answered < SMALLEST_GROUP]
    shown = ordered[len(hidden) :]
    while shown and 0 < sum(t.answered for t in hidden) < SMALLEST_GROUP:
        hidden.append(shown.pop(0))
    visible = tuple(sorted(shown, key=lambda t: (-_share_of_no(t), t.unit_id or "")))
    return Results(whole, visible, len(hidden), sum(t.answered for t in hidden))


def _share_of_no(tally: Tally) -> float:
    no = sum(counts.get(Reply.NO, 0) for counts in tally.replies.values())
    known = sum(sum(counts.values()) for counts in tally.replies.values())
    return no / known if known else 0.0


def _sum_up(tallies: Iterable[Tally]) -> Tally:
    replies: dict[str, Counter[Reply]] = {}
    invited = answered = 0
    for tally in tallies:
        invited, answered = invited + tally.invited, answered + tally.answered
        for question, counts in tally.replies.items():
            replies.setdefault(question, Counter()).update(counts)
    return Tally(None, invited, answered, replies)


def say_count(number: int) -> str:
    """Say a number of people to somebody who must not recognise one of them."""
    return str(number) if number == 0 or number >= SMALLEST_GROUP else f"<{SMALLEST_GROUP}"
