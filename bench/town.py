"""An organisation of 10,000 people with three devices each, loaded straight into the database.

Everything that pages show is there in the number that such an organisation has after a while:
units, groups, exceptions, self-checks with answers, reports, notices and their deliveries,
decisions of the gate, live sessions, saved views, an act on many. What a service can make fast
enough is made by the service; the rest is written as the service would leave it.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.made_devices import make_devices
from bench.population import batches, device_id, insert, prepare_house, with_keys
from bench.town_things import fill_access, fill_proofs, fill_work
from sqlalchemy import bindparam, text, update

from sekisho.cases.model import Report, ReportKind, ReportStatus
from sekisho.cases.store import insert_report
from sekisho.controls import service as controls
from sekisho.controls.exceptions import Scope, ScopeKind, Wish
from sekisho.controls.store import figures
from sekisho.controls.store.tables import SUBJECTS
from sekisho.devices.store.tables import DEVICES
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity import service as identity
from sekisho.identity.engine.rights import rights_of
from sekisho.identity.model import Assignment, Person, PersonState, Role
from sekisho.identity.service import groups
from sekisho.identity.service.roles import set_roles
from sekisho.identity.store import people
from sekisho.identity.store.tables import group_members
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import ControlID, PersonID, UnitID, new_id
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import load_settings
from sekisho.notices import service as notices
from sekisho.notices.model import ChannelKind, Holders, Kind, Urgency
from sekisho.notices.service.channels import ChannelOrder

DEVICES_EACH = 3
DAYS = 30
UNIT_SIZE = 50
TOKYO = ZoneInfo("Asia/Tokyo")
_RECORDS = 60_000
_EXCEPTIONS = 600
_REPORTS = 1_000
_TOLD = 6


@dataclass(slots=True)
class Town:
    """Its people and units, and one of each thing that addresses name."""

    data: Path
    database: Database
    box: SecretBox
    things: dict[str, str] = field(default_factory=dict)
    people: list[PersonID] = field(default_factory=list)
    units: list[UnitID] = field(default_factory=list)
    admin: Principal = SYSTEM


def build_town(data: Path, count: int) -> Town:
    """Load an organisation of ``count`` people into a new data folder (SQLite)."""
    prepare_house(data, with_keys(make_devices(0, count * DEVICES_EACH, private_in_10=2)), 1)
    settings = load_settings(data, {})
    box = SecretBox.load_or_create(settings.secret_key)
    town = Town(data, Database(settings.database, SystemClock()), box)
    try:
        _fill_units(town, count)
        _fill_people(town, count)
        _own_devices(town)
        _write_trend(town)
        _add_lookers(town)
        _fill_groups(town)
        _fill_exceptions(town)
        fill_proofs(town)
        fill_access(town)
        _tell_everybody(town)
        _fill_reports(town)
        _fill_records(town)
        fill_work(town)
        with town.database.engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()
    finally:
        town.database.close()
    return town


def _fill_units(town: Town, count: int) -> None:
    """Make sections of fifty people, ten to a division, ten divisions to a company."""
    sections = max(1, count // UNIT_SIZE)
    with town.database.write(SYSTEM) as tx:
        above: dict[str, UnitID] = {}
        for n in range(sections):
            company, division = f"第{n // 100 + 1}会社", f"第{n // 10 + 1}本部"
            top = above.get(company) or identity.create_unit(tx, identity.UnitDraft(company)).id
            middle = above.get(division)
            middle = middle or identity.create_unit(tx, identity.UnitDraft(division), top).id
            above |= {company: top, division: middle}
            made = identity.create_unit(tx, identity.UnitDraft(f"第{n + 1}課"), middle)
            town.units.append(made.id)
    town.things |= {"unit_id": town.units[0], "company_id": above["第1会社"]}


def _fill_people(town: Town, count: int) -> None:
    """Add everybody; the first of each section leads it."""
    town.people = sorted(PersonID(new_id("per")) for _ in range(count))
    for start in range(0, count, 1000):
        with town.database.write(SYSTEM) as tx:
            people.insert_people(
                tx, [_person(town, n) for n in range(start, min(count, start + 1000))]
            )


def _person(town: Town, number: int) -> Person:
    unit = town.units[number // UNIT_SIZE % len(town.units)]
    first = number % UNIT_SIZE == 0
    lead = town.people[number - number % UNIT_SIZE]
    return Person(
        town.people[number], f"社員 {number:05}", f"p{number}@example.jp", "ja",
        PersonState.ACTIVE, frozenset({Role.TELEWORKER}), unit_id=unit,
        manager_id=None if first else lead,
        unit_roles=frozenset({Assignment(Role.MANAGER, unit)}) if first else frozenset(),
    )  # fmt: skip


def _own_devices(town: Town) -> None:
    """Give each person three devices."""
    owned = (
        {"d": device_id(n), "p": person}
        for at, person in enumerate(town.people)
        for n in range(at * DEVICES_EACH, (at + 1) * DEVICES_EACH)
    )
    owner = update(DEVICES).where(DEVICES.c.id == bindparam("d")).values(owner_id=bindparam("p"))
    subject = update(SUBJECTS).where(SUBJECTS.c.device_id == bindparam("d"))
    for part in batches(owned):
        with town.database.write(SYSTEM) as tx:
            tx.execute(owner, part)
            tx.execute(subject.values(person_id=bindparam("p")), part)
    town.things["device_id"] = device_id(1)
    town.things["person_id"] = town.people[1]


def _write_trend(town: Town) -> None:
    with town.database.write(SYSTEM) as tx:
        counts = figures.read_counts(tx, tx.now)
        for day in range(DAYS):
            figures.write_day(tx, (tx.now.date() - dt.timedelta(days=day)).isoformat(), counts)


def _add_lookers(town: Town) -> None:
    """Add an administrator, and somebody who secures one company of the organisation."""
    company = UnitID(town.things["company_id"])
    with town.database.write(SYSTEM) as tx:
        admin = _add(tx, "Bench", Role.ADMIN)
        scoped = _add(tx, "Scoped", Role.TELEWORKER)
        held = {Assignment(role, company) for role in (Role.SECURITY, Role.MANAGER)}
        set_roles(tx, scoped.id, scoped.assignments | held)
        rights = rights_of([Role.ADMIN])
        town.admin = Principal(PrincipalKind.PERSON, admin.id, "Bench", rights, "ses_b", tx.now)


def _add(tx: Transaction, name: str, role: Role) -> Person:
    return identity.add_person(
        tx, name=name, email=f"{name.lower()}@example.jp", language="ja", roles=[role],
        state=PersonState.ACTIVE,
    )  # fmt: skip


def _fill_groups(town: Town) -> None:
    """Make a group of everybody and two hundred of fifty."""
    with town.database.write(SYSTEM) as tx:
        everybody = groups.create_group(tx, "全員").id
        town.things["group_id"] = everybody
        small = [groups.create_group(tx, f"班 {n:03}").id for n in range(200)]
    insert(town.database, group_members, (
        {"group_id": group, "person_id": person}
        for at, person in enumerate(town.people)
        for group in (everybody, small[at % 200])
    ))  # fmt: skip


def _fill_exceptions(town: Town) -> None:
    """Ask for many, approve half of them, and one for everybody."""
    rules = _failing(town)
    for start in range(0, _EXCEPTIONS, 100):
        with town.database.write(SYSTEM) as tx:
            for n in range(start, start + 100):
                scope = Scope(ScopeKind.PERSON, town.people[n * 7 % len(town.people)])
                asker = replace(tx, principal=_someone(town, n * 7 % len(town.people)))
                made = _ask(asker, rules[n % len(rules)], scope)
                town.things["exception_id"] = made
                if n % 2:
                    controls.approve_exception(replace(tx, principal=town.admin), made)
    with town.database.write(_someone(town, 0)) as tx:
        scope = Scope(ScopeKind.PERSON, town.people[1])
        town.things["own exception"] = _ask(
            replace(tx, principal=_someone(town, 1)), rules[-1], scope
        )
    security = replace(_someone(town, 5), rights=rights_of([Role.SECURITY]))
    with town.database.write(security) as tx:
        asked = _ask(tx, rules[0], Scope(ScopeKind.GROUP, town.things["group_id"]))
    with town.database.write(town.admin) as tx:
        controls.approve_exception(tx, asked)


def _failing(town: Town) -> list[ControlID]:
    """Return the rules that apply to every person's devices and may be excepted."""
    del town
    known = controls.catalogue_in_force().controls
    usual = [c for c in sorted(known) if known[c].severity.value in {"medium", "high"}]
    return usual[:20]


