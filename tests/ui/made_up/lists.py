"""Made-up findings, acts on many, views and sheets."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace as S
from typing import Any

from sekisho.findings.model import DayCount, FindingKind
from sekisho.identity.model import Role
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.worklists.model import (
    ACTS_OF,
    WORDS_OF_ACT,
    WORDS_OF_OUTCOME,
    WORDS_OF_REASON,
    WORDS_OF_STATE,
    Act,
    ActKind,
    ActState,
    Listing,
    Outcome,
    Reason,
    SavedView,
    SheetChange,
    SheetFault,
    SheetPlan,
    Tally,
)
from sekisho.worklists.service.findings import FindingSearch
from sekisho.worklists.service.views import ViewDraft
from sekisho.worklists.web.acts import WORDS_OF_LIST, Draft, MemberRow
from sekisho.worklists.web.findings import WORDS_OF_KIND, Asked, FindingRow, Step, draw_days
from sekisho.worklists.web.people import Candidate
from sekisho.worklists.web.sheets import COLUMN_WORDS
from ui.made_up.common import NOW, TITLES, UNITS, WHY, before

PAGING = {"page": 1, "pages": 7, "first": 1, "last": 4, "total": 342}
PEOPLE = ["田中 花子", "渡辺 美咲", "", "Alexandra Papadopoulos-Featherstonehaugh"]


def _rows() -> list[FindingRow]:
    keys = ["disk-encryption", "router-firmware", "remote-tools", "os-updates"]
    levels = ["critical", "high", "medium", "low"]
    return [
        FindingRow(
            f"fnd_{place}", TITLES[key], levels[place], WORDS_OF_KIND[FindingKind.COMPLIANCE],
            f"pc-0{place}417", f"dev_{place}", PEOPLE[place], f"per_{place}",
            before(days=3 + 20 * place), before(minutes=12), NOW + timedelta(days=4 - 3 * place),
            place > 1, 1 + place % 2, True, PEOPLE[3 - place], None,
        )
        for place, key in enumerate(keys)
    ]  # fmt: skip


def findings(language: str) -> dict[str, Any]:
    days = [
        DayCount(date(2026, 11, 1) + timedelta(days=n), 360 - n * 7 + n % 5 * 11, 12, 9)
        for n in range(30)
    ]
    return {
        **PAGING, "rows": _rows(), "filters": FindingSearch(severity="high", rule="os-updates"),
        "severities": {"critical": 12, "high": 87, "medium": 201, "low": 42}, "units": UNITS,
        "rules": [(key, TITLES[key], 90 - 9 * n) for n, key in enumerate(list(TITLES)[:6])],
        "who_name": "", "kinds": WORDS_OF_KIND, "controls": {}, "days": days,
        "chart": draw_days(days, language), "may_act": True, "kept": [("severity", "high")],
    }  # fmt: skip


def finding(_language: str) -> dict[str, Any]:
    row = _rows()[0]
    return {
        "finding": S(id=row.id, title=row.title, topic="disk-encryption", owner="per_2"),
        "row": row, "control": S(title=TITLES["disk-encryption"], why=WHY),
        "steps": [
            Step(before(hours=2), msg("Note"), "佐伯 航", "本人に電話した。金曜に交換する。"),
            Step(before(days=1), msg("Given to %(name)s", name="渡辺 美咲"), "佐伯 航"),
            Step(before(days=3), msg("Found for the first time")),
        ],
        "asked": Asked("田中", [Candidate("per_3", "田中 花子", "hanako@example.jp"),
                              Candidate("per_4", "田中 一郎", "ichiro@example.jp")]),
        "may_write": True, "me": "per_1", "exceptions": [],
    }  # fmt: skip


_ACT = Act(
    "act_1", Listing.DEVICES, ActKind.TAG, "verdict=fail", {"tags": "在宅, 重点確認"},
    ActState.PLANNED, "person:per_1", "佐伯 航", "per_1", (), before(minutes=3), 10_000,
)  # fmt: skip
_TALLY = Tally(
    {Outcome.TODO: 8_912, Outcome.SAME: 604, Outcome.REFUSED: 484},
    {(Outcome.TODO, Reason.NONE): 8_912, (Outcome.SAME, Reason.ALREADY): 604,
     (Outcome.REFUSED, Reason.PRIVATE): 431, (Outcome.REFUSED, Reason.BEYOND): 53},
)  # fmt: skip


def _act(act: Act, tally: Tally, outcomes: list[tuple[Outcome, Reason]]) -> dict[str, Any]:
    rows = [
        MemberRow(
            f"dev_{n}", f"pc-0{n}417", PEOPLE[n % 4], f"/devices/dev_{n}", outcome.value,
            WORDS_OF_OUTCOME[outcome], WORDS_OF_REASON.get(why),
        )
        for n, (outcome, why) in enumerate(outcomes)
    ]  # fmt: skip
    return {
        **PAGING, "act": act, "tally": tally, "rows": rows, "outcome": "", "kind": act.kind.value,
        "words": defaultdict(str, act.words), "choices": ACTS_OF[act.listing], "mine": True,
        "draft": Draft(act.words), "person_name": "渡辺 美咲", "rules": list(TITLES.items()),
        "rule_titles": TITLES, "tags": [("在宅", 120)], "may_undo": act.state is ActState.DONE,
        "reasons": [(WORDS_OF_REASON[why], n) for (_, why), n in tally.reasons.items() if why],
        **_words(),
    }  # fmt: skip


def _words() -> dict[str, Any]:
    return {
        "words_of_act": WORDS_OF_ACT, "words_of_state": WORDS_OF_STATE,
        "words_of_outcome": WORDS_OF_OUTCOME, "words_of_reason": WORDS_OF_REASON,
        "words_of_list": WORDS_OF_LIST,
    }  # fmt: skip


def act_draft(_language: str) -> dict[str, Any]:
    act = replace(_ACT, state=ActState.DRAFT, kind=ActKind.OWN, words={})
    fault = InvalidInputError(msg("Nobody is named."), hint=msg("Choose it once more."))
    people = [Candidate("per_3", "田中 花子", "hanako@example.jp")]
    made = _act(act, Tally({Outcome.TODO: 10_000}), [(Outcome.TODO, Reason.NONE)] * 3)
    return made | {"draft": Draft({"who_words": "田中"}, people, fault)}


def act_plan(_language: str) -> dict[str, Any]:
    planned = [(Outcome.TODO, Reason.NONE), (Outcome.REFUSED, Reason.PRIVATE),
               (Outcome.SAME, Reason.ALREADY), (Outcome.REFUSED, Reason.BEYOND)]  # fmt: skip
    return _act(_ACT, _TALLY, planned)


def act_running(_language: str) -> dict[str, Any]:
    act = replace(_ACT, state=ActState.RUNNING, started_at=before(seconds=20))
    return _act(act, Tally({Outcome.TODO: 4_000, Outcome.DONE: 6_000}),
                [(Outcome.DONE, Reason.NONE), (Outcome.TODO, Reason.NONE)])  # fmt: skip


def act_done(_language: str) -> dict[str, Any]:
    act = replace(
        _ACT, state=ActState.DONE, started_at=before(minutes=2), finished_at=before(minutes=1)
    )
    tally = replace(_TALLY, outcomes={Outcome.DONE: 8_912, Outcome.SAME: 604,
                                      Outcome.REFUSED: 484})  # fmt: skip
    return _act(act, tally, [(Outcome.DONE, Reason.NONE), (Outcome.REFUSED, Reason.PRIVATE),
                             (Outcome.SAME, Reason.ALREADY)])  # fmt: skip


def acts(_language: str) -> dict[str, Any]:
    done = replace(_ACT, state=ActState.DONE, started_at=before(hours=1), undone_by="act_2")
    undo = replace(_ACT, id="act_2", kind=ActKind.UNDO, state=ActState.RUNNING, words={},
                   started_at=before(minutes=1))  # fmt: skip
    asked = {"q": "西日本", "sort": "-started"}
    return {**PAGING, **_words(), "filters": asked, "acts": [(undo, _TALLY), (done, _TALLY)]}


def view(_language: str) -> dict[str, Any]:
    kept = SavedView("vw_1", Listing.DEVICES, "要対応の端末（西日本）", "verdict=fail", "per_1",
                     "佐伯 航", "csirt", "uni_2", NOW)  # fmt: skip
    return {
        "listing": kept.listing, "list_word": WORDS_OF_LIST[kept.listing], "view": kept,
        "draft": ViewDraft(kept.name, kept.query, kept.role, kept.unit_id), "fault": None,
        "units": UNITS, "roles": list(Role), "words_of_role": WORDS_OF_ROLE, "begins": True,
        "mine": True,
    }  # fmt: skip


def sheet(_language: str) -> dict[str, Any]:
    return {"listing": Listing.DEVICES, "list_word": WORDS_OF_LIST[Listing.DEVICES],
            "fault": None, "done": 12}  # fmt: skip


def sheet_plan(_language: str) -> dict[str, Any]:
    changes = (
        SheetChange(2, "dev_1", "pc-01417", "tags", "在宅", "在宅; 重点確認"),
        SheetChange(3, "dev_2", "pc-02417", "owner_email", "", "hanako@example.jp"),
    )
    faults = (SheetFault(17, msg("Nobody has the address “%(got)s”.", got="x@example.jp")),)
    plan = SheetPlan(Listing.DEVICES, 40, changes, faults)
    return {
        "listing": Listing.DEVICES, "list_word": WORDS_OF_LIST[Listing.DEVICES], "plan": plan,
        "mark": "m", "sheet_id": "sht_1", "most": 200, "column_words": COLUMN_WORDS,
    }  # fmt: skip
