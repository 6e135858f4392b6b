"""The rules as a list, and one rule with what was decided about it."""

from datetime import datetime, time, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.detection import service
from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.attack import read_tags
from sekisho.detection.library import WORDS_OF_KIND, WORDS_OF_LEVEL, RuleWish
from sekisho.detection.model import Level
from sekisho.detection.pages.words import WORDS_OF_STATE, paging
from sekisho.detection.whys import write_lines
from sekisho.detection.wording import find_words, say_title
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

RULES = "/detection/rules"
PER_PAGE = 50
_DEFAULT_DAYS = 90
Form = URLEncodedBody[dict[str, Any]]


@get(RULES, sync_to_thread=True)
def show_rules(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    level: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    product: FromQuery[str] = "",
    source: FromQuery[str] = "",
    technique: FromQuery[str] = "",
    tactic: FromQuery[str] = "",
    decided: FromQuery[str] = "",
    sort: FromQuery[str] = "-level",
    page: FromQuery[int] = 1,
) -> Page:
    """List the rules; all that is given must hold."""
    wish = RuleWish(
        search=q.strip()[:200], level=level, kind=kind, product=product, source=source,
        technique=_technique(technique), tactic=tactic, state=decided,
    )  # fmt: skip
    with database.read(principal) as tx:
        found = service.list_rules(tx, wish, sort=sort, page=max(1, page), page_size=PER_PAGE)
        counts = service.count_rules(tx)
        sources = {s.id: s.name for s, _, _ in service.list_sources(tx)}
    filters = {
        "q": q, "level": level, "kind": kind, "product": product, "source": source,
        "technique": technique, "tactic": tactic, "decided": decided, "sort": sort,
    }  # fmt: skip
    products = sorted(counts["product"].items(), key=lambda each: (-each[1], each[0]))[:8]
    context = {
        "found": found, "counts": counts, "sources": sources, "filters": filters,
        "products": products, "levels": WORDS_OF_LEVEL, "kinds": WORDS_OF_KIND,
        "states": WORDS_OF_STATE, "called": say_title, "reach": _reach(technique, tactic),
        **paging(found.total, found.page, found.page_size),
    }  # fmt: skip
    return Page("detection/rules.html", context)


def _technique(wanted: str) -> str:
    """Return the id under which a technique of any version is known today."""
    return own_attack_table().resolve_technique(wanted[:20])


def _reach(technique: str, tactic: str) -> str:
    """Say in words what of ATT&CK the list is narrowed to."""
    table = own_attack_table()
    found = table.find_technique(technique) if technique else None
    if found:
        return f"{found.id} {found.name}"
    return next((t.id for t in table.tactics if t.id == tactic), "")


