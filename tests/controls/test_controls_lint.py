"""A control file with a mistake: all faults, each with its line, and the last good set stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sekisho.controls import service
from sekisho.controls.catalogue import check_control, load_catalogue
from sekisho.controls.faults import CatalogueError
from sekisho.controls.lint import returns_constant
from sekisho.controls.manifest import compute_manifest
from sekisho.controls.model import Catalogue, Platform
from sekisho.controls.osquery_sql import compare_versions

GOOD = """\
id: example
version: 1
theme: network
title: {ja: 例, en: Example}
statement: {ja: 例です。, en: An example.}
why: {ja: 例だから。, en: Because it is one.}
guideline: {ja: 通信, en: Communication}
ownership: [company, private]
severity: high
grace_days: 7
max_age: 3d
proof: machine
checks:
  darwin:
    as: any
    interval: 1h
    precondition: SELECT 1 FROM alf
    sql: SELECT 1 FROM alf WHERE global_state >= 1
    tests:
      - {expect: pass, tables: {alf: [{global_state: 1}]}}
      - {expect: fail, tables: {alf: [{global_state: 0}]}}
fix:
  darwin: {ja: [直します。], en: [Fix it.]}
"""


def faults(text: str) -> list[str]:
    return [f"{fault.line}: {fault.message}" for fault in check_control(text)]


def test_a_good_control_has_no_fault() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("id: example", "id: Example Rule", 1, "lower-case words"),
        ("version: 1", "version: one", 2, "whole number"),
        ("version: 1", "version: 0", 2, "whole number"),
        ("theme: network", "theme: network\ntheme: again", 4, "stands here twice"),
        ("title: {ja: 例, en: Example}", "title: {en: Example}", 4, "“ja” is missing"),
        ("title: {ja: 例, en: Example}", 'title: {ja: "", en: x}', 4, "not empty"),
        ("severity: high", "severity: awful", 9, "“awful” is not known"),
        ("max_age: 3d", "max_age: 3 days", 11, "length of time"),
        ("proof: machine", "proof: machine\nnote: x", 13, "“note” is not known"),
        ("proof: machine", "proof: document", 1, "proven by machine has checks"),
        ("  darwin:\n    as", "  beos:\n    as", 15, "“beos” is not known"),
        ("as: any", "as: god", 15, "“god” is not known"),
        ("FROM alf WHERE", "FROM alff WHERE", 15, "no such table: alff"),
        ("global_state >= 1", "global_stat >= 1", 15, "no such column"),
        ("WHERE global_state >= 1", "WHERE global_state >=", 15, "incomplete input"),
        ("SELECT 1 FROM alf\n", "DELETE FROM alf\n", 15, "not authorized"),
        ("SELECT 1 FROM alf\n", "PRAGMA table_list\n", 15, "refused by SQLite"),
        ("SELECT 1 FROM alf\n", "SELECT 1\n", 15, "reads no table"),
        ("sql: SELECT 1 FROM alf WHERE", "sql: SELECT version FROM alf WHERE", 15, "constant 1"),
        ("global_state >= 1", "stealth_enabled >= 1", 15, "alf.stealth_enabled"),
        ("precondition: SELECT 1 FROM alf", "precondition: SELECT 1 FROM uptime", 15, "uptime."),
        ("    precondition: SELECT 1 FROM alf\n", "", 15, "“precondition” is missing"),
        ("      - {expect: fail, tables: {alf: [{global_state: 0}]}}\n", "", 15, "expects “fail”"),
        ("tables: {alf: [{global_state: 0}]}", "tables: {alf: [{state: 0}]}", 21, "alf.state"),
        ("tables: {alf: [{global_state: 0}]}", "tables: {elf: [{}]}", 21, "no table elf"),
        ("fail, tables: {alf: [{global_state: 0}", "fail, tables: {alf: [{global_state: 1}", 21, "the check says “pass”"),  # noqa: E501 - one case a line
        ("SELECT 1 FROM alf\n", "SELECT 1 FROM alf UNION SELECT 1 FROM users\n", 15, "users."),
        ("fix:\n  darwin:", "fix:\n  linux:", 23, "how to fix this on darwin"),
        ("sql: SELECT", "sql: SELECT 1 FROM alf JOIN gatekeeper USING (version) UNION SELECT", 15, "USING"),  # noqa: E501 - one case a line
        ("global_state >= 1", "global_state IN (VALUES {{no.such}})", 18, "no list “no.such”"),
        ("ownership: [company, private]", "ownership: []", 8, "company, private or both"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))

    assert any(f.startswith(f"{line}:") and words in f for f in found), found


def test_an_unreadable_place_must_not_pass() -> None:
    blind = GOOD.replace("SELECT 1 FROM alf\n", "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alf)\n")

    assert any("expects “unknown”" in fault for fault in faults(blind))


def test_all_mistakes_at_once() -> None:
    bad = GOOD.replace("version: 1", "version: x").replace("severity: high", "severity: x")
    bad = bad.replace("FROM alf WHERE", "FROM nowhere WHERE")

    assert [fault.split(":")[0] for fault in faults(bad)] == ["2", "9", "15"]


@pytest.mark.parametrize(
    "text",
    [
        "", "a: [", "- 1", "\t", "a: &x [1]\nb: *x", "{}", "null", "x" * 300_000,
        "id: !!python/object:os.system x", "a: " + "[" * 50 + "]" * 50, "\x00", "a: b: c",
    ],
)  # fmt: skip
def test_hostile_text_is_a_fault_and_not_a_crash(text: str) -> None:
    assert check_control(text)


def test_only_our_own_agents_tables_need_saying() -> None:
    linux = GOOD.replace("darwin", "linux").replace("alf", "nftables_chains")
    linux = linux.replace("global_state", "rules_count")

    assert any("needs: sekisho-agent" in fault for fault in faults(linux))
    assert faults(linux.replace("as: any", "needs: sekisho-agent")) == []
    assert any("does not exist on windows" in f for f in faults(GOOD.replace("darwin", "windows")))


@pytest.mark.parametrize(
    ("sql", "constant"),
    [
        ("SELECT 1 FROM alf", True),
        ("select 1 as ok where exists (select name from apps)", True),
        ("WITH x AS (SELECT name FROM apps) SELECT 1 FROM x LIMIT 1", True),
        ("SELECT 1 FROM alf UNION ALL SELECT 1 FROM gatekeeper", True),
        ("SELECT 1 FROM alf UNION ALL SELECT name FROM apps", False),
        ("SELECT 1, name FROM apps", False),
        ("SELECT 11 FROM apps", False),
        ("SELECT name FROM apps WHERE 'SELECT 1 FROM' = ''", False),
        ("SELECT (SELECT name FROM apps) FROM alf", False),
        ("VALUES ('x')", False),
        ("SELECT 1 FROM alf; SELECT name FROM apps", False),
        ("SELECT 1 || name FROM apps", False),
    ],
)
def test_only_the_constant_leaves_a_private_device(sql: str, constant: bool) -> None:
    assert returns_constant(sql) is constant


def test_a_manifest_is_what_sqlite_says() -> None:
    reads = compute_manifest("SELECT count(*) FROM mounts WHERE EXISTS (SELECT name FROM apps)")

    assert reads == {("mounts", ""), ("apps", "name")}


@pytest.mark.parametrize(
    ("old", "new"),
    [("26.9", "26.10"), ("6.3.9", "6.3.10"), ("99.0", "151.0"), ("1.0", "1.0.1"), ("", "0")],
)
def test_versions_are_ordered_by_number(old: str, new: str) -> None:
    assert compare_versions(old, new) < 0 < compare_versions(new, old)
    assert compare_versions(new, new) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(**files: str) -> Path:
        (tmp_path / "controls").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "controls" / f"{name}.yaml").write_text(text, "utf-8")
        return tmp_path

    return make


def test_an_own_folder_is_loaded(folder: Callable[..., Path]) -> None:
    loaded = load_catalogue(folder(example=GOOD))

    assert list(loaded.controls) == ["example"]
    assert loaded.applying(Platform.DARWIN, "private")
    assert not loaded.applying(Platform.LINUX, "private")


def test_every_file_at_fault_is_named(folder: Callable[..., Path]) -> None:
    root = folder(a=GOOD.replace("version: 1", "version: x"), b="[", c=GOOD)

    with pytest.raises(CatalogueError) as caught:
        load_catalogue(root)

    assert [fault.file for fault in caught.value.faults] == [
        "controls/a.yaml", "controls/b.yaml", "controls/c.yaml",
    ]  # fmt: skip
    assert "another control" in str(caught.value.faults[2].message)


def test_a_shared_precondition_is_asked_equally_often(folder: Callable[..., Path]) -> None:
    other = GOOD.replace("id: example", "id: other").replace("interval: 1h", "interval: 2h")

    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder(a=GOOD, b=other))

    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == ("controls/b.yaml", 15)


def test_the_last_good_set_stays(folder: Callable[..., Path], catalogue: Catalogue) -> None:
    same, found = service.reload_catalogue(folder(a="nonsense: ["), catalogue)
    other, none = service.reload_catalogue(folder(a=GOOD), catalogue)
    missing, told = service.reload_catalogue(Path("/nowhere/at/all"), catalogue)

    assert same is catalogue
    assert found
    assert none == ()
    assert list(other.controls) == ["example"]
    assert missing is catalogue
    assert told


def test_dated_lists_of_an_own_folder_win(folder: Callable[..., Path]) -> None:
    root = folder(example=GOOD)
    (root / "data").mkdir()
    (root / "data/software.yaml").write_text("as_of: yesterday\nsource: x\nsets: {}\n")

    with pytest.raises(CatalogueError) as caught:
        load_catalogue(root)

    assert [str(f) for f in caught.value.faults] == [
        "data/software.yaml:1: Expected a date such as 2026-11-23."
    ]