def _ask(tx: Transaction, rule: ControlID, scope: Scope) -> str:
    until = tx.now + dt.timedelta(days=20)
    wish = Wish(rule, scope, "古い業務ソフトのため", "社内網に接続しない", until)
    return controls.request_exception(tx, wish, None).id


def _someone(town: Town, number: int) -> Principal:
    name = f"社員 {number:05}"
    rights = rights_of([Role.TELEWORKER])
    now = dt.datetime.now(dt.UTC)
    return Principal(PrincipalKind.PERSON, town.people[number], name, rights, None, now)


def _tell_everybody(town: Town) -> None:
    """Tell everybody a few things; their mails wait (nobody sends them here)."""
    setup = {"host": "127.0.0.1", "port": "9", "security": "none", "from": "s@example.jp"}
    title = {"ja": "「画面ロック」が直っていません", "en": "Not so yet: screen lock"}
    with town.database.write(town.admin) as tx:
        order = ChannelOrder(ChannelKind.MAIL, "Mail", setup)
        town.things["channel_id"] = notices.set_channel(tx, town.box, order).id
        for n in range(_TOLD):
            notices.queue_notice(
                tx, to=Holders("self.read"), kind=Kind.NOTICE_TEST, subject=f"all {n}",
                title=title, body=title, urgency=Urgency.NORMAL,
            )  # fmt: skip
    notices.hand_out(town.database, TOKYO)


def _fill_reports(town: Town) -> None:
    with town.database.write(SYSTEM) as tx:
        for n in range(_REPORTS):
            at = tx.now - dt.timedelta(hours=n)
            status = (ReportStatus.NEW, ReportStatus.OPEN, ReportStatus.CLOSED)[n % 3]
            reporter = town.people[n * 3 % len(town.people)]
            report = Report(
                new_id("rep"), ReportKind.MAIL, reporter, status, "怪しいメールが届きました。", at,
                at, None, at if n % 3 == 2 else None, told_manager=False,
            )  # fmt: skip
            insert_report(tx, report)
        town.things["report_id"] = report.id
        insert_report(tx, replace(report, id="rep_OWN", reporter_id=town.people[1]))


def _fill_records(town: Town) -> None:
    """Write records and seal the chain."""
    for start in range(0, _RECORDS, 5000):
        with town.database.write(SYSTEM) as tx:
            evidence.record_many(tx, list(_records(start, start + 5000)))
    while True:
        with town.database.write(SYSTEM) as tx:
            if not evidence.seal_records(tx):
                break
    with town.database.read(SYSTEM) as tx:
        town.things["wanted"] = evidence.list_records(tx, limit=1)[0].id


def _records(first: int, last: int) -> Iterator[NewRecord]:
    for n in range(first, last):
        yield NewRecord(
            "control.verdict", f"device:{device_id(n % 30_000)}", {"before": "pass", "n": n}
        )
