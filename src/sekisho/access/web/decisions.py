"""The log of decisions as pages: what was decided, why, from which signals."""

from collections.abc import Sequence
from datetime import timedelta

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from markupsafe import Markup

from sekisho.access import service
from sekisho.access.engine.explaining import name_signals
from sekisho.access.engine.saying import say_value
from sekisho.access.engine.schema import WORDS_OF_SIGNAL
from sekisho.access.model import WORDS_OF_TRUST, Outcome
from sekisho.access.service.lists import TrendDay
from sekisho.access.store.decisions import SORTS
from sekisho.access.web import fields
from sekisho.access.web.mine import rule_titles
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import msg
from sekisho.kernel.kept import Kept
from sekisho.kernel.pages import Page, say
from sekisho.kernel.principal import Principal
from sekisho.ui import charts

ALL = "/access/decisions"
WORDS = {
    Outcome.ALLOW: msg("Allowed"),
    Outcome.DENY: msg("Denied"),
    Outcome.CUT: msg("Cut"),
}
_SPANS = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}


@get(ALL, sync_to_thread=True)
def show_decisions(  # noqa: PLR0917 - called by name, by the framework
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    counted: NamedDependency[Kept],
    q: FromQuery[str] = "",
    outcome: FromQuery[str] = "",
    days: FromQuery[str] = "",
    sort: FromQuery[str] = "-at",
    page: FromQuery[int] = 1,
) -> Page:
    """List decisions."""
    chosen = sort if sort.removeprefix("-") in SORTS else "-at"
    with database.read(principal) as tx:
        wanted = service.find_decisions(
            tx, q.strip(), outcome if outcome in set(Outcome) else "", _SPANS.get(days)
        )
        found = service.list_decisions(tx, wanted, sort=chosen, page=max(1, page))
        trend = counted.take((ALL, "trend"), tx.now, lambda: service.list_trend(tx))
        people = service.name_people(tx, [entry.person_id for entry in found.entries])
        names = service.find_names(tx)
        alarm = service.find_alarm(tx)
    context = {
        "found": found, "alarm": alarm,
        "people": people, "names": names, "outcomes": WORDS, "trend": trend,
        "trend_chart": draw_refusals(trend.days, language),
        "filters": {"q": q, "outcome": outcome, "days": days, "sort": chosen},
        **fields.paging(found.page, found.total, found.page_size),
    }  # fmt: skip
    return Page("access/decisions.html", context)


def draw_refusals(days: Sequence[TrendDay], language: str) -> Markup | str:
    """Draw what was denied and cut on each day; what was allowed would dwarf it. "" for nothing."""
    refused = sum(day.deny + day.cut for day in days)
    if not refused:
        return ""
    label = say(language, msg("%(n)s times denied or cut within %(days)s days",
                              n=refused, days=len(days)))  # fmt: skip
    drawn = [charts.Day(f"{d.day.month}/{d.day.day}", d.deny, d.cut, 0) for d in days]
    return charts.draw_trend(drawn, label, 132)


@get(f"{ALL}/{{decision_id:str}}", sync_to_thread=True)
def show_decision(
    decision_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show one decision with its signals as they were."""
    with database.read(principal) as tx:
        found = service.get_decision(tx, decision_id)
        people = service.name_people(tx, [found.person_id])
        names = service.find_names(tx)
    context = {
        "entry": found, "people": people, "names": names, "outcomes": WORDS,
        "signals": WORDS_OF_SIGNAL, "trusts": WORDS_OF_TRUST, "titles": rule_titles(),
        "name_signals": name_signals, "say_value": say_value,
    }  # fmt: skip
    return Page("access/decision.html", context)


PAGES = [show_decisions, show_decision]
