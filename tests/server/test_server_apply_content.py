"""Own rules, questionnaires, exception rules, dated lists by ``apply``: planned, on record."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.laid_content import lay_content
from sekisho.controls.model import Control, Severity
from sekisho.controls.service import catalogue_in_force, content, put_in_force, selfchecks
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotPermittedError
from sekisho.kernel.ids import ControlID
from sekisho.kernel.installation import set_fact
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.settings import Settings
from sekisho.server.apply.service import export_folder
from sekisho.server.bootstrap import House, open_house
from sekisho.server.rulebook import Rulebook
from server.test_server_apply import Bench, bench, said

__all__ = ["bench"]

OWN = """\
id: home
version: 1
title: {ja: 自宅の確認, en: At home}
intro: {ja: 三分で終わります。, en: Three minutes.}
max_age: 90d
questions:
  - id: lock
    ask: {ja: 画面をロックしますか。, en: Do you lock the screen?}
    why: {ja: のぞき見を防ぎます。, en: Against curious eyes.}
    controls: [screen-lock]
"""


PAPER = """\
id: paper
version: 1
theme: handling
title: {ja: 書類の持ち帰り, en: Paper at home}
statement: {ja: 持ち帰りを記録しています。, en: What is taken home is noted.}
why: {ja: 紙は端末より失くしやすいものです。, en: Paper is lost more easily than a computer.}
guideline: {ja: 紙の扱い, en: Handling of paper}
ownership: [company]
# by the board
severity: low
grace_days: 30
max_age: 90d
proof: document
fix:
  all:
    ja: [記録に書き込みます。]
    en: [Write it into the record.]
"""
FIREWALL, PAPER_FILE = "controls/firewall.yaml", "controls/paper.yaml"


def _usual(name: str) -> str:
    return content.usual_content()[name]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Let the next test work by the program's own content again."""
    before = catalogue_in_force()
    yield
    lay_content({})
    put_in_force(before)


def _write(bench: Bench, name: str, text: str) -> None:
    path = bench.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_questionnaire_of_ones_own_is_planned_laid_and_asked(bench: Bench) -> None:
    _write(bench, "selfchecks/home.yaml", OWN)
    bench.write(self_checks="schedules:\n  - {check: home, to: everybody, every_days: 0}\n")
    planned = bench.plan()
    assert said(planned) == [
        ("add", "content", "selfchecks/home.yaml"),
        ("add", "self_check", "home everybody"),
    ]
    bench.apply()

    assert bench.plan().steps == ()
    assert selfchecks.questionnaires()["home"].title["en"] == "At home"
    with bench.desk.database.read(SYSTEM) as tx:
        (kept,) = evidence.list_records(tx, kind="content.changed")
    assert kept.subject == "content:selfchecks/home.yaml"
    assert kept.detail is not None
    assert kept.detail["before"] is None
    assert '"version": "1"' in json.dumps(kept.detail["after"])