@get(RULES + "/{rule_id:str}", sync_to_thread=True)
def show_rule(
    rule_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show a rule: what it looks for, its text, and what was decided about it."""
    return _rule_page(database, principal, rule_id)


def _rule_page(
    database: Database, principal: Principal, rule_id: str, *,
    fault: SekishoError | None = None, form: dict[str, str] | None = None,
    why: dict[str, object] | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        file = service.get_rule(tx, rule_id)
        now = tx.now
    rule = file.listed.rule
    words = find_words(rule.id, rule.title)
    context = {
        "called": say_title(rule.id, rule.title), "about": words.description if words else None,
        "harmless": words.harmless if words else (), "file": file,
        "levels": WORDS_OF_LEVEL, "kinds": WORDS_OF_KIND, "fault": fault,
        "form": form or {}, "why": why,
        "tagged": read_tags(rule.tags, own_attack_table()),
        "tactics": {t.id: t.name for t in own_attack_table().tactics},
        "first_day": (now + timedelta(days=1)).date().isoformat(),
        "ends_on": (now + timedelta(days=_DEFAULT_DAYS)).date().isoformat(),
        "last_day": (now + timedelta(days=365)).date().isoformat(), "choices": list(Level),
    }  # fmt: skip
    return Page("detection/rule.html", context, fault.status if fault else 200)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


@post(RULES + "/{rule_id:str}/tune", sync_to_thread=True)
def tune_rule(
    rule_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Give a rule a level of one's own, turn it off, or go back to what it says of itself."""
    level, reason = _text(data, "level"), _text(data, "reason")
    try:
        with database.write(principal) as tx:
            if level:
                service.tune_rule(tx, rule_id, level, reason)
            else:
                service.untune_rule(tx, rule_id)
    except InvalidInputError as error:
        form = {"level": level, "reason": reason}
        return _rule_page(database, principal, rule_id, fault=error, form=form)
    return Redirect(f"{RULES}/{rule_id}", status_code=303)


@post(
    RULES + "/{rule_id:str}/why",
    sync_to_thread=True,
    status_code=200,
    request_max_body_size=4_000_000,
)
def explain_rule(
    rule_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Judge the rule on one event that was pasted, and say every step."""
    text = _text(data, "event")
    try:
        with database.read(principal) as tx:
            told, event = service.explain_event(tx, rule_id, text)
    except (InvalidInputError, ConflictError) as error:
        return _rule_page(database, principal, rule_id, fault=error, form={"event": text})
    why = {"matched": told.matched, "routes": write_lines(told), "event": event}
    return _rule_page(database, principal, rule_id, form={"event": text}, why=why)


@post(RULES + "/{rule_id:str}/suppress", sync_to_thread=True)
def suppress_rule(
    rule_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Hold back matches of a rule that are known and harmless, until a day."""
    principal.require("detection.write")  # before anything is said about the form
    sent = {name: _text(data, name) for name in ("condition", "why", "ends_on")}
    try:
        with database.write(principal) as tx:
            service.suppress_matches(
                tx, rule_id=rule_id, condition=sent["condition"], reason=sent["why"],
                ends_at=read_end(sent["ends_on"], tx.now),
            )  # fmt: skip
    except InvalidInputError as error:
        return _rule_page(database, principal, rule_id, fault=error, form=sent)
    return Redirect(f"{RULES}/{rule_id}", status_code=303)


def read_end(day: str, now: datetime) -> datetime:
    """Read the last day of a suppression (``YYYY-MM-DD``); it ends when that day does, in UTC."""
    try:
        last = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is no day.", got=day[:40]), hint=msg("Write it like 2027-03-31.")
        ) from None
    return datetime.combine(last, time.max, tzinfo=now.tzinfo).replace(microsecond=0)


@post("/detection/suppressions/{suppression_id:str}/end", sync_to_thread=True)
def end_suppression(
    suppression_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """End a suppression at once; its matches are shown again."""
    try:
        with database.write(principal) as tx:
            service.end_suppression(tx, suppression_id)
    except ConflictError:  # somebody else, or its time, was faster: that is what was wanted
        pass
    rule_id = _text(data, "rule_id")
    back = f"{RULES}/{rule_id}" if rule_id.isalnum() or "-" in rule_id else SUPPRESSIONS
    return Redirect(back, status_code=303)


SUPPRESSIONS = "/detection/suppressions"


@get(SUPPRESSIONS, sync_to_thread=True)
def show_suppressions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    ended: FromQuery[int] = 0,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """List what is held back, the next to end first, or what was."""
    with database.read(principal) as tx:
        found = service.list_suppressions(
            tx, ended=bool(ended), search=q, sort=sort, page=page, page_size=PER_PAGE
        )
        now = tx.now
    order = sort or ("-until" if ended else "until")
    context = {"found": found, "ended": bool(ended), "moment": now, "called": say_title,
               "filters": {"q": q, "sort": order},
               **paging(found.total, found.page, found.page_size)}  # fmt: skip
    return Page("detection/suppressions.html", context)


@get("/detection/coverage", sync_to_thread=True)
def show_coverage(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page:
    """Show how far the rules that are on reach in ATT&CK."""
    with database.read(principal) as tx:
        coverage = service.read_coverage(tx)
    return Page("detection/coverage.html", {"coverage": coverage, "levels": WORDS_OF_LEVEL})


HANDLERS: list[ControllerRouterHandler] = [
    show_rules, show_rule, tune_rule, explain_rule, suppress_rule, end_suppression,
    show_suppressions, show_coverage,
]  # fmt: skip
