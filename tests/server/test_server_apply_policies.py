"""Access policies by ``apply``: by names, as one version, past no second person."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sekisho.access import service as access
from sekisho.access.engine.forms import read_form, write_form
from sekisho.access.policies import Effect, Policy, PolicyForm, VersionState
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.service import put_in_force
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import SYSTEM
from sekisho.server.apply.act import do_steps
from sekisho.server.apply.export import write_texts
from sekisho.server.apply.model import Act, Difference, FolderError, Kind, Mark, Plan, Step
from sekisho.server.apply.plan import make_plan
from sekisho.server.apply.policies import list_left_out
from sekisho.server.apply.reading import read_folder
from sekisho.server.apply.service import export_folder
from sekisho.server.apply.state import State, read_state
from server.test_server_apply import RESOURCES, UNITS, Bench, bench, said

__all__ = ["bench"]

GROUP = '在宅 "勤務"'
GROUPS = 'groups:\n  - name: 在宅 "勤務"\n'
POLICIES = """\
policies:
  - id: office
    title_ja: 社内Wikiは勤務時間に
    approvers: manager
    form:
      units: [本社/営業部]
      groups: ['在宅 "勤務"']
      roles: [teleworker]
      resources: [wiki]
      trusts: [managed, private_agent]
      strength: two
      mfa_minutes: 60
      controls: [screen-lock]
      countries: [jp]
      weekdays: [1, 2, 3, 4, 5]
      begin: 09:00
      end: 18:30
      until: 2030-01-01
      needs_grant: true
  - id: ssh
    approvers: {group: '在宅 "勤務"'}
    enabled: false
    cedar: |
      // by the board, Group::"not a name"
      @id("ssh")
      permit(principal, action == Action::"open", resource == Resource :: "ssh")
      when {
        principal == Person::"a@example.jp" && context.findings < 3 &&
        !(principal in Group::"在宅 \\"勤務\\"") && "Group::" != context.country
      };
"""
OPEN = """\
policies:
  - id: all
    form:
      resources: [wiki, ssh]
"""


@pytest.fixture(autouse=True)
def rules() -> Iterator[None]:
    put_in_force(load_catalogue())
    return iter(())


@pytest.fixture
def house(bench: Bench) -> Bench:
    """A folder with all that the policies name, and nobody who could approve."""
    bench.town.add("a@example.jp")
    bench.write(units=UNITS, groups=GROUPS, resources=RESOURCES, policies=POLICIES)
    return bench


def in_force(bench: Bench) -> dict[str, Policy]:
    with bench.desk.database.read(SYSTEM) as tx:
        version = access.version_in_force(tx)
    return {policy.id: policy for policy in (version.policies if version else ())}


def waiting(bench: Bench) -> list[int]:
    with bench.desk.database.read(SYSTEM) as tx:
        return [version.number for version in access.list_waiting(tx)]


def state(bench: Bench) -> State:
    with bench.desk.database.read(bench.desk.principal) as tx:
        return read_state(tx, bench.desk.box)


def exported(bench: Bench) -> str:
    return write_texts(state(bench))["policies.yaml"]


def store(bench: Bench, *policies: Policy) -> None:
    """Put policies in force past the folder, as the pages do where nobody else approves."""
    with bench.desk.database.write(bench.desk.principal) as tx:
        now = access.version_in_force(tx)
        access.propose_policies(tx, policies, note="", based_on=now.number if now else 0)


def ids(bench: Bench) -> dict[str, str]:
    now = state(bench)
    every = [*now.groups.values(), *now.units.values(), *now.resources.values(),
             *now.people.values()]  # fmt: skip
    return {item.key[0]: item.id for item in every}


# What may not happen.


CEDAR = "    cedar: '@id(\"p\") forbid(principal%s, action, resource)%s;'\n"
BLOCK = """\
    cedar: |

      @id("p")
      permit(principal in Group::"在宅",
        action, resource == Resource::"wik");
