"""Asking people, and keeping what they reply as the word it is.

Who may see what: everyone their own replies; ``selfchecks.read`` results of groups of five or
more once a round has closed (before that, only how many have answered, so that nothing can be
told from the change); ``selfchecks.write``, who said what where the machine says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sekisho.controls.laid_content import laid_content
from sekisho.controls.model import Proof, VerdictKind
from sekisho.controls.selfchecks import (
    SOURCE_PREFIX,
    Audience,
    Questionnaire,
    Reply,
    Results,
    Round,
    Schedule,
    Tally,
    hide_small,
    judge_replies,
    next_opening,
    read_own_questionnaires,
    read_replies,
)
from sekisho.controls.service.audience import list_audience, require_audience
from sekisho.controls.service.judging import catalogue_in_force, settle_devices
from sekisho.controls.statements import Statement
from sekisho.controls.store import selfchecks as store
from sekisho.controls.store import statements as statement_store
from sekisho.controls.store import verdicts
from sekisho.evidence import service as evidence
from sekisho.identity.service.standing import unit_of as unit_of_person
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID, DeviceID, new_id
from sekisho.notices import service as notices
from sekisho.notices.model import Kind, NewNotice, People

LONGEST_EVERY = 366
LONGEST_OPEN = 60
_TOLD_AT_ONCE = 1000
_ANSWERED = "selfcheck.answered"


def questionnaires() -> Mapping[str, Questionnaire]:
    """Return the questionnaires there are, by id: the program's, and the organisation's own."""
    return read_own_questionnaires(tuple(sorted(laid_content("selfchecks").items())))


@dataclass(frozen=True, slots=True)
class OwnRound:
    """A round as somebody who is asked sees it."""

    round: Round
    questionnaire: Questionnaire
    answered_at: datetime | None
    replies: Mapping[str, Reply]


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What somebody wants asked: of whom, from when, how often, open how long."""

    check_id: str
    audience: Audience = Audience.EVERYBODY
    audience_id: str = ""
    every_days: int = 90
    open_days: int = 14
    remind_days: int = 5
    first_at: datetime | None = None


def make_schedule(tx: Transaction, wanted: NewSchedule) -> Schedule:
    """Have people asked. Needs ``selfchecks.write``; raises InvalidInputError, NotFoundError."""
    tx.principal.require("selfchecks.write")
    _require_questionnaire(wanted.check_id)
    _check_numbers(wanted)
    require_audience(tx, wanted.audience, wanted.audience_id)
    made = Schedule(
        id=new_id("scs"), check_id=wanted.check_id, audience=wanted.audience,
        audience_id=wanted.audience_id, every_days=wanted.every_days, open_days=wanted.open_days,
        remind_days=wanted.remind_days, next_at=wanted.first_at or tx.now, stopped_at=None,
        created_by=tx.principal.name, created_at=tx.now,
    )  # fmt: skip
    store.insert_schedule(tx, made)
    evidence.record(
        tx, kind="selfcheck.scheduled", subject=f"selfcheck:{made.check_id}",
        detail={"schedule": made.id, "audience": made.audience.value,
                "audience_id": made.audience_id, "every_days": made.every_days,
                "open_days": made.open_days},
    )  # fmt: skip
    return made


def stop_schedule(tx: Transaction, schedule_id: str) -> None:
    """Ask no more from now on; a round that is open stays open. Needs ``selfchecks.write``."""
    tx.principal.require("selfchecks.write")
    found = store.find_schedule(tx, schedule_id)
    if found is None or found.stopped_at is not None:
        raise NotFoundError(msg("There is no such schedule that still runs."))
    store.set_schedule(tx, schedule_id, stopped_at=tx.now, next_at=None)
    evidence.record(
        tx, kind="selfcheck.stopped", subject=f"selfcheck:{found.check_id}",
        detail={"schedule": schedule_id},
    )  # fmt: skip


def list_schedules(tx: Transaction) -> list[Schedule]:
    """Return every schedule. Needs ``selfchecks.read``."""
    tx.principal.require_reach("selfchecks.read")
    return store.list_schedules(tx)


def turn_selfchecks(tx: Transaction) -> int:
    """Open, remind and close what is due (the worker); return how many rounds were opened.

    Whoever is being asked the same already is left out; nobody left, and no round is opened.
    """
    for found in store.list_closing(tx, tx.now):
        _close(tx, found)
    opened = sum(_open(tx, schedule) for schedule in store.list_due_schedules(tx, tx.now))
    _remind(tx)
    return opened


