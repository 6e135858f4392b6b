"""What else an organisation has after a while: proofs, the gate's log, and work on many."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.population import device_id, insert
from sqlalchemy import text

from sekisho.access import service as access
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Resource, ResourceID, ResourceKind, Upstream
from sekisho.access.policies import Policy, PolicyForm
from sekisho.access.store.tables import DECISIONS, REQUESTS, SESSIONS
from sekisho.controls import service as controls
from sekisho.controls.model import Proof
from sekisho.controls.service import documents, imports, selfcheck_lists, selfchecks
from sekisho.controls.service.selfchecks import questionnaires
from sekisho.controls.store.proof_tables import ANSWERS
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.service import carves, kits
from sekisho.devices.service.kits import KitOrder
from sekisho.devices.store.tables import LOOKS
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import SYSTEM
from sekisho.worklists.model import Listing
from sekisho.worklists.service import acts, views
from sekisho.worklists.service.views import ViewDraft

if TYPE_CHECKING:
    from bench.town import Town

_DECISIONS = 80_000
_SESSIONS = 4_000
_REQUESTS = 500
_RESOURCES = 30
_IMPORTED = 10_000
_ANSWERED_IN_10 = 8
TAG = "在宅"
_FRESH = dt.timedelta(days=60)

# Whoever answered said yes to everything; where their machine says no, it stands against that.
_SAID = """
INSERT INTO control_statements (device_id, control_id, proof, control_version, said, source,
    stated_at, received_at, valid_until, person_id, against_since)
SELECT v.device_id, v.control_id, 'self', v.control_version, 'pass', :source, :now, :now, :until,
    s.person_id, CASE WHEN v.kind = 'fail' THEN :now END
