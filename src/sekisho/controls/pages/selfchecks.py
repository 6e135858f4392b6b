"""Self-checks for those who ask: schedules, rounds, results by group, how things are proven."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.pages.own_checks import WORDS_OF_REPLY
from sekisho.controls.selfchecks import (
    Audience,
    Question,
    Questionnaire,
    Reply,
    Results,
    Tally,
)
from sekisho.controls.service import mismatches
from sekisho.controls.service import selfcheck_lists as lists
from sekisho.controls.service import selfchecks as service
from sekisho.controls.service.audience import list_choices
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.pages import Page, say_percent
from sekisho.kernel.principal import Principal
from sekisho.ui import charts
from sekisho.ui.charts import Part

ADDRESS = "/selfchecks"
Form = URLEncodedBody[dict[str, Any]]
WEEKS = 13
PER_PAGE = 20
_NEXT_SHOWN = 5
_STILL = {"open": True, "closed": False}
PROOFS: Sequence[tuple[str, str, Text]] = (
    ("machine", "f-machine", msg("Machine")),
    ("document", "f-document", msg("Document")),
    ("third_party", "f-third", msg("Third party")),
    ("self", "f-self", msg("Self-report")),
    ("unknown", "f-unknown", msg("Unknown")),
)
LOOKS = {Reply.YES: "h-pass-k", Reply.NO: "f-fail", Reply.UNSURE: "f-unknown", Reply.NA: "f-exempt"}


@dataclass(frozen=True, slots=True)
class ProofWeek:
    """How verdicts were proven on one day, as shares of all."""

    day: str
    shares: Mapping[str, str]
    self_share: str
    bar: Markup


@get(ADDRESS, sync_to_thread=True)
def show_selfchecks(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    language: NamedDependency[str],
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    sort: FromQuery[str] = lists.LATEST,
    page: FromQuery[int] = 1,
) -> Page:
    """Show rounds, schedules, and how rules are proven over time. Needs ``selfchecks.read``."""
    return _overview(database, principal, language, listed=Listed(q, status, sort, max(1, page)))


@dataclass(frozen=True, slots=True)
class Listed:
    """What the address says of the list of rounds."""

    q: str = ""
    status: str = ""
    sort: str = lists.LATEST
    page: int = 1

    def wish(self, language: str) -> lists.RoundWish:
        """Return which rounds are wanted."""
        return lists.RoundWish(self.q, _STILL.get(self.status), self.sort, language)


_FIRST = Listed()


def _overview(
    database: Database, principal: Principal, language: str,
    wrong: tuple[Text | str, Text | str] | None = None, sent: Mapping[str, str] | None = None,
    listed: Listed = _FIRST,
) -> Page:  # fmt: skip
    skipped = (listed.page - 1) * PER_PAGE
    with database.read(principal) as tx:
        rounds, total = lists.page_rounds(tx, listed.wish(language), offset=skipped, limit=PER_PAGE)
        context = {
            "filters": listed, "rounds": rounds, "total": total, "page": listed.page,
            "pages": -(-total // PER_PAGE), "first": min(total, skipped + 1),
            "last": skipped + len(rounds), **_read_next(tx),
            "checks": service.questionnaires(), "weeks": read_weeks(tx, language),
            "proofs": PROOFS, "moment": tx.now, "wrong": wrong, "sent": sent or {},
            "against": mismatches.count_mismatches(tx), "questions_of": questions_by_key(),
            "units": read_choices(tx, Audience.UNIT), "groups": read_choices(tx, Audience.GROUP),
        }  # fmt: skip
    return Page("controls/selfchecks.html", context, status=400 if wrong else 200)


def questions_by_key() -> dict[str, Question]:
    """Return every question by the key that mismatches are counted under."""
    return {f"{c.id}:{q.id}": q for c in service.questionnaires().values() for q in c.questions}


def number_questions() -> dict[str, int]:
    """Return the number of every question on its page, by the same key."""
    return {
        f"{check.id}:{question.id}": number
        for check in service.questionnaires().values()
        for number, question in enumerate(check.questions, 1)
    }


def _read_next(tx: Transaction) -> dict[str, object]:
    """Read the schedules that ask next, of which there may be many more."""
    if not tx.principal.allows("selfchecks.write"):
        return {"schedules": [], "scheduled": 0}
    schedules, _ = lists.page_schedules(tx, lists.ScheduleWish(runs=True), limit=_NEXT_SHOWN)
    return {"schedules": schedules, "scheduled": lists.page_schedules(tx, lists.ScheduleWish())[1]}


def read_choices(tx: Transaction, audience: Audience) -> list[tuple[str, str]]:
    """Return (id, name) of the units or groups that the caller may have asked."""
    may = tx.principal.allows("selfchecks.write") and tx.principal.holds("identity.read")
    return list_choices(tx, audience) if may else []


@post(ADDRESS, sync_to_thread=True)
def add_schedule(
    data: Form,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    language: NamedDependency[str],
) -> Redirect | Page:
    """Have people asked; the worker opens the first round within a minute."""
    principal.require("selfchecks.write")
    sent = {name: str(value) for name, value in data.items()}
    try:
        wanted = _read_schedule(sent)
        with database.write(principal) as tx:
            service.make_schedule(tx, wanted)
    except InvalidInputError as error:
        return _overview(database, principal, language, (error.message, error.hint), sent)
    return Redirect(ADDRESS, status_code=303)


def _read_schedule(sent: Mapping[str, str]) -> service.NewSchedule:
    kind, _, audience_id = sent.get("audience", "everybody").partition(":")
    if kind not in tuple(Audience):
        raise InvalidInputError(msg("Choose who is asked."))
    return service.NewSchedule(
        check_id=sent.get("check", ""), audience=Audience(kind), audience_id=audience_id,
        every_days=_number(sent, "every"), open_days=_number(sent, "open"),
        remind_days=_number(sent, "remind"),
    )  # fmt: skip


def _number(sent: Mapping[str, str], name: str) -> int:
    text = sent.get(name, "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 4:  # noqa: PLR2004 - four digits hold any number of days
        raise InvalidInputError(msg("“%(got)s” is no number of days.", got=text[:20]))
    return int(text)


def read_weeks(tx: Transaction, language: str) -> list[ProofWeek]:
    """Return how rules were proven at the end of each of the last weeks, oldest first."""
    now = controls.count_verdicts(tx)
    today = controls.TrendDay(tx.now.date().isoformat(), now.by_kind, now.by_proof)
    days = [*controls.list_trend(tx, WEEKS * 7), *([today] if now.total else [])]
    by_week: dict[date, controls.TrendDay] = {}
    for day in days:
        found = date.fromisoformat(day.day)
        by_week[found - timedelta(days=found.weekday())] = day
    return [_week(day, language) for _, day in sorted(by_week.items())]


def _week(day: controls.TrendDay, language: str) -> ProofWeek:
    whole = sum(day.by_kind.values())
    numbers = {name: day.by_proof.get(name, 0) for name, _, _ in PROOFS[:-1]}
    numbers["unknown"] = whole - sum(numbers.values())
    known = whole - numbers["unknown"]
    said = {name: say_percent(number, whole) for name, number in numbers.items()}
    label = ", ".join(f"{translate(words, language)} {said[name]}" for name, _, words in PROOFS)
    bar = charts.draw_shares([Part(look, numbers[n]) for n, look, _ in PROOFS], label, 20)
    return ProofWeek(day.day, said, say_percent(numbers["self"], known), bar)


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """How all people, or one group, replied to one question."""

    number: int
    ask: Mapping[str, str]
    counts: Mapping[Reply, int]
    bar: Markup


@get(ADDRESS + "/rounds/{round_id:str}", sync_to_thread=True)
def show_results(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    round_id: FromPath[str],
    *,
    question: FromQuery[str] = "",
) -> Page:
    """Show the results of a round, by question and by group. Needs ``selfchecks.read``."""
    with database.read(principal) as tx:
        found, asked, results = service.read_results(tx, round_id)
        names = dict(list_choices(tx, Audience.UNIT)) if tx.principal.holds("identity.read") else {}
    chosen = next((q for q in asked.questions if q.id == question), asked.questions[0])
    context = {
        "round": found, "asked": asked, "results": results, "names": names, "chosen": chosen,
        "words": WORDS_OF_REPLY, "looks": LOOKS,
        "rows": _rows(asked, results),
        "groups": [_group(t, chosen.id, names) for t in results.units] if results else [],
    }  # fmt: skip
    return Page("controls/results.html", context)


def _rows(asked: Questionnaire, results: Results | None) -> list[QuestionRow]:
    if results is None or results.whole is None:
        return []
    return [
        QuestionRow(number, q.ask, counts := results.whole.replies.get(q.id, {}), _bar(counts))
        for number, q in enumerate(asked.questions, 1)
    ]


def _bar(counts: Mapping[Reply, int]) -> Markup:
    return charts.draw_bar(
        [Part(LOOKS[reply], counts.get(reply, 0)) for reply in Reply], sum(counts.values())
    )


@dataclass(frozen=True, slots=True)
class GroupRow:
    """How one group replied to the chosen question."""

    name: str
    answered: int
    invited: int
    counts: Mapping[Reply, int]
    bar: Markup


def _group(tally: Tally, question: str, names: Mapping[str, str]) -> GroupRow:
    counts = tally.replies.get(question, {})
    name = names.get(tally.unit_id or "", "").strip()
    return GroupRow(name, tally.answered, tally.invited, counts, _bar(counts))


HANDLERS: list[ControllerRouterHandler] = [
    show_selfchecks,
    add_schedule,
    show_results,
]
