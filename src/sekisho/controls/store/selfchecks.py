"""Schedules, rounds, who was asked, and what they replied."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from sekisho.controls.model import Proof
from sekisho.controls.selfchecks import Audience, Reply, Round, Schedule
from sekisho.controls.store.proof_tables import (
    ANSWERS,
    INVITATIONS,
    ROUNDS,
    SCHEDULES,
    STATEMENTS,
)
from sekisho.controls.store.tables import SUBJECTS, VERDICTS
from sekisho.kernel.db import Transaction, among, chunked, upsert

_INVITED_AT_ONCE = 5000
_ANSWERED = func.count(INVITATIONS.c.answered_at).label("answered")


def insert_schedule(tx: Transaction, schedule: Schedule) -> None:
    """Store a new schedule."""
    tx.execute(insert(SCHEDULES), {
        name: getattr(schedule, name) for name in Schedule.__slots__
    })  # fmt: skip


def find_schedule(tx: Transaction, schedule_id: str) -> Schedule | None:
    """Return a schedule, or None."""
    rows = tx.rows(select(SCHEDULES).where(SCHEDULES.c.id == schedule_id))
    return _schedule(rows[0]) if rows else None


def list_schedules(tx: Transaction) -> list[Schedule]:
    """Return every schedule, the newest first."""
    return [_schedule(row) for row in tx.rows(select(SCHEDULES).order_by(SCHEDULES.c.id.desc()))]


SCHEDULE_SORTS = ("check", "who", "every", "next", "made")


def page_schedules(
    tx: Transaction, places: CompoundSelect[Any], *, search: str, checks: Sequence[str],
    everybody: bool, runs: bool | None, ranked: Sequence[str], sort: str, offset: int, limit: int,
) -> tuple[list[Schedule], int]:  # fmt: skip
    """Return one page by a key of SCHEDULE_SORTS ("-" downwards), and how many there are.

    ``places`` selects id and name of units and groups. What is searched is found in their names,
    in ``checks`` (questionnaires) and, where ``everybody`` is true, where all are asked. ``runs``
    narrows to those that ask again, or do not; ``ranked`` are questionnaires in order.
    """
    place = places.subquery()
    whole = SCHEDULES.outerjoin(place, place.c.id == SCHEDULES.c.audience_id)
    where: list[ColumnElement[bool]] = []
    if runs is not None:
        where.append(_RUNS if runs else not_(_RUNS))
    if search:
        fits = [place.c.name.icontains(search, autoescape=True), SCHEDULES.c.check_id.in_(checks)]
        all_asked = [SCHEDULES.c.audience == Audience.EVERYBODY.value] if everybody else []
        where.append(or_(*fits, *all_asked))
    order = _schedule_order(sort, place.c.name, ranked)
    page = select(SCHEDULES).select_from(whole).where(*where).order_by(*order)
    total = tx.scalar(select(func.count()).select_from(whole).where(*where))
    return [_schedule(row) for row in tx.rows(page.offset(offset).limit(limit))], int(total)


_RUNS = and_(SCHEDULES.c.stopped_at.is_(None), SCHEDULES.c.next_at.is_not(None))


def _schedule_order(
    sort: str, place: ColumnElement[Any], ranked: Sequence[str]
) -> list[ColumnElement[Any]]:
    columns: Mapping[str, list[ColumnElement[Any]]] = {
        "check": [_rank(SCHEDULES.c.check_id, ranked)],
        "who": [case((SCHEDULES.c.audience == Audience.EVERYBODY.value, 0), else_=1), place],
        "every": [SCHEDULES.c.every_days],
        "next": [case((_RUNS, SCHEDULES.c.next_at))],
        "made": [SCHEDULES.c.created_at],
    }
    chosen = columns[sort.removeprefix("-")]
    ordered = [c.desc() if sort.startswith("-") else c.asc() for c in chosen]
    return [*(each.nulls_last() for each in ordered), SCHEDULES.c.id.desc()]


def _rank(check: ColumnElement[str], ranked: Sequence[str]) -> ColumnElement[int]:
    """Return where a questionnaire stands among the ranked ones; unknown ones stand last."""
    places = {name: place for place, name in enumerate(ranked)}
    return case(places, value=check, else_=len(ranked)) if places else literal(0)


def list_due_schedules(tx: Transaction, now: datetime) -> list[Schedule]:
    """Return the schedules whose next round should be open."""
    due = and_(SCHEDULES.c.next_at <= now, SCHEDULES.c.stopped_at.is_(None))
    return [
        _schedule(row) for row in tx.rows(select(SCHEDULES).where(due).order_by(SCHEDULES.c.id))
    ]


def set_schedule(tx: Transaction, schedule_id: str, **values: datetime | None) -> None:
    """Set when a schedule opens next, or when it was stopped."""
    tx.execute(update(SCHEDULES).where(SCHEDULES.c.id == schedule_id).values(**values))


def insert_round(tx: Transaction, opened: Round, people: Sequence[tuple[str, str | None]]) -> None:
    """Store a round with everybody it asks, each with their unit."""
    names = [name for name in Round.__slots__ if name != "answered"]
    tx.execute(insert(ROUNDS), {name: getattr(opened, name) for name in names})
    for start in range(0, len(people), _INVITED_AT_ONCE):
        some = people[start : start + _INVITED_AT_ONCE]
        tx.execute(insert(INVITATIONS), [
            {"round_id": opened.id, "person_id": person, "unit_id": unit} for person, unit in some
        ])  # fmt: skip


def find_round(tx: Transaction, round_id: str) -> Round | None:
    """Return a round with how many have answered, or None."""
    found = _rounds(tx, ROUNDS.c.id == round_id)
    return found[0] if found else None


_ROUND_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "opened": ROUNDS.c.opens_at,
    "closes": ROUNDS.c.closes_at,
    "asked": ROUNDS.c.invited,
}
ROUND_SORTS = (*_ROUND_COLUMNS, "check")


def list_rounds(
    tx: Transaction, checks: Sequence[str] | None, *, still: bool | None, ranked: Sequence[str],
    sort: str, offset: int, limit: int,
) -> tuple[list[Round], int]:  # fmt: skip
    """Return one page of rounds by a key of ROUND_SORTS ("-" downwards), and how many there are.

    ``checks`` narrows to questionnaires; ``still`` to rounds that are open, or that are not;
    ``ranked`` are questionnaires in order.
    """
    where: list[ColumnElement[bool]] = [] if checks is None else [ROUNDS.c.check_id.in_(checks)]
    if still is not None:
        opened = and_(ROUNDS.c.closed_at.is_(None), ROUNDS.c.closes_at > tx.now)
        where.append(opened if still else not_(opened))
    column = _ROUND_COLUMNS.get(sort.removeprefix("-"), _rank(ROUNDS.c.check_id, ranked))
    order = (column.desc() if sort.startswith("-") else column.asc(), ROUNDS.c.id)
    ids = select(ROUNDS.c.id).where(*where).order_by(*order).offset(offset).limit(limit)
    total = tx.scalar(select(func.count()).select_from(ROUNDS).where(*where))
    return _with_answers(tx, ids, order), int(total)


def list_closing(tx: Transaction, now: datetime) -> list[Round]:
    """Return rounds that are over and not closed yet."""
    return _rounds(tx, and_(ROUNDS.c.closed_at.is_(None), ROUNDS.c.closes_at <= now))


def list_open(tx: Transaction, now: datetime) -> list[Round]:
    """Return rounds that can be answered."""
    return _rounds(tx, and_(ROUNDS.c.closed_at.is_(None), ROUNDS.c.closes_at > now))


def _rounds(tx: Transaction, condition: ColumnElement[bool]) -> list[Round]:
    latest = (ROUNDS.c.opens_at.desc(), ROUNDS.c.id)
    return _with_answers(tx, select(ROUNDS.c.id).where(condition), latest)


def _with_answers(tx: Transaction, ids: Select[Any], order: Sequence[Any]) -> list[Round]:
    statement = (
        select(ROUNDS, _ANSWERED)
        .join(INVITATIONS, INVITATIONS.c.round_id == ROUNDS.c.id, isouter=True)
        .where(ROUNDS.c.id.in_(ids))
        .group_by(*ROUNDS.c)
        .order_by(*order)
    )
    return [Round(*tuple(row)) for row in tx.rows(statement)]


def close_round(tx: Transaction, round_id: str, now: datetime) -> None:
    """Close a round."""
    tx.execute(update(ROUNDS).where(ROUNDS.c.id == round_id).values(closed_at=now))


def list_rounds_of(tx: Transaction, person_id: str) -> list[tuple[Round, datetime | None]]:
    """Return the rounds somebody was asked in, with when they answered, latest first."""
    mine = tx.rows(
        select(INVITATIONS.c.round_id, INVITATIONS.c.answered_at).where(
            INVITATIONS.c.person_id == person_id
        )
    )
    at = {row.round_id: row.answered_at for row in mine}
    return [(found, at[found.id]) for found in _rounds(tx, ROUNDS.c.id.in_(list(at)))]


def list_asked(tx: Transaction, check_id: str, now: datetime) -> set[str]:
    """Return whoever is asked a questionnaire in a round that is still open."""
    still = and_(
        ROUNDS.c.check_id == check_id, ROUNDS.c.closed_at.is_(None), ROUNDS.c.closes_at > now
    )
    rounds = select(ROUNDS.c.id).where(still)
    asked = select(INVITATIONS.c.person_id).where(INVITATIONS.c.round_id.in_(rounds))
    return {row.person_id for row in tx.rows(asked)}


def list_waiting(tx: Transaction, round_id: str, reminded_before: datetime) -> list[str]:
    """Return who was asked, has not answered and was not reminded since a time."""
    waiting = and_(
        INVITATIONS.c.round_id == round_id,
        INVITATIONS.c.answered_at.is_(None),
        (INVITATIONS.c.reminded_at.is_(None)) | (INVITATIONS.c.reminded_at <= reminded_before),
    )
    return [row.person_id for row in tx.rows(select(INVITATIONS.c.person_id).where(waiting))]


def set_reminded(tx: Transaction, round_id: str, people: Sequence[str], now: datetime) -> None:
    """Remember who was reminded."""
    for some in chunked(people):
        named = and_(INVITATIONS.c.round_id == round_id, INVITATIONS.c.person_id.in_(some))
        tx.execute(update(INVITATIONS).where(named).values(reminded_at=now))


def save_replies(
    tx: Transaction, round_id: str, person_id: str, replies: Mapping[str, Reply]
) -> None:
    """Store what somebody replied; earlier replies in the same round give way."""
    rows = [
        {"round_id": round_id, "person_id": person_id, "question_id": question,
         "answer": reply.value}
        for question, reply in replies.items()
    ]  # fmt: skip
    upsert(tx, ANSWERS, rows, index=("round_id", "person_id", "question_id"), update=("answer",))
    me = and_(INVITATIONS.c.round_id == round_id, INVITATIONS.c.person_id == person_id)
    tx.execute(update(INVITATIONS).where(me).values(answered_at=tx.now))


def find_replies(tx: Transaction, round_id: str, person_id: str) -> dict[str, Reply]:
    """Return what somebody replied in a round."""
    mine = and_(ANSWERS.c.round_id == round_id, ANSWERS.c.person_id == person_id)
    return {row.question_id: Reply(row.answer) for row in tx.rows(select(ANSWERS).where(mine))}


def count_people(tx: Transaction, round_id: str) -> Sequence[Row[Any]]:
    """Return (unit_id, invited, answered) of a round."""
    return tx.rows(
        select(INVITATIONS.c.unit_id, func.count().label("invited"), _ANSWERED)
        .where(INVITATIONS.c.round_id == round_id)
        .group_by(INVITATIONS.c.unit_id)
    )


def count_replies(tx: Transaction, round_id: str) -> Counter[tuple[str | None, str, str]]:
    """Return how often each (unit_id, question_id, answer) was given in a round.

    The database puts the answers of each person into one text, in the order of its key, and they
    are counted here: to sort 80,000 rows by three columns took it three times as long.
    """
    said = func.aggregate_strings(ANSWERS.c.question_id + "=" + ANSWERS.c.answer, "\n")
    whole = (
        select(ANSWERS.c.person_id, said.label("said"))
        .where(ANSWERS.c.round_id == round_id)
        .group_by(ANSWERS.c.person_id)
        .subquery()
    )
    asked = and_(INVITATIONS.c.person_id == whole.c.person_id, INVITATIONS.c.round_id == round_id)
    people = select(INVITATIONS.c.unit_id, whole.c.said).select_from(whole.join(INVITATIONS, asked))
    counted: Counter[tuple[str | None, str, str]] = Counter()
    for (unit, text), times in Counter(tuple(row) for row in tx.rows(people)).items():
        for answer in text.split("\n"):
            question, _, reply = answer.partition("=")
            counted[unit, question, reply] += times
    return counted


def forget_person(tx: Transaction, person_id: str) -> int:
    """Delete what somebody was asked and replied; return in how many rounds."""
    tx.execute(delete(ANSWERS).where(ANSWERS.c.person_id == person_id))
    asked = delete(INVITATIONS).where(INVITATIONS.c.person_id == person_id)
    return int(tx.execute(asked).rowcount)


def list_subjects_of(tx: Transaction, person_id: str) -> list[str]:
    """Return the devices of a person that are judged."""
    mine = SUBJECTS.c.person_id == person_id
    return [row.device_id for row in tx.rows(select(SUBJECTS.c.device_id).where(mine))]


def _against(now: datetime, proof: Proof, control_id: str, source: str) -> list[Any]:
    wanted: list[Any] = [
        STATEMENTS.c.against_since.is_not(None),
        STATEMENTS.c.valid_until > now,
        STATEMENTS.c.proof == proof.value,
    ]
    if control_id:
        wanted.append(STATEMENTS.c.control_id == control_id)
    if source:
        wanted.append(STATEMENTS.c.source == source)
    return wanted


def list_against(
    tx: Transaction, now: datetime, proof: Proof, *, control_id: str = "", source: str = "",
    people: Iterable[str] | None = None, sort: str = "-since", limit: int = 50, offset: int = 0,
) -> tuple[Sequence[Row[Any]], int]:  # fmt: skip
    """Return one page of statements against which the machine speaks, and how many there are.

    ``people`` narrows to statements about devices of these people.
    """
    wanted = _against(now, proof, control_id, source)
    if people is not None:
        wanted.append(among(STATEMENTS.c.person_id, people))
    columns = {
        "since": STATEMENTS.c.against_since, "rule": STATEMENTS.c.control_id,
        "said": STATEMENTS.c.stated_at,
    }  # fmt: skip
    column = columns.get(sort.lstrip("-"), STATEMENTS.c.against_since)
    order = column.desc() if sort.startswith("-") else column.asc()
    orders = (order, STATEMENTS.c.device_id, STATEMENTS.c.control_id)
    key = (STATEMENTS.c.device_id, STATEMENTS.c.control_id, STATEMENTS.c.proof)
    page = select(*key).where(*wanted).order_by(*orders).limit(limit).offset(offset).subquery()
    this = and_(*(column == page.c[column.name] for column in key))
    of_device = and_(
        VERDICTS.c.device_id == STATEMENTS.c.device_id,
        VERDICTS.c.control_id == STATEMENTS.c.control_id,
    )
    rows = tx.rows(
        select(STATEMENTS, VERDICTS.c.checked_at, VERDICTS.c.fix_by)
        .join(page, this)
        .join(VERDICTS, of_device)
        .order_by(*orders)
    )
    total = tx.scalar(select(func.count()).select_from(STATEMENTS).where(*wanted))
    return rows, int(total or 0)


def count_against(tx: Transaction, now: datetime, proof: Proof) -> Sequence[Row[Any]]:
    """Return (control_id, source, number, people) of statements the machine speaks against."""
    figure = (STATEMENTS.c.control_id, STATEMENTS.c.source)
    return tx.rows(
        select(
            *figure,
            func.count().label("number"),
            func.count(func.distinct(STATEMENTS.c.person_id)).label("people"),
        )
        .where(*_against(now, proof, "", ""))
        .group_by(*figure)
    )


def _schedule(row: Row[Any]) -> Schedule:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Schedule(**values | {"audience": Audience(row.audience)})
