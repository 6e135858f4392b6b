"""A roster is read as Excel writes it, compared before anything happens, and harmless going out."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity import service
from sekisho.identity.engine import roster
from sekisho.identity.engine.roster import Column, Entry, Known
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service import UnitDraft
from sekisho.identity.store import rosters
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    TooLargeError,
)
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from support.identity_town import Town

HEAD = "氏名,メールアドレス,部署,上長,言語,社員番号\n"
AYA = "森下 彩,aya@example.jp,本社 / 設計,ken@example.jp,日本語,0012\n"
KEN = "大西 健,ken@example.jp,本社,,英語,0013\n"
HEADS = {column: column.value for column in Column}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_file_is_read_as_it_was_saved(encoding: str, separator: str) -> None:
    text = (HEAD + AYA + KEN).replace(",", separator)
    read = roster.read_roster(text.encode(encoding))

    assert [entry for _, entry in read.entries] == [
        Entry("森下 彩", "aya@example.jp", "本社 / 設計", "ken@example.jp", "ja", "0012"),
        Entry("大西 健", "ken@example.jp", "本社", "", "en", "0013"),
    ]
    assert read.faults == ()
    assert set(read.columns) == set(Column)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no column"),
        ("部署\n本社\n".encode(), "no column"),
        (b"name,email,e-mail\na,a@example.jp,b@example.jp\n", "Two columns"),
        (b'name,email\n"a,b@example.jp\n', "cannot be read"),
        (b"name,email\n\xff\x81\xfd\xfd,a@example.jp\n", "encoding"),
        (b"name,email\na\0b,a@example.jp\n", "not a CSV"),
    ],
)
def test_what_is_no_roster_is_refused_with_words(content: bytes, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        roster.read_roster(content)


def test_too_much_is_refused() -> None:
    with pytest.raises(TooLargeError, match="bytes"):
        roster.read_roster(b"x" * (roster.LARGEST_FILE + 1))
    lines = "name,email\n" + "a,b\n" * (roster.MOST_LINES + 1)
    with pytest.raises(TooLargeError, match="lines"):
        roster.read_roster(lines.encode())


def test_faults_are_told_by_line_and_the_rest_is_taken() -> None:
    text = HEAD + AYA + ",x@example.jp,,,,\n" + "名,nonsense,,,,\n" + KEN + (
        "別人,aya@example.jp,,,,\n" "誰,d@example.jp,,nobody@example.jp,,\n"
        "己,e@example.jp,,e@example.jp,,\n" "仏,f@example.jp,,,français,\n"
    )  # fmt: skip
    plan = roster.make_plan(roster.read_roster(text.encode()), [], [])

    assert [fault.line for fault in plan.faults] == [3, 4, 6, 7, 8, 9]
    assert [entry.email for _, entry in plan.added] == ["aya@example.jp", "ken@example.jp"]
    assert plan.units == ("本社", "本社 / 設計")


def test_people_are_found_by_number_then_by_address() -> None:
    known = [
        Known("1", Entry("森下 彩", "old@example.jp", "", "", "ja", "0012")),
        Known("2", Entry("大西 健", "ken@example.jp", "本社", "", "en", "0013")),
        Known("3", Entry("高橋 遥", "haruka@example.jp", "", "", "ja", "")),
        Known("4", Entry("田中 実", "tanaka@example.jp", "", "", "ja", "0099")),
    ]
    text = HEAD + AYA + KEN + "高橋 はるか,haruka@example.jp,,,,0014\n" + (
        "偽,tanaka@example.jp,,,,0098\n" "乗取,ken@example.jp,,,,0012\n"
    )  # fmt: skip
    plan = roster.make_plan(roster.read_roster(text.encode()), known, ["本社"])

    assert [(c.known.id, c.names) for c in plan.changed] == [
        ("1", ("email", "unit", "manager")), ("3", ("name", "external_id")),
    ]  # fmt: skip
    assert plan.same == 1
    assert [fault.line for fault in plan.faults] == [5, 6]
    assert [person.id for person in plan.missing] == []
    half = roster.make_plan(roster.read_roster((HEAD + KEN).encode()), known, ["本社"])
    assert [person.id for person in half.missing] == ["1", "3", "4"]


def test_a_column_the_file_lacks_changes_nothing() -> None:
    known = [Known("1", Entry("森下 彩", "aya@example.jp", "本社", "k@example.jp", "ja", "7"))]
    read = roster.read_roster("name,email\n森下 彩,aya@example.jp\n".encode())

    assert roster.make_plan(read, known, ["本社"]).same == 1


_CELL = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30)


@given(st.lists(st.tuples(st.sampled_from("=+-@＝＠a'"), _CELL), max_size=5))
def test_what_goes_out_runs_nowhere_and_comes_back_the_same(cells: list[tuple[str, str]]) -> None:
    names = [" ".join((first + rest).split()) for first, rest in cells]
    known = [
        Known(str(n), Entry(name, f"p{n}@example.jp", "", "", "ja", ""))
        for n, name in enumerate(names)
    ]
    text = roster.write_roster(known, HEADS)
    for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))):
        assert not any(cell.startswith(tuple("=+-@＝＋－＠\t\r")) for cell in row)
    back = roster.read_roster(text.encode())
    quoted = [name for name in names if name.startswith("'") and name[1:2] in set("=+-@＝＋－＠")]
    if not quoted:  # a quote of one's own before such a sign is read as ours
        assert [entry.name for _, entry in back.entries] == names


def _bring(town: Town, principal: Principal, text: str) -> service.Applied:
    with town.database.write(principal) as tx:
        held = service.hold_roster(tx, "people.csv", text.encode("cp932"))
        waiting = service.read_waiting(tx, held)
        return service.apply_roster(tx, held, waiting.digest)


def test_a_roster_is_brought_in(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    done = _bring(town, admin, HEAD + AYA + KEN)

    assert (done.added, done.changed, done.units) == (2, 0, 2)
    with town.database.read(admin) as tx:
        aya = service.find_person_by_email(tx, "aya@example.jp")
        assert aya is not None
        assert aya.state is PersonState.INVITED
        assert aya.roles == {Role.TELEWORKER}
        assert service.read_dossier(tx, aya.id).place == "本社 / 設計"
        lead = service.read_dossier(tx, aya.id).manager
        assert lead is not None
        assert lead.email == "ken@example.jp"
        exported = service.export_roster(tx, HEADS)
    again = _bring(town, admin, HEAD + AYA.replace("aya@", "morishita@") + KEN)
    assert (again.added, again.changed) == (0, 1)
    assert len(again.missing) == 1
    with town.database.read(admin) as tx:
        moved = service.find_person_by_email(tx, "morishita@example.jp")
        assert moved is not None
        assert moved.id == aya.id
    back = roster.read_roster(exported.encode())
    assert (back.faults, len(back.entries)) == ((), 3)
    assert {"identity.roster_applied", "identity.person_changed"} <= set(town.kinds())


def test_what_is_done_is_what_was_shown(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    with town.database.write(admin) as tx:
        held = service.hold_roster(tx, "x\n.csv", (HEAD + KEN).encode())
        shown = service.read_waiting(tx, held)
    assert shown.name == "x.csv"
    with town.database.write(admin) as tx:
        service.invite_person(
            tx, name="x", email="ken@example.jp", language="ja", roles=["teleworker"]
        )
    with pytest.raises(ConflictError, match="since you looked"), town.database.write(admin) as tx:
        service.apply_roster(tx, held, shown.digest)
    other = town.principal(town.add("second@example.jp", Role.ADMIN))
    with pytest.raises(NotFoundError), town.database.read(other) as tx:
        service.read_waiting(tx, held)
    town.clock.advance(days=2)
    with pytest.raises(NotFoundError), town.database.read(admin) as tx:
        service.read_waiting(tx, held)
    with town.database.write(SYSTEM) as tx:
        service.forget_ended(tx)
        assert not rosters.delete_roster(tx, held)


def test_a_file_touches_nobody_stronger_and_needs_the_whole_organisation(town: Town) -> None:
    town.start_admin()
    clerk = Principal(
        PrincipalKind.PERSON,
        "per_x",
        "x",
        frozenset({"identity.*", "self.write"}),
        "s",
        town.clock.now(),
    )
    text = "name,email\n乗っ取り,saeki@example.jp\n"
    with town.database.write(clerk) as tx:
        plan = service.read_waiting(tx, service.hold_roster(tx, "a", text.encode())).plan
    assert plan.changed == ()
    assert [fault.line for fault in plan.faults] == [2]
    with town.database.write(SYSTEM) as tx:
        unit = service.create_unit(tx, UnitDraft("東")).id
    near = Principal(
        PrincipalKind.PERSON, "per_x", "x", frozenset({"self.write"}), "s", town.clock.now(),
        scoped={"*": frozenset({unit})},
    )  # fmt: skip
    with pytest.raises(NotPermittedError), town.database.write(near) as tx:
        service.hold_roster(tx, "a", text.encode())
    with pytest.raises(NotPermittedError), town.database.read(near) as tx:
        service.export_roster(tx, HEADS)


def test_whoever_says_no_language_gets_that_of_their_unit(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    with town.database.write(admin) as tx:
        top = service.create_unit(tx, service.UnitDraft("Overseas", language="en")).id
        service.create_unit(tx, service.UnitDraft("Design"), top)
    lines = (
        "Ann Lee,ann@example.jp,Overseas / Design,,,\n"
        "青木 蓮,ren@example.jp,Overseas / Design,,ja,\n"
        "大西 健,ken@example.jp,,,,\n"
    )
    _bring(town, admin, HEAD + lines)
    with town.database.read(admin) as tx:
        found = service.find_by_emails(tx, ["ann@example.jp", "ren@example.jp", "ken@example.jp"])
        people = {email: person.language for email, person in found.items()}
    assert people == {"ann@example.jp": "en", "ren@example.jp": "ja", "ken@example.jp": "ja"}
