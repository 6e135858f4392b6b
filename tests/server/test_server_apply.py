"""A folder applied to a real database: all or nothing, on record, no way around a right."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from fakes.clock import FakeClock
from sekisho.access import service as access
from sekisho.controls.service import selfchecks
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role, Strength
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, NotPermittedError
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.server.apply.export import write_texts
from sekisho.server.apply.model import FolderError, Plan
from sekisho.server.apply.service import Desk, apply_plan, export_folder, plan_folder
from sekisho.server.apply.state import read_state
from sekisho.server.auth import command_principal
from support.identity_town import Town

HOOK = "https://hooks.slack.com/services/T1/B2/SECRET"


@dataclass(slots=True)
class Bench:
    """A folder under way and the database it is held against."""

    town: Town
    desk: Desk
    folder: Path

    def write(self, **files: str) -> None:
        """Write files, ``units="…"`` as ``units.yaml``."""
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def plan(self) -> Plan:
        """Return the rehearsed plan."""
        return plan_folder(self.desk, self.folder)[1]

    def apply(self) -> Plan:
        """Plan and do it."""
        sections, plan = plan_folder(self.desk, self.folder)
        return apply_plan(self.desk, sections, plan.digest)

    def refusals(self) -> list[str]:
        """Return what stands in the way, each with its place."""
        with pytest.raises(FolderError) as caught:
            self.plan()
        return [str(fault) for fault in caught.value.faults]

    def roles(self, email: str) -> frozenset[Assignment]:
        """Return the roles somebody has now."""
        with self.desk.database.read(SYSTEM) as tx:
            person = identity.find_person_by_email(tx, email)
        assert person is not None
        return person.assignments


@pytest.fixture
def bench(database: Database, clock: FakeClock, box: SecretBox, tmp_path: Path) -> Bench:
    folder = tmp_path / "folder"
    folder.mkdir()
    desk = Desk(database, box, command_principal(box), {"HOOK": HOOK})
    return Bench(Town(database, clock, box), desk, folder)


UNITS = """
units:
  - name: 本社
    kind: subsidiary
    country: JP
    units:
      - name: 営業部