FROM control_verdicts v JOIN control_subjects s ON s.device_id = v.device_id
JOIN selfcheck_invitations i ON i.person_id = s.person_id AND i.round_id = :round
WHERE i.answered_at IS NOT NULL AND v.control_id = :control
"""


def fill_proofs(town: "Town") -> None:
    """Ask everybody, let most answer, close the round; hand in documents and an export."""
    with town.database.write(town.admin) as tx:
        wanted = selfchecks.NewSchedule(min(questionnaires()))
        selfchecks.make_schedule(tx, wanted)
        selfchecks.turn_selfchecks(tx)
        asked = selfcheck_lists.list_rounds(tx)[0]
        town.things["round_id"] = asked.id
    _answer(town, asked.id, asked.check_id)
    with town.database.write(town.admin) as tx:
        selfchecks.make_schedule(tx, replace(wanted, first_at=tx.now))
        selfchecks.turn_selfchecks(tx)
        _hand_in(town, tx)
    _bring_export(town)


def _answer(town: "Town", round_id: str, check_id: str) -> None:
    questionnaire = questionnaires()[check_id]
    told = [p for n, p in enumerate(town.people) if n % 10 < _ANSWERED_IN_10]
    insert(town.database, ANSWERS, (
        {"round_id": round_id, "person_id": p, "question_id": q.id, "answer": "yes"}
        for p in told
        for q in questionnaire.questions
    ))  # fmt: skip
    with town.database.write(SYSTEM) as tx:
        tx.execute(
            text("UPDATE selfcheck_invitations SET answered_at = :now WHERE person_id IN "
                 "(SELECT person_id FROM selfcheck_answers)"), {"now": _plain(tx.now)},
        )  # fmt: skip
        for control in sorted({c for q in questionnaire.questions for c in q.controls}):
            tx.execute(text(_SAID), {
                "source": f"selfcheck:{check_id}:q", "now": _plain(tx.now), "round": round_id,
                "until": _plain(tx.now + _FRESH), "control": control,
            })  # fmt: skip
        tx.execute(text("UPDATE selfcheck_rounds SET closed_at = :now"), {"now": _plain(tx.now)})


def _plain(at: dt.datetime) -> str:
    """Write an instant as SQLite keeps it."""
    return at.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _hand_in(town: "Town", tx: Any) -> None:
    known = controls.catalogue_in_force().controls
    rules = [name for name in sorted(known) if known[name].proof is not Proof.MACHINE]
    for n in range(200):
        new = documents.NewDocument(
            rules[n % len(rules)], f"復元テストの記録 {n}", tx.now - dt.timedelta(days=3),
            tx.now + dt.timedelta(days=90), address="https://files.example.jp/1",
        )  # fmt: skip
        made = documents.submit_document(tx, new, shelf=town.data / "artefacts")
    town.things["document_id"] = made.id


def _bring_export(town: "Town") -> None:
    head = "Device name,Serial number,Primary user UPN,OS,Ownership,Last check-in,Encrypted\n"
    lines = (
        f"PC-X{n:05},XPORT{n:06},p{n}@example.jp,Windows,Corporate,2026-11-20 04:12:00,True"
        for n in range(_IMPORTED)
    )
    sent = (head + "\n".join(lines)).encode()
    folder = town.data / "imports"
    with town.database.write(town.admin) as tx:
        made = imports.upload_export(tx, folder=folder, file_name="intune.csv", content=sent)
        fits = imports.read_draft(tx, folder, made.id).fitting[0]
        imports.preview_import(tx, made.id, folder=folder, yaml=fits.yaml, known=())
    town.things["import_id"] = made.id


def fill_access(town: "Town") -> None:
    """Publish apps, put a policy in force, and write what the gate decided for a week."""
    with town.database.write(town.admin) as tx:
        for n in range(_RESOURCES):
            app = Resource(
                ResourceID(""), f"app-{n}", f"社内アプリ {n}", f"App {n}", ResourceKind.HTTP,
                f"app-{n}.example.jp", (Upstream("192.0.2.10", 443, tls=True),),
            )  # fmt: skip
            town.things["resource_id"] = access.add_resource(tx, app).id
        rule = Policy("staff", write_form("staff", PolicyForm()), "社員", "Staff")
        made = access.propose_policies(tx, [rule], note="始めの規則", based_on=0)
        town.things["number"] = str(made.number)
        now, app_id = tx.now, town.things["resource_id"]
    insert(town.database, DECISIONS, _decisions(town, now, app_id))
    insert(town.database, SESSIONS, _sessions(town, now, app_id))
    insert(town.database, REQUESTS, (
        {"id": f"ask_{n:022}", "person_id": town.people[n], "resource_id": app_id,
         "reason": "保守のため", "minutes": 60, "state": "waiting", "created_at": now,
         "words": ""}
        for n in range(_REQUESTS)
    ))  # fmt: skip
    town.things |= {"ask_id": f"ask_{0:022}", "decision_id": f"dec_{1:022}"}


def _decisions(town: "Town", now: dt.datetime, app_id: str) -> Iterator[dict[str, Any]]:
    for n in range(_DECISIONS):
        at = now - dt.timedelta(seconds=3 * n)
        who = n % len(town.people)
        yield {
            "id": f"dec_{n:022}", "at": at, "last_at": at, "times": 1,
            "outcome": "deny" if n % 10 == 0 else "allow", "person_id": town.people[who],
            "device_id": device_id(who * 3), "resource_id": app_id, "session_id": None,
            "door": "device", "address": "192.0.2.7", "trust": 3, "policy_version": 1,
            "reason": "default", "reasons": [], "signals": {}, "same": f"{n}",
        }  # fmt: skip


def _sessions(town: "Town", now: dt.datetime, app_id: str) -> Iterator[dict[str, Any]]:
    for n in range(_SESSIONS):
        yield {
            "id": f"acs_{n:022}", "person_id": town.people[n % len(town.people)],
            "device_id": device_id(n), "resource_id": app_id, "kind": "http", "door": "device",
            "sign_in": "", "serial": "",
            "address": "192.0.2.7", "since": now, "checked_at": now,
            "valid_until": now + dt.timedelta(hours=8), "policy_version": 1, "trust": 3,
            "ended_at": None, "ended_because": "",
        }  # fmt: skip


def fill_work(town: "Town") -> None:
    """Tag 10,000 devices, save views, bring files; order some files of devices and kits."""
    with town.database.write(town.admin) as tx:
        act = acts.choose_rows(tx, Listing.DEVICES, "tag", wish="platform=linux&ownership=company")
        acts.plan_act(tx, act.id, {"tags": TAG})
        acts.start_act(tx, act.id)
    while acts.work_on_acts(town.database):
        pass
    with town.database.write(town.admin) as tx:
        for n in range(40):
            draft = ViewDraft(f"見方 {n}", f"verdict=fail&q={n}", "security" if n % 2 else "")
            town.things["view_id"] = views.save_view(tx, Listing.DEVICES, draft).id
        people = ["氏名,メールアドレス,部署"]
        people += [f"改名 {n},p{n}@example.jp,第1会社 / 第1本部 / 第1課" for n in range(10_000)]
        sent = "\n".join(people).encode("cp932")
        town.things["roster_id"] = identity.hold_roster(tx, "people.csv", sent)
        for n in range(300):
            path = f"C:\\Temp\\{n}.log"
            carves.request_carve(tx, device_id(n % 25 * 100 + 50), path, "調査のため")
            kits.create_kit(tx, KitOrder(KitKind.DEVICE, Ownership.COMPANY, f"PC {n}"))
        page = findings.list_findings(tx, page_size=1)
        ids = [(town.admin.person_id or "", town.things["device_id"])]
    town.things |= {
        "act_id": act.id, "finding_id": page.findings[0].id,
        "control_id": min(controls.catalogue_in_force().controls), "listing": "devices",
    }  # fmt: skip
    insert(town.database, LOOKS, (
        {"id": new_id("lok"), "device_id": device, "at": now, "looker": who, "looker_name": "x",
         "what": "device", "purpose": ""}
        for who, device in ids
        for now in [town.database.clock.now()] * 500
    ))  # fmt: skip
