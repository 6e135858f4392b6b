"""The library on a real database: rules come in as a whole, decisions outlive updates."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.clock import FakeClock
from sekisho.detection import service
from sekisho.detection.library import Plan, RuleWish, Source
from sekisho.detection.model import Level
from sekisho.detection.service.staging import stage_update, update_sources
from sekisho.detection.sources.fetching import Fetched
from sekisho.detection.store import staged as staged_store
from sekisho.detection.store.staged import State
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    UnavailableError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal, PrincipalKind

OURS = RuleWish(search="Sample")  # Sekisho's own rules are in the library too


def rule_id(n: int) -> str:
    return f"0d5f7f0e-0000-4000-8000-{n:012d}"


def write_rule(n: int, *, level: str = "high", word: str = "mimi", tag: str = "t1003") -> bytes:
    return (
        f"title: Sample {n} {word}\nid: {rule_id(n)}\nstatus: test\nlevel: {level}\n"
        f"tags: [attack.{tag}]\nlogsource: {{product: windows, category: process_creation}}\n"
        f"detection:\n  selection:\n    CommandLine|contains: {word}\n  condition: selection\n"
    ).encode()


def pack(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def take(
    database: Database, admin: Principal, files: Mapping[str, bytes], source: Source | None = None
) -> tuple[Source, Plan]:
    prepared = service.prepare_files(
        database, admin, source or service.new_source("Ours"), "rules.zip", pack(files)
    )
    with database.write(admin) as tx:
        return service.take_over(tx, prepared), prepared.plan


class Shelf:
    """A faithful fake of an address: answers 304 to the tag it gave, or is away."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag = '"1"'
        self.away = False
        self.asked: list[str] = []

    def fetch(self, address: str, etag: str) -> Fetched:
        self.asked.append(address)
        if self.away:
            raise UnavailableError(msg("The file could not be fetched: %(why)s", why="away"))
        if etag == self.etag:
            return Fetched("", None, etag)
        return Fetched("rules.zip", self.content, self.etag)


def test_rules_come_in_are_found_and_are_recorded(database: Database, admin: Principal) -> None:
    broken = b"title: Broken\nlogsource: {product: windows}\ndetection: {condition: nothing}\n"
    files = {"a.yml": write_rule(1), "b.yml": write_rule(2, level="low", tag="t1562.001"),
             "c.yml": broken}  # fmt: skip
    source, plan = take(database, admin, files)
    assert (len(plan.added), len(plan.faults)) == (2, 1)
    with database.read(admin) as tx:
        found = service.list_rules(tx, RuleWish(search="sample mimi"), sort="-level")
        assert [each.rule.id for each in found.rules] == [rule_id(1), rule_id(2)]
        for wish in (
            RuleWish(search="Sample", technique="T1685"),
            RuleWish(search="Sample", tactic="defense-impairment"),
            RuleWish(search="Sample", level="low"),
            RuleWish(search=rule_id(2)),
        ):
            assert [r.rule.id for r in service.list_rules(tx, wish).rules] == [rule_id(2)]
        assert service.list_rules(tx, RuleWish(search="100%_")).total == 0
        file = service.get_rule(tx, rule_id(1))
        assert file.text == write_rule(1).decode()
        assert [f.file for f in service.list_faults(tx, source.id)] == ["c.yml"]
        cells = [c for col in service.read_coverage(tx).columns for c in col.cells if c.total]
        assert {"T1003", "T1685"} <= {cell.technique.id for cell in cells}
    _assert_recorded(database, admin, "detection.rules_taken", {"added": 2, "faults": 1})


def _assert_recorded(
    database: Database, admin: Principal, kind: str, detail: Mapping[str, object]
) -> None:
    with database.write(admin) as tx:
        evidence.seal_records(tx)
        newest = evidence.list_records(tx, kind=kind)[0]
    assert newest.detail is not None
    assert detail.items() <= newest.detail.items()


def test_an_update_replaces_a_source_and_leaves_decisions(
    database: Database, admin: Principal
) -> None:
    source, _ = take(database, admin, {"a.yml": write_rule(1), "b.yml": write_rule(2)})
    with database.write(admin) as tx:
        service.tune_rule(tx, rule_id(1), "low", "noisy here")
        service.tune_rule(tx, rule_id(2), "off", "not our product")
    files = {"a.yml": write_rule(1, word="katz"), "d.yml": write_rule(3)}
    _, plan = take(database, admin, files, source)
    assert (plan.added, plan.changed, plan.removed, plan.lost) == (
        (rule_id(3),), (rule_id(1),), (rule_id(2),), (rule_id(2),),
    )  # fmt: skip
    with database.read(admin) as tx:
        listed = service.list_rules(tx, RuleWish(state="tuned")).rules
        assert [(r.rule.id, r.level, r.rule.level) for r in listed] == [
            (rule_id(1), Level.LOW, Level.HIGH)
        ]
        with pytest.raises(NotFoundError):
            service.get_rule(tx, rule_id(2))
        assert set(service.load_library(tx).tunings) == {rule_id(1), rule_id(2)}