"""
MISTAKES = [
    ("    form: {groups: [在宅]}\n", 3, "There is no group “在宅”. Known are: 在宅 "),
    ("    form:\n      units:\n        - 本社\n        - 営業部\n", 6, "There is no unit"),
    ("    form: {resources: [wik]}\n", 3, "Did you mean “wiki”?"),
    ("    form: {roles: [admins]}\n", 3, "Did you mean “admin”?"),
    ("    form: {networks: [office]}\n", 3, "There is no network “office”."),
    (
        "    form:\n      controls:\n        - antivirus\n        - screen-lok\n",
        6,
        "“screen-lock”?",
    ),
    (CEDAR % ("", ' unless { context.networks.containsAny(["lan"]) }'), 2, "no network “lan”"),
    ("    form: {}\n    approvers: {group: G}\n", 4, "There is no group “G”."),
    (BLOCK, 6, "There is no group “在宅”."),
    (BLOCK, 7, "Did you mean “wiki”?"),
    (CEDAR % (' == Person::"b@example.jp"', ""), 3, "has the address b@example.jp."),
    (CEDAR % (' in Role::"boss"', ""), 3, "“boss” is not known."),
    (CEDAR % ("", ' when { resource in Kind::"ftp" }'), 3, "“ftp” is not known."),
    (CEDAR % ("", " when { context.mfaa > 1 }"), 3, "mfaa"),
    (CEDAR % (' in A::Group::"x"', ""), 3, "A::Group"),
    (CEDAR % (" in ?principal", ""), 3, "templates"),
    (CEDAR % (",", ""), 3, "Cedar cannot read it"),
    (CEDAR.replace('"p', '"q') % ("", ""), 3, "annotation"),
    ("    cedar: [a]\n", 3, "a text"),
    (f"    cedar: '{'x' * 50_000}'\n", 3, "too long"),
    ("    title_en: nothing\n", 2, "exactly one policy"),
    ("    form: {}\n    cedar: x\n", 4, "not both"),
    ("    form: {groups: []}\n", 3, "at least one"),
    ('    form: {roles: [admin], groups: ["\\b"]}\n', 3, "control characters"),
    ("    form: {until: 1970-01-01}\n", 3, "is no day"),
    ("    form: {begin: '25:00'}\n", 3, "time of day"),
    ("    form: {effect: allow}\n", 3, "permit"),
    ("    form: {gruops: [a]}\n", 3, "Did you mean “groups”?"),
    ("    form: {trusts: [any]}\n", 3, "browser"),
    ("    form: {countries: [Japan]}\n", 3, "country code"),
    ("    approvers: boss\n    form: {}\n", 3, "Expected manager"),
    ("    enabled: maybe\n    form: {}\n", 3, "true or false"),
]


@pytest.mark.parametrize(("written", "line", "why"), MISTAKES)
def test_a_mistake_stands_at_its_line_and_nothing_is_stored(
    house: Bench, written: str, line: int, why: str
) -> None:
    house.write(policies="policies:\n  - id: p\n" + written)
    refusals = house.refusals()
    there = [text for text in refusals if text.startswith(f"policies.yaml:{line}: ")]
    assert any(why in text for text in there), refusals
    assert in_force(house) == {}
    assert waiting(house) == []


def test_a_name_of_a_policy_that_is_none_is_refused(house: Bench) -> None:
    house.write(policies="policies:\n  - {id: sekisho.mine, form: {}}\n")
    assert ["name has 1 to 64" in text for text in house.refusals()] == [True]


def test_a_unit_that_is_there_twice_is_not_guessed(house: Bench) -> None:
    house.apply()
    now = state(house)
    again = replace(now.units["本社 / 営業部"], id="unt_other")
    twice = replace(now, items={**now.items, Kind.UNIT: [*now.items[Kind.UNIT], again]})
    sections, faults = read_folder(house.folder)
    assert faults == []
    with pytest.raises(FolderError) as caught:
        make_plan(sections, twice, {})
    assert [str(fault) for fault in caught.value.faults] == [
        "policies.yaml:6: There are two units “本社 / 営業部”: rename one on its page."
    ]


def test_a_version_that_shuts_every_administrator_out_is_refused(house: Bench) -> None:
    house.apply()
    house.town.start_admin()
    store_open = "  - {id: all, form: {roles: [admin]}}\n"
    house.write(policies="policies:\n" + store_open)
    house.apply()
    with house.desk.database.write(SYSTEM) as tx:
        [number] = [each.number for each in access.list_waiting(tx)]
    second = house.town.add("second@example.jp", Role.ADMIN)
    with house.desk.database.write(house.town.principal(second)) as tx:
        access.approve_version(tx, number)

    house.write(policies="policies:\n  - {id: none, form: {effect: forbid}}\n")

    [refusal] = house.refusals()
    assert refusal.startswith("policies.yaml:2: With this version no administrator could open")
    assert "none" not in in_force(house)
    assert waiting(house) == []


def test_roles_cannot_be_taken_away_to_pass_by_those_who_approve(house: Bench) -> None:
    house.town.add("s@example.jp", Role.SECURITY)
    house.write(roles="complete: true\nroles: []\n")
    assert ["Nobody could approve" in text for text in house.refusals()] == [True]
    assert in_force(house) == {}


def test_a_name_that_slipped_through_is_not_stored_as_an_id(house: Bench) -> None:
    """Cedar itself is asked whom a text names: a forbid of nobody would be no forbid."""
    for who, why in (
        ('A::Group::"G"', 'Nothing here is called A::Group::"G".'),
        ('Group::"G"', "There is no group “G”."),
        ('Resource::"r"', "There is no resource “r”."),
        ('Person::"p@example.jp"', "Nobody here has the address p@example.jp."),
        ("Group", "Cedar cannot read it"),
    ):
        text = f'@id("p") forbid(principal in {who}, action, resource);'
        step = Step(
            Act.ADD, Kind.POLICY, ("p",), (Difference("cedar", "", text),), {"cedar": text},
            Mark("policies.yaml", 7),
        )  # fmt: skip
        with house.desk.database.write(house.desk.principal) as tx:
            now = read_state(tx, house.desk.box)
            [fault] = do_steps(tx, house.desk.box, Plan((step,)), now, {}).refused
        assert (fault.file, fault.line) == ("policies.yaml", 7)
        assert why in str(fault)
    assert in_force(house) == {}


# What may.


def test_where_nobody_could_approve_it_is_in_force_at_once_under_ids(house: Bench) -> None:
    planned = house.plan()
    assert said(planned)[-2:] == [("add", "policy", "office"), ("add", "policy", "ssh")]

    done = house.apply()

    assert done.digest == planned.digest
    assert "in force at once" in str(done.notes[0])
    assert "版1はすぐに有効になります" in translate(done.notes[0], "ja")
    made, called = in_force(house), ids(house)
    form = read_form(made["office"].text)
    assert form is not None
    assert form == PolicyForm(
        Effect.PERMIT, (called["本社 / 営業部"],), (called[GROUP],), ("teleworker",),
        (called["wiki"],), (2, 3), 2, 60, ("screen-lock",), (), ("JP",), (1, 2, 3, 4, 5),
        540, 1110, 1893456000, needs_grant=True,
    )  # fmt: skip
    assert made["office"].approvers == "manager"
    assert made["ssh"].approvers == f"group:{called[GROUP]}"
    assert not made["ssh"].enabled
    assert made["ssh"].text == (
        '// by the board, Group::"not a name"\n@id("ssh")\n'
        f'permit(principal, action == Action::"open", resource == Resource :: "{called["ssh"]}")\n'
        f'when {{\n  principal == Person::"{called["a@example.jp"]}" && context.findings < 3 &&\n'
        f'  !(principal in Group::"{called[GROUP]}") && "Group::" != context.country\n}};'
    )
    assert house.plan().steps == ()
    with house.desk.database.read(SYSTEM) as tx:
        version = access.version_in_force(tx)
    assert version is not None
    assert version.note == f"policies.yaml {planned.digest}"


def test_what_is_exported_plans_nothing_and_makes_the_same_elsewhere(house: Bench) -> None:
    house.apply()
    before = in_force(house)
    written = exported(house)
    assert "grp_" not in written
    assert "res_" not in written
    assert "form:" in written
    assert "  cedar: |-\n    // by the board" in written
    house.write(policies="complete: true\n" + written.removeprefix("complete: false\n"))
    assert house.plan().steps == ()

    store(house)  # as elsewhere: nothing there yet
    assert in_force(house) == {}
    house.apply()
    assert in_force(house) == before


HARD = [
    PolicyForm(),
    PolicyForm(Effect.FORBID, strength=3, begin=0, end=1440),
    PolicyForm(begin=1441, until=5),
    PolicyForm(until=-5),
    PolicyForm(until=253402300800),
    PolicyForm(mfa_minutes=10**7, weekdays=(9,), trusts=(7,), strength=9),
    PolicyForm(countries=("jp", 'a"b'), networks=("- x", "yes")),
    PolicyForm(roles=("admin",), resources=("res_gone",)),
]


def test_policies_that_no_form_of_a_file_can_say_come_back_as_text(house: Bench) -> None:
    policies = [Policy(f"p{n}", write_form(f"p{n}", form)) for n, form in enumerate(HARD)]
    odd = [
        '@id("t0")\r\npermit(principal,\r\n action, resource) when { context.door == "\\t" };\r\n',
        '@id("t1") permit(principal, action, resource)\n when { "\u2028\x85\ufeff" != "" };',
        '  @id("t2")\n\tpermit(principal, action, resource); // trailing  \n\n//',
    ]
    policies += [Policy(f"t{n}", text, approvers="group:grp_gone" if n else "")
                 for n, text in enumerate(odd)]  # fmt: skip
    store(house, *policies)
    (house.folder / "policies.yaml").write_text(exported(house), encoding="utf-8")
    plan = house.plan()
    assert [step for step in plan.steps if step.kind is Kind.POLICY] == []
    left_out = " ".join(map(str, list_left_out(state(house).items[Kind.POLICY])))
    assert [each.id for each in policies if f"“{each.id}”" in left_out] == ["p7", "t1", "t2"]


def test_what_names_something_gone_is_told_and_can_be_mended(house: Bench) -> None:
    """A name that looks like the id which leads nowhere is no reason to leave it there."""
    dead = '@id("p") forbid(principal in Group::"在宅 \\"勤務\\"", action, resource);'
    house.write(policies="policies: []\n")
    house.apply()
    store(house, Policy("p", dead))  # somebody wrote the name where the id belongs

    names, left_out = export_folder(house.desk, house.folder.parent / "out")

    assert "policies.yaml" in names
    assert "“p”" in str(left_out[0])
    assert GROUP in str(left_out[0])
    assert "書き出していません" in translate(left_out[0], "ja")
    written = f"policies:\n  - id: p\n    cedar: '{dead}'\n"
    house.write(policies=written)
    [step] = house.apply().steps
    assert [each.field for each in step.differences] == ["gone"]
    assert ids(house)[GROUP] in in_force(house)["p"].text
    assert house.plan().steps == ()
    assert "- id: p" in exported(house)


def test_a_version_waits_for_the_second_person_and_is_not_proposed_twice(house: Bench) -> None:
    house.apply()
    person = house.town.add("s@example.jp", Role.SECURITY)
    before = in_force(house)
    house.write(policies="policies:\n  - {id: ssh, enabled: true}\n")

    [note] = house.plan().notes

    assert "waits for the approval of a second person" in str(note)
    assert "ポリシーの版2は、別の人の承認を待っています" in translate(note, "ja")
    assert waiting(house) == []  # a plan proposes nothing

    assert house.apply().notes == (note,)

    assert in_force(house) == before
    assert waiting(house) == [2]
    again = house.plan()
    assert again.steps == ()
    assert "waits for approval already, as version 2" in str(again.notes[0])
    assert "版2としてすでに承認を待っています" in translate(again.notes[0], "ja")
    house.write(policies="policies:\n  - {id: ssh, enabled: true, title_en: SSH}\n")
    assert said(house.plan()) == [("change", "policy", "ssh")]  # something else is asked by now

    house.write(policies="policies:\n  - {id: ssh, enabled: true}\n")
    with house.desk.database.write(house.town.principal(person)) as tx:
        access.approve_version(tx, 2)
    assert in_force(house) == before | {"ssh": replace(before["ssh"], enabled=True)}
    assert house.plan().steps == ()
    assert house.plan().notes == ()


def test_a_refused_version_is_not_taken_for_one_that_waits(house: Bench) -> None:
    house.town.add("s@example.jp", Role.SECURITY)
    house.apply()
    with house.desk.database.write(house.desk.principal) as tx:
        assert access.refuse_version(tx, 1, "no").state is VersionState.REFUSED
    assert said(house.plan()) == [("add", "policy", "office"), ("add", "policy", "ssh")]


def test_policies_that_a_complete_file_does_not_list_go_before_what_they_name(
    house: Bench,
) -> None:
    house.apply()
    house.write(
        policies="complete: true\n" + OPEN,
        groups="complete: true\ngroups: []\n",
    )
    plan = house.apply()
    assert said(plan) == [
        ("add", "policy", "all"),
        ("remove", "policy", "office"),
        ("remove", "policy", "ssh"),
        ("remove", "group", GROUP),
    ]
    assert list(in_force(house)) == ["all"]
    assert house.town.kinds()[-3:] == [
        "access.policies_proposed",
        "access.policies_in_force",
        "identity.group_deleted",
    ]
    house.write(groups="complete: true\ngroups: []\n", policies=POLICIES)
    assert all("There is no group" in text for text in house.refusals())


def test_the_record_says_who_proposed_what(house: Bench) -> None:
    house.apply()
    with house.desk.database.read(SYSTEM) as tx:
        version = access.version_in_force(tx)
        people = identity.list_holders(tx, "access.approve")
    assert people == []
    assert version is not None
    assert version.author == house.desk.principal.reference


def test_a_group_that_goes_while_a_policy_in_force_names_it_is_told(house: Bench) -> None:
    """The version without it waits; until then a forbid would silently mean nobody."""
    house.apply()
    house.town.add("s@example.jp", Role.SECURITY)
    house.write(
        policies="complete: true\n" + OPEN,
        groups="complete: true\ngroups: []\n",
        units="complete: true\nunits: [{name: 本社}]\n",
    )
    waits, *told = house.plan().notes
    assert "waits for the approval" in str(waits)
    assert [str(each).split(",")[0] for each in told] == [  # the disabled one keeps nobody out
        f"“{GROUP}” goes",
        "“本社 / 営業部” goes",
    ]
    assert "有効なポリシー「office」がまだこれを条件にしています" in translate(told[0], "ja")


def test_a_policy_whose_network_is_gone_can_still_be_switched_off(house: Bench) -> None:
    house.apply()
    store(house, Policy("p", write_form("p", PolicyForm(networks=("gone",)))))
    house.write(policies="policies:\n  - {id: p, enabled: false}\n")
    house.apply()
    assert not in_force(house)["p"].enabled
