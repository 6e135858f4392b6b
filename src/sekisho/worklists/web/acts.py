"""Acts on many as pages: choose rows on a list, say what to do, see the plan, start, follow."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Stream
from litestar.types import ControllerRouterHandler

from sekisho.controls.model import Catalogue
from sekisho.devices.service import many
from sekisho.findings import service as findings
from sekisho.kernel import sheets
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.worklists.engine.orders import read_acting
from sekisho.worklists.model import (
    ACTS_OF,
    UNDOABLE,
    WORDS_OF_ACT,
    WORDS_OF_OUTCOME,
    WORDS_OF_REASON,
    WORDS_OF_STATE,
    Act,
    ActKind,
    ActState,
    Listing,
    Member,
    Outcome,
    Tally,
)
from sekisho.worklists.service import acts
from sekisho.worklists.service.findings import find_people
from sekisho.worklists.web.people import Candidate, find_candidates, name_people

PER_PAGE = 50
_CSV_STEP = 1_000
Form = URLEncodedBody[dict[str, Any]]
WORDS_OF_LIST: Mapping[Listing, Text] = {
    Listing.DEVICES: msg("Devices"),
    Listing.FINDINGS: msg("Findings"),
}


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One row of an act as it is shown."""

    target: str
    title: str | Mapping[str, str]
    sub: str
    address: str
    outcome: str
    outcome_word: Text
    reason: Text | None
    made: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form held when it was sent, whom it may have meant, and what is wrong with it."""

    words: Mapping[str, str]
    candidates: Sequence[Candidate] = ()
    fault: SekishoError | None = None


@post("/acts", sync_to_thread=True)
def choose_rows(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Write down the rows that were ticked, or all that match, and go on to what to do."""
    listing = read_acting(str(data.get("listing", "")))
    everything = str(data.get("which", "")) == "all"
    ids = data.get("id", [])
    with database.write(principal) as tx:
        act = acts.choose_rows(
            tx, listing, str(data.get("kind", "")),
            ids=[str(i) for i in (ids if isinstance(ids, list) else [ids])],
            wish=str(data.get("wish", "")) if everything else None,
        )  # fmt: skip
    return Redirect(f"/acts/{act.id}", status_code=303)