def test_a_set_without_any_usable_rule_changes_nothing(
    database: Database, admin: Principal
) -> None:
    source, _ = take(database, admin, {"a.yml": write_rule(1)})
    with pytest.raises(InvalidInputError):
        take(database, admin, {"x.yml": b"title: no rule\n"}, source)
    with database.read(admin) as tx:
        assert service.list_rules(tx, OURS).total == 1


def test_the_source_higher_up_wins_and_the_other_takes_over_when_it_goes(
    database: Database, admin: Principal
) -> None:
    first, _ = take(database, admin, {"a.yml": write_rule(1, word="one")})
    second = service.new_source("Second")
    take(database, admin, {"z.yml": write_rule(1, word="two"), "y.yml": write_rule(2)}, second)
    with database.read(admin) as tx:
        assert service.get_rule(tx, rule_id(1)).listed.rule.title == "Sample 1 one"
        assert len(service.list_faults(tx, second.id)) == 1  # it says that it is there twice
    service.remove_source(database, admin, first.id)
    with database.read(admin) as tx:
        assert service.get_rule(tx, rule_id(1)).listed.rule.title == "Sample 1 two"
        assert service.list_faults(tx, second.id) == []
    _assert_recorded(database, admin, "detection.source_removed", {"name": "Ours"})


def test_sekishos_own_rules_stay(database: Database, admin: Principal) -> None:
    with pytest.raises(ConflictError):
        service.remove_source(database, admin, service.OWN_SOURCE)


def test_decisions_want_a_reason_a_level_and_an_end(
    database: Database, admin: Principal, clock: FakeClock
) -> None:
    take(database, admin, {"a.yml": write_rule(1)})
    soon = clock.now() + timedelta(days=30)
    with database.write(admin) as tx:
        for level, reason in (("low", " "), ("worst", "x")):
            with pytest.raises(InvalidInputError):
                service.tune_rule(tx, rule_id(1), level, reason)
        for condition, reason, ends in (
            ("", "", soon),
            ("", "x", clock.now()),
            ("", "x", clock.now() + timedelta(days=400)),
            ("a: [", "x", soon),
            ("User|nomodifier: x", "x", soon),
            ("- - - -", "x", soon),
        ):
            with pytest.raises(InvalidInputError):
                service.suppress_matches(
                    tx, rule_id=rule_id(1), condition=condition, reason=reason, ends_at=ends
                )
        with pytest.raises(InvalidInputError):  # everything of every rule is never meant
            service.suppress_matches(tx, rule_id="", condition="", reason="x", ends_at=soon)
        with pytest.raises(NotFoundError):
            service.tune_rule(tx, "nobody", "low", "x")


def test_a_suppression_ends_by_itself_and_its_maker_is_reminded_once(
    database: Database, admin: Principal, clock: FakeClock
) -> None:
    take(database, admin, {"a.yml": write_rule(1)})
    with database.write(admin) as tx:
        made = service.suppress_matches(
            tx, rule_id=rule_id(1), condition="User|startswith: svc_", reason="backup",
            ends_at=clock.now() + timedelta(days=10),
        )  # fmt: skip
        assert service.remind_of_ends(tx) == 0
    clock.advance(days=4)
    with database.write(admin) as tx:
        assert (service.remind_of_ends(tx), service.remind_of_ends(tx)) == (1, 0)
        assert service.list_rules(tx, RuleWish(state="suppressed")).total == 1
        assert [s.id for s in service.list_suppressions(tx).suppressions] == [made.id]
        for words, found in (("BACKUP", 1), ("svc_", 1), (rule_id(1), 1), ("nothing", 0)):
            page = service.list_suppressions(tx, search=words, sort="-why")
            assert (len(page.suppressions), page.total) == (found, found), words
    clock.advance(days=7)
    with database.write(admin) as tx:
        assert service.list_rules(tx, RuleWish(state="suppressed")).total == 0
        assert service.list_suppressions(tx).total == 0
        assert service.list_suppressions(tx, ended=True).total == 1
        with pytest.raises(ConflictError):
            service.end_suppression(tx, made.id)