@pytest.mark.parametrize(
    ("name", "text", "said_at"),
    [
        ("selfchecks/home.yaml", OWN.replace("max_age: 90d", "max_age: soon"),
         "selfchecks/home.yaml:5"),
        ("selfchecks/other.yaml", OWN, "selfchecks/other.yaml:1"),
        ("selfchecks/home.yaml", OWN.replace("screen-lock", "screen-lokc"),
         "selfchecks/home.yaml:10"),
        ("selfchecks/home.yaml", "id: [", "selfchecks/home.yaml:2"),
        ("selfchecks/telework.yaml",
         OWN.replace("id: home", "id: telework"), "selfchecks/telework.yaml:2"),
        ("data/nothing.yaml", "as_of: 2026-11-01\n", "data/nothing.yaml:1"),
        ("exceptions/rules.yaml", "as_of: 2026-11-01\n", "exceptions/rules.yaml:1"),
        ("content.yaml", "complet: true\n", "content.yaml:1"),
        ("controls/paper.yaml", PAPER.replace("severity: low", "severity: lwo"),
         "controls/paper.yaml:10"),
        ("controls/other.yaml", PAPER, "controls/other.yaml:1"),
        ("controls/other.yaml", PAPER.replace("id: paper", "id: antivirus"),
         "controls/other.yaml:1"),
        ("controls/firewall.yaml", _usual("controls/firewall.yaml").replace(
            "max_age: ", "max_age: 9", 1), "controls/firewall.yaml:2"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_nothing_is_laid(
    bench: Bench, name: str, text: str, said_at: str
) -> None:
    _write(bench, name, text)
    assert said_at in " ".join(bench.refusals())
    with bench.desk.database.read(SYSTEM) as tx:
        assert content.read_content(tx) == {}


def test_own_exception_rules_count_and_a_role_that_is_none_is_refused(bench: Bench) -> None:
    name = "exceptions/rules.yaml"
    shorter = _usual(name).replace("longest_days: 14", "longest_days: 7", 1)
    _write(bench, name, shorter.replace("[executive, admin]", "[exekutive]", 1))
    assert "exekutive" in " ".join(bench.refusals())
    _write(bench, name, shorter)
    bench.apply()
    assert load_rules().limits[Severity.CRITICAL].longest_days == 7


def test_other_words_need_a_higher_version(bench: Bench) -> None:
    _write(bench, "selfchecks/home.yaml", OWN)
    bench.apply()
    other = OWN.replace("Three minutes.", "Two minutes.")
    _write(bench, "selfchecks/home.yaml", other)
    assert "selfchecks/home.yaml:2" in " ".join(bench.refusals())
    _write(bench, "selfchecks/home.yaml", other.replace("version: 1", "version: 2"))
    assert said(bench.apply()) == [("change", "content", "selfchecks/home.yaml")]
    assert selfchecks.questionnaires()["home"].version == 2


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("as_of: 2026-08-22", "as_of: 2026-01-01", ":4"),  # older than what is in force
        ("as_of: 2026-08-22", "as_of: 2031-01-01", ":4"),  # not yet
        ("stale_after_days: 120\n", "", ":4"),  # would never grow old
        ("  macos:", "  macintosh:", ":"),  # rules ask for the other name
        ("[major, version]", "[major, version, more]", ":"),
    ],
)
def test_a_dated_list_that_would_mislead_is_refused(
    bench: Bench, before: str, after: str, line: str
) -> None:
    name = "data/minimum_versions.yaml"
    _write(bench, name, _usual(name).replace(before, after, 1))
    assert f"{name}{line}" in " ".join(bench.refusals())


def test_a_newer_list_is_taken_up_by_a_running_process(bench: Bench, tmp_path: Path) -> None:
    name = "data/minimum_versions.yaml"
    newer = _usual(name).replace("as_of: 2026-08-22", "as_of: 2026-11-20", 1)
    with open_house(Settings(data=tmp_path / "data"), bench.town.clock) as house:
        rulebook = Rulebook(house.settings)
        assert not rulebook.refresh(house)
        _lay(house.database, name, newer)
        assert rulebook.refresh(house)
        assert not rulebook.refresh(house)
        assert _as_of(catalogue_in_force()) == "2026-11-20"
        _started_anew(house)


def test_an_update_outdoes_an_older_list_but_never_what_one_says_of_oneself(bench: Bench) -> None:
    listed, own = "data/minimum_versions.yaml", "data/organisation.yaml"
    kept = {
        listed: _usual(listed).replace("as_of: 2026-08-22", "as_of: 2026-01-01", 1),
        own: _usual(own).replace("as_of: 2026-11-23", "as_of: 2026-01-01", 1),
    }
    with bench.desk.database.write(SYSTEM) as tx:  # laid before the program was updated
        set_fact(tx, "controls.content", kept)
        found = {file.name: file for file in content.list_content(tx)}
    assert (found[listed].version, found[listed].own) == ("2026-08-22", False)
    assert (found[own].version, found[own].own) == ("2026-01-01", True)
    lay_content(kept)
    assert _as_of(load_catalogue()) == "2026-08-22"


def _lay(database: Database, name: str, text: str) -> None:
    with database.write(SYSTEM) as tx:
        content.set_content(tx, name, text)


def _as_of(catalogue: object) -> str:
    controls = catalogue.controls.values()  # type: ignore[attr-defined]
    days = {d.as_of for c in controls for d in c.data if d.name == "minimum_versions"}
    (day,) = days
    return str(day.date().isoformat())


def _started_anew(house: House) -> None:
    """Hold that a process that starts later works by it, too."""
    lay_content({})
    Rulebook(house.settings).refresh(house)
    assert _as_of(catalogue_in_force()) == "2026-11-20"


def _rule(name: str) -> Control:
    return catalogue_in_force().controls[ControlID(name)]


def test_rules_of_ones_own_are_planned_laid_taken_up_and_taken_away(
    bench: Bench, tmp_path: Path
) -> None:
    """A new rule, one of the program's made milder, and a questionnaire about the new one."""
    milder = _usual(FIREWALL).replace("severity: high", "severity: low", 1)
    assert milder != _usual(FIREWALL)
    _write(bench, "controls/paper.yaml", PAPER)
    _write(bench, FIREWALL, milder)
    _write(bench, "selfchecks/home.yaml", OWN.replace("[screen-lock]", "[paper]"))
    assert said(bench.plan()) == [
        ("change", "content", FIREWALL),
        ("add", "content", PAPER_FILE),
        ("add", "content", "selfchecks/home.yaml"),
    ]
    with open_house(Settings(data=tmp_path / "data"), bench.town.clock) as house:
        bench.desk = replace(bench.desk, database=house.database)
        bench.apply()
        assert bench.plan().steps == ()
        lay_content({})  # as in another process
        rulebook = Rulebook(house.settings)
        assert "paper" not in catalogue_in_force().controls
        assert rulebook.refresh(house)
        assert _rule("paper").title["ja"] == "書類の持ち帰り"
        assert _rule("firewall").severity is Severity.LOW

        (bench.folder / "controls/paper.yaml").unlink()
        (bench.folder / FIREWALL).unlink()
        assert bench.plan().steps == (), "what a folder does not hold is left alone"
        _write(bench, "content.yaml", "complete: true\n")
        assert said(bench.apply()) == [("remove", "content", FIREWALL),
                                       ("remove", "content", PAPER_FILE)]  # fmt: skip
        assert rulebook.refresh(house)
        assert "paper" not in catalogue_in_force().controls
        assert _rule("firewall").severity is Severity.HIGH
        with house.database.read(SYSTEM) as tx:
            gone = evidence.list_records(tx, kind="content.changed", limit=1)[0]
    assert gone.detail is not None
    assert gone.detail["after"] is None


def test_a_rule_that_asks_something_else_needs_a_higher_version(bench: Bench) -> None:
    other = _usual(FIREWALL).replace("max_age: ", "max_age: 9", 1)
    _write(bench, FIREWALL, other)
    assert "raise the version" in " ".join(bench.refusals())
    _write(bench, FIREWALL, other.replace("version: 1", "version: 2", 1))
    assert said(bench.plan()) == [("change", "content", FIREWALL)]


def test_only_whoever_may_write_rules_lays_content(bench: Bench) -> None:
    reader = Principal(PrincipalKind.PERSON, "per_x", "x", frozenset({"controls.read"}))
    with pytest.raises(NotPermittedError), bench.desk.database.write(reader) as tx:
        content.set_content(tx, "selfchecks/home.yaml", OWN)


def test_what_is_ones_own_is_exported_and_read_back(bench: Bench, tmp_path: Path) -> None:
    _write(bench, "selfchecks/home.yaml", OWN)
    bench.apply()
    export_folder(bench.desk, tmp_path / "out")
    assert (tmp_path / "out/selfchecks/home.yaml").read_text("utf-8") == OWN
    assert not (tmp_path / "out/data").exists()
    bench.folder = tmp_path / "out"
    assert bench.plan().steps == ()