def _open(tx: Transaction, schedule: Schedule) -> bool:
    store.set_schedule(tx, schedule.id, next_at=next_opening(schedule, tx.now))
    questionnaire = questionnaires().get(schedule.check_id)
    meant = list_audience(tx, schedule.audience, schedule.audience_id)
    people = _not_asked_yet(tx, schedule.check_id, meant)
    if questionnaire is None or not people:
        evidence.record(
            tx, kind="selfcheck.skipped", subject=f"selfcheck:{schedule.check_id}",
            detail={"schedule": schedule.id, "asked_elsewhere": len(meant)},
        )  # fmt: skip
        return False
    opened = Round(
        id=new_id("scr"), schedule_id=schedule.id, check_id=schedule.check_id,
        check_version=questionnaire.version, opens_at=tx.now,
        closes_at=tx.now + timedelta(days=schedule.open_days), closed_at=None,
        invited=len(people),
    )  # fmt: skip
    store.insert_round(tx, opened, people)
    evidence.record(
        tx, kind="selfcheck.opened", subject=f"selfcheck:{opened.check_id}",
        detail={"round": opened.id, "version": opened.check_version, "invited": opened.invited,
                "asked_elsewhere": len(meant) - len(people),
                "closes_at": opened.closes_at.isoformat()},
    )  # fmt: skip
    _tell(tx, opened, questionnaire, [person for person, _ in people], Kind.SELF_CHECK_ASKED)
    return True


def _not_asked_yet(
    tx: Transaction, check_id: str, people: Sequence[tuple[str, str | None]]
) -> list[tuple[str, str | None]]:
    """Leave out whoever is being asked the same questionnaire in another round that is open.

    Nobody answers it twice at once, and no two rounds of one time hold the same person: else the
    difference of their results would tell what a group under five said.
    """
    asked = store.list_asked(tx, check_id, tx.now)
    return [(person, unit) for person, unit in people if person not in asked]


def _close(tx: Transaction, found: Round) -> None:
    store.close_round(tx, found.id, tx.now)
    evidence.record(
        tx, kind="selfcheck.closed", subject=f"selfcheck:{found.check_id}",
        detail={"round": found.id, "invited": found.invited, "answered": found.answered},
    )  # fmt: skip


def _remind(tx: Transaction) -> None:
    every = {schedule.id: schedule.remind_days for schedule in store.list_schedules(tx)}
    for found in store.list_open(tx, tx.now):
        days = every.get(found.schedule_id, 0)
        if days == 0 or tx.now < found.opens_at + timedelta(days=days):
            continue
        people = store.list_waiting(tx, found.id, tx.now - timedelta(days=days))
        if people and found.check_id in questionnaires():
            store.set_reminded(tx, found.id, people, tx.now)
            asked = questionnaires()[found.check_id]
            _tell(tx, found, asked, people, Kind.SELF_CHECK_REMINDED)


def _tell(
    tx: Transaction, found: Round, questionnaire: Questionnaire, people: Sequence[str], kind: Kind
) -> None:
    day = tx.now.date().isoformat()
    count = len(questionnaire.questions)
    text = {
        "ja": f"{count}問、3分ほどです。{found.closes_at:%Y-%m-%d}までにお答えください。"
        "分からないものは「わからない」で構いません。",
        "en": f"{count} questions, about three minutes, until {found.closes_at:%Y-%m-%d}. "
        "“Not sure” is a good answer, too.",
    }
    for start in range(0, len(people), _TOLD_AT_ONCE):
        notices.queue_notices(tx, [NewNotice(
            to=People(people[start : start + _TOLD_AT_ONCE]), kind=kind,
            subject=f"selfcheck:{found.id}", title=questionnaire.title, body=text,
            link=f"/my/self-checks/{found.id}",
            dedupe_key=f"{kind.value}:{found.id}:{day}:{start}",
        )])  # fmt: skip


def list_own_rounds(tx: Transaction) -> list[OwnRound]:
    """Return what the caller is or was asked, open ones first. Needs ``self.read``."""
    tx.principal.require("self.read")
    known = questionnaires()
    found = [
        OwnRound(asked, known[asked.check_id], at, {})
        for asked, at in store.list_rounds_of(tx, tx.principal.id)
        if asked.check_id in known
    ]
    return sorted(found, key=lambda own: not own.round.is_open(tx.now))


def read_own_round(tx: Transaction, round_id: str) -> OwnRound:
    """Return a round the caller is asked in, with their replies; raise NotFoundError."""
    tx.principal.require("self.read")
    for asked, at in store.list_rounds_of(tx, tx.principal.id):
        if asked.id == round_id and asked.check_id in questionnaires():
            replies = store.find_replies(tx, round_id, tx.principal.id)
            return OwnRound(asked, questionnaires()[asked.check_id], at, replies)
    raise NotFoundError(
        msg("You are not asked here."), hint=msg("What you are asked is at /my/self-checks.")
    )


def answer_round(tx: Transaction, round_id: str, sent: Mapping[str, str]) -> int:
    """Keep the caller's replies, as their word about their own devices; return about how many.

    Replies can be changed as long as the round is open. Needs ``self.write``; raises NotFoundError,
    ConflictError (closed), InvalidInputError (an answer is missing).
    """
    tx.principal.require("self.write")
    own = read_own_round(tx, round_id)
    if not own.round.is_open(tx.now):
        raise ConflictError(
            msg("This self-check has closed at %(at)s.", at=own.round.closes_at),
            hint=msg("You will be asked again; nothing else is needed now."),
        )
    replies = read_replies(own.questionnaire, sent)
    store.save_replies(tx, round_id, tx.principal.id, replies)
    evidence.record(
        tx, kind=_ANSWERED, subject=f"selfcheck:{own.questionnaire.id}",
        detail={"round": round_id, "version": own.questionnaire.version,
                "replies": {question: reply.value for question, reply in replies.items()}},
        person=tx.principal.id,
    )  # fmt: skip
    return _state(tx, own.questionnaire, replies)