def test_an_upload_is_read_by_the_worker_and_taken_over_by_a_person(
    database: Database, admin: Principal
) -> None:
    shelf = Shelf(b"")
    with database.write(admin) as tx:
        waits = service.stage_upload(
            tx, name="Team", source_id="", file_name="r.zip", content=pack({"a.yml": write_rule(1)})
        )
        with pytest.raises(ConflictError):
            service.approve_staged(tx, waits.id)
    assert service.turn_staged(database, shelf) == 1
    with database.write(admin) as tx:
        said = service.get_staged(tx, waits.id).said
        assert said["counts"]["added"] == 1
        assert service.list_rules(tx, OURS).total == 0
        service.approve_staged(tx, waits.id)
    service.turn_staged(database, shelf)
    with database.read(admin) as tx:
        assert service.list_rules(tx, OURS).total == 1
        assert service.list_staged(tx) == []


def test_an_upload_that_is_no_set_of_rules_says_so(database: Database, admin: Principal) -> None:
    with database.write(admin) as tx:
        waits = service.stage_upload(
            tx, name="Junk", source_id="", file_name="r.zip", content=b"PK\x03\x04junk"
        )
    service.turn_staged(database, Shelf(b""))
    with database.read(admin) as tx:
        found = service.get_staged(tx, waits.id)
    assert found.state is State.FAILED
    assert "r.zip" in str(found.said["message"]["params"])


def test_an_address_is_asked_once_a_day_and_trouble_leaves_the_rules(
    database: Database, admin: Principal, clock: FakeClock
) -> None:
    shelf = Shelf(pack({"a.yml": write_rule(1)}))
    with database.write(admin) as tx:
        waits = service.stage_address(
            tx, name="Web", address="https://rules.example/r.zip", automatic=True
        )
    service.turn_staged(database, shelf)
    with database.write(admin) as tx:
        service.approve_staged(tx, waits.id)
    service.turn_staged(database, shelf)
    assert shelf.asked == ["https://rules.example/r.zip"]
    assert update_sources(database, shelf) == 0  # due at once, but nothing has changed
    assert update_sources(database, shelf) == 0
    assert len(shelf.asked) == 2
    clock.advance(days=1, seconds=1)
    shelf.away = True
    update_sources(database, shelf)
    assert _trouble(database, admin)
    clock.advance(days=1, seconds=1)
    shelf.away, shelf.etag = False, '"2"'
    shelf.content = pack({"a.yml": write_rule(1), "b.yml": write_rule(2)})
    assert update_sources(database, shelf) == 1
    service.turn_staged(database, shelf)
    assert not _trouble(database, admin)
    with database.read(admin) as tx:
        assert service.list_rules(tx, OURS).total == 2


def _trouble(database: Database, admin: Principal) -> str:
    with database.read(admin) as tx:
        found = [s for s, _, _ in service.list_sources(tx) if s.name == "Web"]
    return str(found[0].trouble or "")


@pytest.mark.parametrize(
    "address",
    ["http://rules.example/r.zip", "file:///etc/passwd", "ftp://x/y", "https://", "javascript:1",
     "https://user:pass@rules.example/r.zip"],
)  # fmt: skip
def test_only_https_is_asked(database: Database, admin: Principal, address: str) -> None:
    with database.write(admin) as tx, pytest.raises(InvalidInputError):
        service.stage_address(tx, name="Web", address=address, automatic=False)


def test_a_source_from_files_has_nothing_to_update(database: Database, admin: Principal) -> None:
    source, _ = take(database, admin, {"a.yml": write_rule(1)})
    with database.write(admin) as tx, pytest.raises(ConflictError):
        stage_update(tx, source.id)


def test_old_uploads_are_forgotten(database: Database, admin: Principal, clock: FakeClock) -> None:
    with database.write(admin) as tx:
        service.stage_upload(tx, name="Old", source_id="", file_name="r.yml", content=b"x")
    clock.advance(days=3)
    update_sources(database, Shelf(b""))
    with database.read(admin) as tx:
        assert staged_store.list_staged(tx) == []


def test_reading_is_not_writing(database: Database, admin: Principal) -> None:
    take(database, admin, {"a.yml": write_rule(1)})
    reader = replace(admin, rights=frozenset({"detection.read"}))
    nobody = Principal(PrincipalKind.PERSON, "per_x", "x", frozenset({"devices.read"}))
    with database.write(reader) as tx:
        service.list_rules(tx, OURS)
        with pytest.raises(NotPermittedError):
            service.tune_rule(tx, rule_id(1), "low", "x")
        with pytest.raises(NotPermittedError):
            service.stage_upload(tx, name="n", source_id="", file_name="r.yml", content=b"")
    with database.read(nobody) as tx, pytest.raises(NotPermittedError):
        service.list_rules(tx, OURS)
