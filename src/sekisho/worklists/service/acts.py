"""Acts on many rows: choose, plan, start, do in pieces, look, stop, undo.

An act is chosen (its rows are written down), planned (every row is judged: what can be done, what
cannot and why), and started by whoever ordered it; the worker does it, a few hundred rows a
transaction, as that person with the rights they have by then. What became of each row is noted in
the transaction that did it, so a crash goes on where it was. The order with all its rows is one
evidence record, written before anything is done; a second one tells how it ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from sekisho.evidence import service as evidence
from sekisho.identity.service import standing
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    SekishoError,
    UnavailableError,
)
from sekisho.kernel.i18n import LANGUAGES, msg, translate
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.worklists.engine import orders
from sekisho.worklists.model import (
    MOST_MEMBERS,
    UNDOABLE,
    WORDS_OF_ACT,
    Act,
    ActKind,
    ActState,
    Listing,
    Member,
    Outcome,
    Reason,
    Tally,
)
from sekisho.worklists.service import choosing, deeds, finding_deeds, telling
from sekisho.worklists.service.deeds import Deed
from sekisho.worklists.service.undoing import UNDO
from sekisho.worklists.store import acts as store

log = structlog.get_logger()

PIECE = 500
KEPT = timedelta(days=180)
_DRAFTS = timedelta(days=1)
_ENDED = frozenset({ActState.DONE, ActState.STOPPED})
_DEEDS: Mapping[tuple[Listing, ActKind], Deed] = {
    (Listing.DEVICES, ActKind.TAG): deeds.TAG,
    (Listing.DEVICES, ActKind.UNTAG): deeds.UNTAG,
    (Listing.DEVICES, ActKind.OWN): deeds.OWN,
    (Listing.DEVICES, ActKind.NOTIFY): deeds.NOTIFY,
    (Listing.DEVICES, ActKind.EXCEPT): deeds.EXCEPT,
    (Listing.DEVICES, ActKind.UNDO): UNDO,
    (Listing.FINDINGS, ActKind.ASSIGN): finding_deeds.ASSIGN,
    (Listing.FINDINGS, ActKind.NOTIFY): finding_deeds.NOTIFY,
    (Listing.FINDINGS, ActKind.EXCEPT): finding_deeds.EXCEPT,
    (Listing.FINDINGS, ActKind.UNDO): UNDO,
}


LATEST = "-started"


@dataclass(frozen=True, slots=True)
class ActPage:
    """Acts with their tallies, and how many there are in all."""

    acts: Sequence[tuple[Act, Tally]]
    total: int


def choose_rows(
    tx: Transaction,
    listing: Listing,
    kind: str,
    *,
    ids: Sequence[str] = (),
    wish: str | None = None,
) -> Act:
    """Write down the rows of an act: these ids, or all that match the list's address ``wish``.

    Needs the right to read the list; what may be changed is judged when the act is planned.
    Raises InvalidInputError for no rows, or more than 50,000.
    """
    wanted = orders.check_kind(listing, kind)
    found = choosing.choose(tx, listing, ids, wish)
    if not found:
        raise InvalidInputError(
            msg("No row is chosen."), hint=msg("Tick some, or take all that match the search.")
        )
    return _insert(tx, listing, wanted, [Member(n, t, Outcome.TODO) for n, t in enumerate(found)],
                   wish=wish or "")  # fmt: skip


def _insert(
    tx: Transaction, listing: Listing, kind: ActKind, members: Sequence[Member], *, wish: str = "",
    words: Mapping[str, str] | None = None, undoes: str | None = None,
) -> Act:  # fmt: skip
    by = tx.principal
    act = Act(
        new_id("act"), listing, kind, wish, words or {}, ActState.DRAFT, by.reference, by.name,
        by.person_id, tuple(sorted({*by.rights, *by.scoped})), tx.now, len(members), undoes=undoes,
    )  # fmt: skip
    store.insert_act(tx, act, members)
    return act


def plan_act(
    tx: Transaction, act_id: str, words: Mapping[str, str], *, kind: str = "", time_zone: str = ""
) -> tuple[Act, Tally]:
    """Say what an act is to do and judge every row; nothing is done yet.

    ``kind`` changes what is to be done with the same rows. Raises InvalidInputError for words
    that lack or cannot be, ConflictError for an act that was started.
    """
    before = _require_own(tx, act_id, {ActState.DRAFT, ActState.PLANNED})
    wanted = orders.check_kind(before.listing, kind or before.kind)
    given = choosing.check_order(tx, wanted, orders.check_words(before.listing, wanted, words))
    act = replace(before, kind=wanted, words={**given, "time_zone": time_zone},
                  state=ActState.PLANNED)  # fmt: skip
    _save(tx, act, before.state)
    store.reset_members(tx, act.id)
    return act, _judge_all(tx, act)


def _judge_all(tx: Transaction, act: Act) -> Tally:
    members = store.list_members(tx, act.id, None, 0, MOST_MEMBERS)
    _judge(tx, act, members)
    return store.count_members(tx, [act.id])[act.id]


def _judge(tx: Transaction, act: Act, members: Sequence[Member]) -> list[Member]:
    """Note which rows cannot be done; return those that can."""
    reasons = _DEEDS[act.listing, act.kind].judge(tx, act, members)
    judged = [(member, reasons.get(member.target, Reason.BEYOND)) for member in members]
    store.save_members(tx, act.id, [
        replace(m, outcome=Outcome.SAME if why is Reason.ALREADY else Outcome.REFUSED, reason=why)
        for m, why in judged
        if why is not Reason.NONE
    ])  # fmt: skip
    return [member for member, why in judged if why is Reason.NONE]


def start_act(tx: Transaction, act_id: str) -> Act:
    """Let the worker do a planned act; the order with all its rows becomes evidence first.

    By a fresh proof: one click concerns up to thousands of people.
    """
    tx.principal.require_fresh(tx.now)
    before = _require_own(tx, act_id, {ActState.PLANNED})
    if not store.count_members(tx, [act_id])[act_id].of(Outcome.TODO):
        raise ConflictError(
            msg("There is nothing in this act that can be done."),
            hint=msg("Choose other rows, or do something else with them."),
        )
    act = replace(before, state=ActState.RUNNING, started_at=tx.now)
    _save(tx, act, before.state)
    if act.undoes:
        _mark_undone(tx, act)
    evidence.record(
        tx, kind="bulk.ordered", subject=f"act:{act.id}",
        detail={**_describe(act), "rows": store.list_targets(tx, act.id)},
    )  # fmt: skip
    return act


def _mark_undone(tx: Transaction, act: Act) -> None:
    undone = store.find_act(tx, act.undoes or "")
    if undone is None or undone.undone_by is not None:
        raise ConflictError(
            msg("This act was undone already."), hint=msg("Look at the list of acts.")
        )
    store.save_act(tx, replace(undone, undone_by=act.id), undone.state)


def stop_act(tx: Transaction, act_id: str) -> Act:
    """Stop a running act after the piece in hand; what is done stays done."""
    before = _require_own(tx, act_id, {ActState.RUNNING})
    store.leave_members(tx, act_id, Reason.STOPPED)
    return _end(tx, before, ActState.STOPPED)


def undo_act(tx: Transaction, act_id: str) -> tuple[Act, Tally]:
    """Plan an act that takes back what another did, where nobody changed it since."""
    undone = _require_own(tx, act_id, _ENDED)
    if undone.kind not in UNDOABLE or undone.undone_by is not None:
        raise ConflictError(
            msg("This act cannot be undone."),
            hint=msg("Messages are sent and requests are made; take back a request on its page."),
        )
    done = store.list_members(tx, act_id, Outcome.DONE, 0, MOST_MEMBERS)
    if not done:
        raise ConflictError(msg("The act did nothing that could be undone."))
    members = [Member(n, m.target, Outcome.TODO, before=m.before) for n, m in enumerate(done)]
    words = {**undone.words, "undoes": undone.kind.value}
    draft = _insert(tx, undone.listing, ActKind.UNDO, members, words=words, undoes=undone.id)
    act = replace(draft, state=ActState.PLANNED)
    _save(tx, act, ActState.DRAFT)
    return act, _judge_all(tx, act)


def work_on_acts(database: Database) -> bool:
    """Do the next piece of the act that has been running for the longest; False if there is none.

    Called by the worker. One transaction a piece: whatever else writes comes in between.
    """
    with database.read(SYSTEM) as tx:
        act = store.find_running(tx)
        if act is None:
            return False
    try:
        with database.write(SYSTEM) as tx:
            _do_piece(tx, replace(tx, principal=standing.renew(tx, _orderer(act))), act)
    except UnavailableError:
        raise  # the same piece is done again later
    except SekishoError as error:
        log.exception("an act on many cannot go on", act=act.id, why=str(error.message))
        with database.write(SYSTEM) as tx:
            store.leave_members(tx, act.id, Reason.FAULT)
            _end(tx, act, ActState.STOPPED)
    return True


def _do_piece(tx: Transaction, own: Transaction, act: Act) -> None:
    if store.find_act(tx, act.id) != act:
        return  # stopped since
    deed = _DEEDS[act.listing, act.kind]
    size = MOST_MEMBERS if deed.whole else PIECE
    members = store.list_members(tx, act.id, Outcome.TODO, 0, size)
    if members and not choosing.may_act(own.principal, act):
        store.leave_members(tx, act.id, Reason.BEYOND)
        members = []
    able = _judge(own, act, members) if members else []
    if able:
        done = deed.do(own, act, able)
        store.save_members(tx, act.id, [
            replace(m, outcome=Outcome.DONE, before=done.get(m.target)) for m in able
        ])  # fmt: skip
    if len(members) < size:
        _end(tx, act, ActState.DONE)


def _orderer(act: Act) -> Principal:
    kind, _, name = act.actor.partition(":")
    token = act.person_id if kind == PrincipalKind.TOKEN else None
    return Principal(
        PrincipalKind(kind), name, act.actor_name, frozenset(act.rights), owner_id=token
    )


def _end(tx: Transaction, before: Act, state: ActState) -> Act:
    act = replace(before, state=state, finished_at=tx.now)
    _save(tx, act, before.state)
    tally = store.count_members(tx, [act.id])[act.id]
    evidence.record(
        tx, kind="bulk.finished", subject=f"act:{act.id}",
        detail={**_describe(act), "outcomes": {o.value: n for o, n in tally.outcomes.items()},
                "reasons": {f"{o}:{r}": n for (o, r), n in tally.reasons.items() if r}},
    )  # fmt: skip
    telling.tell_finished(tx, act, tally)
    return act


def _describe(act: Act) -> dict[str, object]:
    return {
        "listing": act.listing.value, "act": act.kind.value, "total": act.total,
        "words": dict(act.words), "ordered_by": act.actor, "undoes": act.undoes,
    }  # fmt: skip


def get_act(tx: Transaction, act_id: str) -> tuple[Act, Tally]:
    """Return an act of one's own, or any to who has ``evidence.read``; raise NotFoundError."""
    act = store.find_act(tx, act_id)
    mine = act is not None and act.actor == tx.principal.reference
    if act is None or not (mine or tx.principal.allows("evidence.read")):
        raise _no_act(act_id)
    return act, store.count_members(tx, [act_id])[act_id]