@get("/acts", sync_to_thread=True)
def show_acts(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    q: FromQuery[str] = "",
    sort: FromQuery[str] = acts.LATEST,
    page: FromQuery[int] = 1,
) -> Page:
    """List the acts on many that were started."""
    _require_any(principal)
    page = max(1, page)
    with database.read(principal) as tx:
        found = acts.list_acts(tx, q, sort, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)
    return Page("worklists/acts.html", {
        **_words(), "filters": {"q": q, "sort": sort}, "acts": found.acts, "total": found.total,
        "page": page,
        "pages": -(-found.total // PER_PAGE), "first": (page - 1) * PER_PAGE + 1,
        "last": (page - 1) * PER_PAGE + len(found.acts),
    })  # fmt: skip


def _require_any(principal: Principal) -> None:
    if not principal.holds("devices.read"):
        principal.require_reach("findings.read")


def _words() -> dict[str, object]:
    return {
        "words_of_act": WORDS_OF_ACT, "words_of_state": WORDS_OF_STATE,
        "words_of_outcome": WORDS_OF_OUTCOME, "words_of_reason": WORDS_OF_REASON,
        "words_of_list": WORDS_OF_LIST,
    }  # fmt: skip


@get("/acts/{act_id:str}", sync_to_thread=True)
def show_act(
    act_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
    outcome: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """Show an act: the form while it is a draft, the plan, the progress, the result by row."""
    _require_any(principal)
    with database.read(principal) as tx:
        return act_page(tx, catalogue, act_id, (outcome, max(1, page)), kind=kind)


def act_page(
    tx: Transaction, catalogue: Catalogue, act_id: str, shown: tuple[str, int], *,
    kind: str = "", draft: Draft | None = None,
) -> Page:  # fmt: skip
    """Return the page of an act; ``shown`` is the outcome that is listed, and the page."""
    act, tally = acts.get_act(tx, act_id)
    outcome, page = shown
    total = tally.of(Outcome(outcome)) if outcome in set(Outcome) else act.total
    rows = show_rows(tx, act, acts.list_members(
        tx, act_id, outcome, offset=(page - 1) * PER_PAGE, limit=PER_PAGE
    ))  # fmt: skip
    choices = ACTS_OF[act.listing]
    chosen = kind if kind in set(choices) else act.kind.value
    person = act.words.get("person", "")
    context = {
        **_words(), "act": act, "words": defaultdict(str, act.words), "tally": tally,
        "rows": rows, "outcome": outcome, "page": page,
        "total": total, "pages": -(-total // PER_PAGE), "first": (page - 1) * PER_PAGE + 1,
        "last": (page - 1) * PER_PAGE + len(rows), "kind": chosen, "choices": choices,
        "mine": act.actor == tx.principal.reference, "draft": draft or Draft(act.words),
        "person_name": name_people(tx, [person]).get(person, person),
        "rules": _rules(catalogue), "rule_titles": _titles(catalogue), "reasons": _reasons(tally),
        "may_undo": _may_undo(act, tally), "tags": _tags(tx, act),
    }  # fmt: skip
    return Page("worklists/act.html", context, draft.fault.status if draft and draft.fault else 200)


def _rules(catalogue: Catalogue) -> list[tuple[str, Mapping[str, str]]]:
    return [(str(control.id), control.title) for control in catalogue.controls.values()]


def _titles(catalogue: Catalogue) -> dict[str, Mapping[str, str]]:
    return dict(_rules(catalogue))


def _tags(tx: Transaction, act: Act) -> Sequence[tuple[str, int]]:
    return many.list_tags(tx) if act.listing is Listing.DEVICES else ()


def _reasons(tally: Tally) -> list[tuple[Text, int]]:
    """Return why rows are not done, the most frequent reason first."""
    found = [(WORDS_OF_REASON[why], n) for (_, why), n in tally.reasons.items() if why]
    return sorted(found, key=lambda item: -item[1])


def _may_undo(act: Act, tally: Tally) -> bool:
    ended = act.state in {ActState.DONE, ActState.STOPPED}
    return ended and act.kind in UNDOABLE and not act.undone_by and tally.of(Outcome.DONE) > 0


def show_rows(tx: Transaction, act: Act, members: Sequence[Member]) -> list[MemberRow]:
    """Make the rows of a page: what each is called now, and what became of it."""
    targets = [member.target for member in members]
    named = _devices(tx, targets) if act.listing is Listing.DEVICES else _findings(tx, targets)
    return [_row(act, member, named.get(member.target)) for member in members]


Named = tuple[str | Mapping[str, str], str]


def _devices(tx: Transaction, ids: Sequence[str]) -> dict[str, Named]:
    found = many.find_devices(tx, ids, "devices.read") if tx.principal.holds("devices.read") else {}
    names = name_people(tx, [device.owner_id for device in found.values()])
    return {i: (d.title, names.get(d.owner_id or "", "")) for i, d in found.items()}


def _findings(tx: Transaction, ids: Sequence[str]) -> dict[str, Named]:
    found = findings.find_findings(tx, ids)
    people = find_people(tx, found)
    names = name_people(tx, list(people.values()))
    return {f.id: (f.title, names.get(people[f.subject] or "", "")) for f in found}


def _row(act: Act, member: Member, named: Named | None) -> MemberRow:
    title, sub = named or (f"… {member.target[-6:]}", "")
    made = act.kind is ActKind.EXCEPT and member.outcome is Outcome.DONE
    return MemberRow(
        member.target, title, sub, f"/{act.listing}/{member.target}" if named else "",
        member.outcome.value, WORDS_OF_OUTCOME[member.outcome],
        WORDS_OF_REASON.get(member.reason), str(member.before) if made else "",
    )  # fmt: skip


@post("/acts/{act_id:str}/plan", sync_to_thread=True)
def plan_act(
    act_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    catalogue: NamedDependency[Catalogue],
) -> Redirect | Page:
    """Take what is to be done and judge every row; what lacks is said on the same page."""
    _require_any(principal)
    words = {name: str(value) for name, value in data.items()}
    kind = words.get("kind", "")
    try:
        with database.write(principal) as tx:
            candidates = _choose_person(tx, words)
            if not candidates:
                acts.plan_act(tx, act_id, words, kind=kind, time_zone=settings.time_zone)
                return Redirect(f"/acts/{act_id}", status_code=303)
    except SekishoError as error:
        draft = Draft(words, fault=error)
    else:
        draft = Draft(words, candidates)
    with database.read(principal) as tx:
        return act_page(tx, catalogue, act_id, ("", 1), kind=kind, draft=draft)


def _choose_person(tx: Transaction, words: dict[str, str]) -> Sequence[Candidate]:
    """Put the person who is meant into ``words``; return whom else it could be, if unclear."""
    if words.get("whom") == "me":
        words["person"] = tx.principal.person_id or ""
    elif words.get("whom") == "nobody":
        words["person"] = ""
    elif words.get("who_words") and not words.get("person"):
        found = find_candidates(tx, words["who_words"])
        if len(found) > 1:
            return found
        words["person"] = found[0].id
    elif words.get("whom") == "other" and not words.get("person"):
        raise InvalidInputError(
            msg("Nobody is named."), hint=msg("Type a part of the name or of the e-mail address.")
        )
    return ()


@post("/acts/{act_id:str}/start", sync_to_thread=True)
def start_act(
    act_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Let the worker do it."""
    _require_any(principal)
    with database.write(principal) as tx:
        acts.start_act(tx, act_id)
    return Redirect(f"/acts/{act_id}", status_code=303)


@post("/acts/{act_id:str}/stop", sync_to_thread=True)
def stop_act(
    act_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Stop after the piece in hand."""
    _require_any(principal)
    with database.write(principal) as tx:
        acts.stop_act(tx, act_id)
    return Redirect(f"/acts/{act_id}", status_code=303)


@post("/acts/{act_id:str}/undo", sync_to_thread=True)
def undo_act(
    act_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Plan the act that takes this one back."""
    _require_any(principal)
    with database.write(principal) as tx:
        made, _ = acts.undo_act(tx, act_id)
    return Redirect(f"/acts/{made.id}", status_code=303)


@get("/acts/{act_id:str}/rows.csv", sync_to_thread=True)
def export_rows(
    act_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
) -> Stream:
    """Give what became of every row as CSV."""
    _require_any(principal)
    with database.read(principal) as tx:
        acts.get_act(tx, act_id)
    return Stream(
        _write_rows(database, principal, act_id, language), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="act.csv"'},
    )  # fmt: skip


def _write_rows(
    database: Database, principal: Principal, act_id: str, language: str
) -> Iterator[str]:
    yield sheets.start(["id", "name", "person", "outcome", "reason"])
    with database.read(principal) as tx:
        act, _ = acts.get_act(tx, act_id)
        for offset in range(0, act.total, _CSV_STEP):
            some = acts.list_members(tx, act_id, offset=offset, limit=_CSV_STEP)
            for row in show_rows(tx, act, some):
                title = row.title if isinstance(row.title, str) else row.title.get(language, "")
                why = translate(row.reason, language) if row.reason else ""
                yield sheets.line([row.target, title, row.sub, row.outcome, why])


HANDLERS: list[ControllerRouterHandler] = [
    show_acts, choose_rows, show_act, plan_act, start_act, stop_act, undo_act, export_rows,
]  # fmt: skip