"""


def said(plan: Plan) -> list[tuple[str, str, str]]:
    return [(step.act.value, step.kind.value, step.name) for step in plan.steps]


def test_units_groups_and_roles_are_made_with_their_records_and_then_nothing_is_left(
    bench: Bench,
) -> None:
    bench.town.add("a@example.jp")
    before = bench.town.kinds()
    bench.write(
        units=UNITS,
        groups="groups:\n  - name: 在宅\n    note: 週三日\n    members: [A@example.jp]\n",
        roles="roles:\n  - person: a@example.jp\n    has:\n      - auditor\n"
        "      - {role: manager, unit: 本社/営業部}\n",
    )
    planned = bench.plan()
    assert said(planned) == [
        ("add", "unit", "本社"),
        ("add", "unit", "本社 / 営業部"),
        ("add", "group", "在宅"),
        ("change", "roles", "a@example.jp"),
    ]
    assert bench.town.kinds() == before  # a plan changes nothing, not even the evidence

    assert bench.apply().digest == planned.digest

    assert bench.town.kinds()[len(before) :] == [
        "identity.unit_created",
        "identity.unit_created",
        "identity.group_created",
        "identity.group_members_changed",
        "identity.roles_changed",
    ]
    assert {held.role for held in bench.roles("a@example.jp")} == {Role.AUDITOR, Role.MANAGER}
    assert bench.plan().steps == ()


RESOURCES = """
complete: true
resources:
  - key: wiki
    public_host: wiki.example.jp
    name_ja: 社内Wiki
    upstreams: ["tls://wiki.lan:443 wiki.internal", "tls://[2001:db8::5]:443"]
    most_mfa_minutes: 60
  - key: ssh
    kind: tcp
    public_host: ssh.example.jp
    name_en: SSH
    upstreams: [tcp://10.0.0.6:22]
    ports: [22, 2222]
    least_strength: resistant
"""


def test_resources_are_published_changed_exported_and_taken_away(bench: Bench) -> None:
    bench.write(resources=RESOURCES)
    assert said(bench.plan()) == [("add", "resource", "ssh"), ("add", "resource", "wiki")]
    bench.apply()
    assert bench.plan().steps == ()
    with bench.desk.database.read(bench.desk.principal) as tx:
        ssh, wiki = access.list_resources(tx)
        written = write_texts(read_state(tx, bench.desk.box))["resources.yaml"]
    assert (ssh.ports, ssh.least_strength, ssh.kind) == ((22, 2222), Strength.RESISTANT, "tcp")
    assert {each.tls_name for each in wiki.upstreams} == {"", "wiki.internal"}
    assert "least_trust" not in written  # as in every new one

    bench.write(resources=written.replace("most_mfa_minutes: 60", "most_mfa_minutes: 30"))
    assert said(bench.plan()) == [("change", "resource", "wiki")]
    bench.apply()
    bench.write(resources="complete: true\nresources:\n  - {key: wiki, note: n}\n")
    bench.apply()
    with bench.desk.database.read(bench.desk.principal) as tx:
        (left,) = access.list_resources(tx)
    assert (left.id, left.note, left.most_mfa_age) == (wiki.id, "n", timedelta(minutes=30))


def test_what_is_not_in_the_folder_stays_unless_it_is_complete(bench: Bench) -> None:
    bench.town.add("a@example.jp", Role.SECURITY)
    bench.town.add("b@example.jp")
    bench.town.unit("支社")
    bench.write(groups="groups:\n  - {name: G, members: [a@example.jp]}\n  - {name: H}\n")
    bench.apply()
    bench.write(
        units=UNITS,
        groups="groups:\n  - {name: G, members: [b@example.jp]}\n",
        roles="roles:\n  - {person: b@example.jp, has: [auditor]}\n",
    )
    bench.apply()
    assert Assignment(Role.SECURITY) in bench.roles("a@example.jp")
    bench.write(
        units="complete: true\n" + UNITS,
        groups="complete: true\ngroups:\n  - {name: G, members: [b@example.jp]}\n",
        roles="complete: true\nroles:\n  - {person: b@example.jp, has: [auditor]}\n",
    )

    plan = bench.apply()

    assert said(plan) == [
        ("change", "group", "G"),
        ("change", "roles", "a@example.jp"),
        ("remove", "group", "H"),
        ("remove", "unit", "支社"),
    ]
    assert plan.steps[0].differences[0].before == frozenset({"a@example.jp", "b@example.jp"})
    assert bench.roles("a@example.jp") == frozenset()
    assert bench.plan().steps == ()


def test_one_refusal_undoes_everything_and_all_are_named_with_their_place(bench: Bench) -> None:
    unit = bench.town.unit("古い部署")
    bench.town.add("a@example.jp", unit=unit)
    before = bench.town.kinds()
    bench.write(
        units="complete: true\n" + UNITS,
        self_checks="schedules:\n  - {check: none, to: everybody}\n"
        "  - {check: telework, to: everybody, every_days: 3}\n",
    )

    refused = bench.refusals()

    assert [text.split(": ")[0] for text in refused] == [
        "self_checks.yaml:2",
        "self_checks.yaml:3",
        "units.yaml:1",
    ]
    assert bench.town.kinds() == before


def test_people_units_and_groups_that_are_not_there_are_named_with_a_suggestion(
    bench: Bench,
) -> None:
    bench.town.add("saeki@example.jp")
    bench.write(
        units=UNITS,
        groups="groups:\n  - name: 在宅\n    members:\n      - saek@example.jp\n",
        roles="roles:\n  - person: saeki@example.jp\n    has:\n"
        "      - {role: manager, unit: 本社 / 営業}\n  - {person: x@other.test, has: [admin]}\n",
        self_checks="schedules:\n  - check: telework\n    to: {group: 在宅者}\n",
    )
    refused = bench.refusals()
    assert refused[0].startswith("groups.yaml:4: ")
    assert "Did you mean “saeki@example.jp”?" in refused[0]
    assert refused[1].startswith("roles.yaml:4: ")
    assert "Did you mean “本社 / 営業部”?" in refused[1]
    assert refused[2].startswith("roles.yaml:5: ")
    assert refused[3].startswith("self_checks.yaml:3: ")


def test_the_last_administrator_stays(bench: Bench) -> None:
    bench.town.start_admin()
    bench.town.add("b@example.jp")
    bench.write(roles="complete: true\nroles: []\n")
    assert ["last administrator" in text for text in bench.refusals()] == [True]
    # Somebody who could not sign in does not count as another one.
    bench.write(roles="complete: true\nroles:\n  - {person: b@example.jp, has: [admin]}\n")
    assert ["last administrator" in text for text in bench.refusals()] == [True]
    assert Assignment(Role.ADMIN) in bench.roles("saeki@example.jp")


def test_administrators_are_not_asked_for_more_than_any_of_them_has(bench: Bench) -> None:
    with bench.desk.database.write(SYSTEM) as tx:
        identity.change_requirement(tx, "role:admin", 1)
    person = bench.town.add("code@example.jp", Role.ADMIN)
    bench.town.register_totp(bench.town.principal(person), _code_now(bench.town))
    bench.write(sign_in="required:\n  admin: resistant\n")
    assert ["No administrator" in text for text in bench.refusals()] == [True]
    bench.write(sign_in="required:\n  auditor: resistant\n")
    assert said(bench.apply()) == [("change", "sign_in", "auditor")]


def test_nothing_is_given_beyond_what_the_caller_has(bench: Bench) -> None:
    bench.town.add("a@example.jp")
    weaker = replace(bench.desk, principal=_narrowed(bench, {"identity.*", "settings.read",
                                                             "selfchecks.read",
                                                             "access.read"}))  # fmt: skip
    bench.write(roles="roles:\n  - {person: a@example.jp, has: [admin]}\n")
    with pytest.raises(FolderError) as caught:
        plan_folder(weaker, bench.folder)
    assert "rights you do not have" in str(caught.value.faults[0])
    with pytest.raises(NotPermittedError):
        plan_folder(replace(bench.desk, principal=_narrowed(bench, {"self.read"})), bench.folder)


def test_a_plan_is_not_done_once_the_state_is_another(bench: Bench) -> None:
    bench.write(units=UNITS)
    sections, plan = plan_folder(bench.desk, bench.folder)
    bench.town.unit("本社")
    with pytest.raises(ConflictError) as caught:
        apply_plan(bench.desk, sections, plan.digest)
    assert plan.digest in str(caught.value.message)
    assert said(bench.plan())[0] == ("change", "unit", "本社")


def test_a_schedule_that_changes_keeps_its_next_day(bench: Bench) -> None:
    text = "schedules:\n  - {check: telework, to: everybody, every_days: 90, first: 2027-01-10}\n"
    bench.write(self_checks=text)
    bench.apply()
    assert bench.plan().steps == ()
    bench.write(self_checks=text.replace("90", "180"))
    assert said(bench.apply()) == [("change", "self_check", "telework everybody")]
    with bench.desk.database.read(SYSTEM) as tx:
        running = [s for s in selfchecks.list_schedules(tx) if s.stopped_at is None]
    assert [(s.every_days, str(s.next_at)[:10]) for s in running] == [(180, "2027-01-10")]
    bench.write(self_checks="complete: true\nschedules: []\n")
    assert said(bench.apply()) == [("remove", "self_check", "telework everybody")]


def test_what_was_asked_once_is_not_asked_again_by_an_edit(bench: Bench) -> None:
    bench.town.add("a@example.jp")
    text = "schedules:\n  - {check: telework, to: everybody, every_days: 0, open_days: 14}\n"
    bench.write(self_checks=text)
    bench.apply()
    with bench.desk.database.write(SYSTEM) as tx:
        assert selfchecks.turn_selfchecks(tx) == 1
    assert bench.plan().steps == ()
    bench.write(self_checks=text.replace("14", "10"))
    assert ["asked once" in fault for fault in bench.refusals()] == [True]


def test_secrets_come_from_the_environment_and_are_never_shown(bench: Bench) -> None:
    text = "channels:\n  - name: 情シス\n    kind: slack\n    topics: [security]\n"
    bench.write(channels=text + "    secrets: {url: {environment: NOT_SET}}\n")
    assert ["NOT_SET is not set" in fault for fault in bench.refusals()] == [True]
    bench.write(channels=text + "    secrets: {url: {environment: HOOK}}\n")

    plan = bench.apply()

    assert "SECRET" not in repr(plan)
    assert bench.plan().steps == ()
    changed = replace(bench.desk, environment={"HOOK": HOOK + "2"})
    [step] = plan_folder(changed, bench.folder)[1].steps
    assert [(d.field, d.before, d.after) for d in step.differences] == [
        ("secret.url", "•••", "$HOOK")
    ]
    without = replace(bench.desk, environment={})  # what is kept stays where nothing is given
    assert plan_folder(without, bench.folder)[1].steps == ()
    out = bench.folder.parent / "out"
    export_folder(without, out)
    assert "SECRET" not in (out / "channels.yaml").read_text(encoding="utf-8")
    assert (out / "channels.yaml").stat().st_mode & 0o077 == 0
    with pytest.raises(ConflictError):
        export_folder(without, out)


def test_a_unit_written_in_other_letters_is_the_same_unit(bench: Bench) -> None:
    unit = bench.town.unit("Sales")
    person = bench.town.add("a@example.jp")
    bench.town.give(person, Role.MANAGER, unit)
    bench.write(
        units="units:\n  - name: SALES\n",
        roles="roles:\n  - {person: a@example.jp, has: [{role: manager, unit: sales}]}\n",
    )
    assert said(bench.apply()) == [("change", "unit", "Sales")]
    assert bench.plan().steps == ()


def _narrowed(bench: Bench, rights: set[str]) -> Principal:
    return replace(bench.desk.principal, rights=frozenset(rights))


def _code_now(town: Town) -> Callable[[str], str]:
    return lambda secret: pyotp.TOTP(secret).at(town.clock.now())