def list_members(
    tx: Transaction, act_id: str, outcome: str = "", *, offset: int = 0, limit: int = 50
) -> Sequence[Member]:
    """Return rows of an act in order, those with an outcome or all."""
    get_act(tx, act_id)
    wanted = Outcome(outcome) if outcome in set(Outcome) else None
    return store.list_members(tx, act_id, wanted, max(0, offset), max(1, min(limit, 1_000)))


def list_acts(
    tx: Transaction, search: str = "", sort: str = LATEST, *, offset: int = 0, limit: int = 50
) -> ActPage:
    """Return the acts one started; all of them to who has ``evidence.read``.

    ``search`` is looked for in what was done, with which words, and by whom.
    """
    everyone = tx.principal.allows("evidence.read")
    words = search.strip()[:200]
    mine = None if everyone else tx.principal.reference
    wanted = store.ActFilter(mine, words, _find_kinds(words.lower()))
    chosen = sort if sort.removeprefix("-") in store.SORTS else LATEST
    found, total = store.list_acts(tx, wanted, chosen, max(0, offset), max(1, min(limit, 200)))
    tallies = store.count_members(tx, [act.id for act in found])
    return ActPage([(act, tallies[act.id]) for act in found], total)


def _find_kinds(words: str) -> list[ActKind]:
    return [
        kind
        for kind, named in WORDS_OF_ACT.items()
        if any(words in translate(named, language).lower() for language in LANGUAGES)
    ]


def forget_acts(tx: Transaction) -> None:
    """Forget what was never started, and what ended half a year ago. Called by the worker."""
    store.delete_drafts(tx, tx.now - _DRAFTS)
    store.delete_old(tx, tx.now - KEPT)


def _require_own(tx: Transaction, act_id: str, states: frozenset[ActState] | set[ActState]) -> Act:
    act = store.find_act(tx, act_id)
    if act is None or act.actor != tx.principal.reference:
        raise _no_act(act_id)
    if act.state not in states:
        raise ConflictError(
            msg("The act has moved on meanwhile; nothing was changed."),
            hint=msg("Load its page again to see how it stands."),
        )
    return act


def _save(tx: Transaction, act: Act, before: ActState) -> None:
    if not store.save_act(tx, act, before):
        raise ConflictError(
            msg("The act has moved on meanwhile; nothing was changed."),
            hint=msg("Load its page again to see how it stands."),
        )


def _no_act(act_id: str) -> NotFoundError:
    return NotFoundError(
        msg("There is no act %(id)s.", id=act_id[:60]),
        hint=msg("Plans that are not started are forgotten after a day."),
    )