def _state(tx: Transaction, questionnaire: Questionnaire, replies: Mapping[str, Reply]) -> int:
    """Make statements about the caller's devices of what they replied."""
    devices = [DeviceID(d) for d in store.list_subjects_of(tx, tx.principal.id)]
    said = judge_replies(questionnaire, replies)
    asked = {control for question in questionnaire.questions for control in question.controls}
    stored = verdicts.find_verdicts_of(tx, devices)
    made: list[Statement] = []
    gone: list[Statement] = []
    for device in devices:
        for control_id in asked & set(stored[device]):
            kind, question = said.get(control_id, (VerdictKind.UNKNOWN, ""))
            statement = _statement(tx, device, control_id, kind, questionnaire, question)
            if statement is not None:
                (gone if kind is VerdictKind.UNKNOWN else made).append(statement)
    statement_store.save_statements(tx, made)
    statement_store.delete_statements(tx, gone)
    settle_devices(tx, verdicts.find_subjects(tx, devices))
    return len(devices)


def _statement(
    tx: Transaction, device: DeviceID, control_id: ControlID, kind: VerdictKind,
    questionnaire: Questionnaire, question: str,
) -> Statement | None:  # fmt: skip
    control = catalogue_in_force().controls.get(control_id)
    if control is None:
        return None
    return Statement(
        device_id=device, control_id=control_id, control_version=control.version, proof=Proof.SELF,
        said=kind, source=f"{SOURCE_PREFIX}{questionnaire.id}:{question}", stated_at=tx.now,
        received_at=tx.now, valid_until=tx.now + questionnaire.max_age,
        person_id=tx.principal.id,
    )  # fmt: skip


def read_results(tx: Transaction, round_id: str) -> tuple[Round, Questionnaire, Results | None]:
    """Return the results of a round, None while it is open. Needs ``selfchecks.read``.

    Who holds the right in some units sees only those; what may be hidden is judged over all.
    """
    reach = tx.principal.require_reach("selfchecks.read")
    found = store.find_round(tx, round_id)
    questionnaire = questionnaires().get(found.check_id) if found is not None else None
    if found is None or questionnaire is None:
        raise NotFoundError(msg("There is no such round."))
    if found.closed_at is None:
        return found, questionnaire, None
    results = hide_small(_tallies(tx, round_id))
    if reach is not None:
        units = tuple(tally for tally in results.units if tally.unit_id in reach)
        results = Results(None, units, 0, 0)
    return found, questionnaire, results


def _tallies(tx: Transaction, round_id: str) -> list[Tally]:
    replies: dict[str | None, dict[str, dict[Reply, int]]] = {}
    for (unit, question, answer), number in store.count_replies(tx, round_id).items():
        replies.setdefault(unit, {}).setdefault(question, {})[Reply(answer)] = number
    return [
        Tally(row.unit_id, row.invited, row.answered, replies.get(row.unit_id, {}))
        for row in store.count_people(tx, round_id)
    ]


def forget_person(tx: Transaction, person_id: str) -> int:
    """Forget what somebody who leaves was asked and replied; return in how many rounds.

    Their word about devices that stay goes, too, and what the records say of their replies. Needs
    ``identity.write`` over them.
    """
    tx.principal.require("identity.write", unit_of_person(tx, person_id))
    spoken = statement_store.list_devices_of_person(tx, person_id, Proof.SELF)
    statement_store.delete_of_person(tx, person_id, Proof.SELF)
    settle_devices(tx, verdicts.find_subjects(tx, spoken))
    evidence.erase_of_person(tx, person_id, _ANSWERED, "the person left")
    return store.forget_person(tx, person_id)


def _require_questionnaire(check_id: str) -> Questionnaire:
    found = questionnaires().get(check_id)
    if found is None:
        raise NotFoundError(msg("There is no questionnaire “%(id)s”.", id=check_id[:60]))
    return found


def _check_numbers(wanted: NewSchedule) -> None:
    every, opened = wanted.every_days, wanted.open_days
    fits = 0 <= every <= LONGEST_EVERY and 1 <= opened <= LONGEST_OPEN
    if not fits or not 0 <= wanted.remind_days <= opened or 0 < every < opened:
        raise InvalidInputError(
            msg("Asked every %(every)s days, open for %(open)s, reminded after %(remind)s: this "
                "does not fit together.",
                every=every, open=opened, remind=wanted.remind_days),
            hint=msg("Open for 1 to %(most)s days, not longer than until the next time, and "
                     "remind within that.", most=LONGEST_OPEN),
        )  # fmt: skip
