"""The controls that come with the program: complete, tested, and provable."""

import ast
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sekisho.agent.tables.linux import tables
from sekisho.controls.catalogue import check_control, load_catalogue
from sekisho.controls.datasets import read_data_file, read_data_folder
from sekisho.controls.lint import run_case
from sekisho.controls.manifest import compute_manifest, manifest_for
from sekisho.controls.model import Case, Check, Control, Platform, Probe, Proof, VerdictKind
from sekisho.controls.osquery_sql import current_bench, load_schema
from sekisho.controls.pictures import load_pictures, read_picture
from sekisho.controls.reading import Source
from sekisho.controls.refresh import build_endoflife
from sekisho.kernel.i18n import load_japanese
from sekisho.wire.kit import Ownership

CONTENT = Path(__file__).parents[2] / "src/sekisho/content"
CONTROLS = list(load_catalogue().controls.values())
PROBES = [
    pytest.param(control, check, probe, id=f"{control.id}-{check.platform}-{number}")
    for control in CONTROLS
    for check in control.checks.values()
    for number, probe in enumerate(check.probes)
]
RULES = [
    "os-supported",
    "os-patched",
    "os-patched-history",
    "auto-update",
    "disk-encrypted",
    "screen-lock",
    "screen-lock-mdm",
    "firewall",
    "firewall-profiles",
    "firewall-rdp-open",
    "antivirus",
    "gatekeeper-sip",
    "rdp-off",
    "rdp-nla",
    "remote-login-off",
    "remote-tools",
    "remote-tools-ext",
    "wifi-secure",
    "vpn-up",
    "not-admin",
    "uac-on",
    "auto-login-off",
    "ports",
    "shares",
    "smb1-off",
    "browser",
    "meeting",
    "usb-storage",
    "usb-storage-blocked",
    "p2p",
    "cert-present",
    "cert-rogue-root",
    "secure-boot",
    "guest-off",
    "edr",
    "backup",
    "restore-test",
]


def test_every_rule_is_there() -> None:
    assert sorted(RULES) == sorted(control.id for control in CONTROLS)


@pytest.mark.parametrize(("control", "check", "probe"), PROBES)
def test_hit_miss_and_empty_tables(control: Control, check: Check, probe: Probe) -> None:
    del control, check
    assert {VerdictKind.PASS, VerdictKind.FAIL} <= {case.expect for case in probe.cases}
    for case in (*probe.cases, Case(VerdictKind.UNKNOWN, {})):
        assert run_case(probe, case, current_bench()) is case.expect, case.place


@pytest.mark.parametrize(("control", "check", "probe"), PROBES)
def test_a_precondition_proves_a_table_that_the_check_reads_or_its_presence(
    control: Control, check: Check, probe: Probe
) -> None:
    del control, check
    proven = {table for table, _ in compute_manifest(probe.precondition)}
    read = {table for table, _ in compute_manifest(probe.sql)}

    assert proven & (read | {"osquery_registry"})


@pytest.mark.parametrize("path", sorted(CONTENT.glob("controls/*.yaml")), ids=lambda p: p.stem)
def test_each_file_is_clean_by_itself(path: Path) -> None:
    assert check_control(path.read_text("utf-8"), path.name) == ()
    assert path.stem in {control.id for control in CONTROLS}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.id)
def test_japanese_is_japanese_and_english_is_not(control: Control) -> None:
    japanese = [control.title, control.statement, control.why, control.guideline]
    fixes = [(steps["ja"], steps["en"]) for steps in control.fix.values()]
    pairs = [([t["ja"]], [t["en"]]) for t in japanese] + fixes
    kana = re.compile(r"[\u3040-\u30ff]")
    for ja, en in pairs:
        assert kana.search(" ".join(ja)) or re.search(r"[\u4e00-\u9fff]", " ".join(ja))
        assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", " ".join(en))
        assert "違反" not in " ".join(ja), "nobody is blamed"


@pytest.mark.parametrize("platform", list(Platform))
def test_private_devices_are_read_less(platform: Platform) -> None:
    catalogue = load_catalogue()
    private = manifest_for(catalogue, platform, Ownership.PRIVATE)
    company = manifest_for(catalogue, platform, Ownership.COMPANY)

    assert len(private) < len(company)
    tables = {table for table, _ in private}
    never = {"users", "programs", "apps", "processes", "deb_packages", "chrome_extensions",
             "logged_in_users", "windows_update_history", "services"}  # fmt: skip
    assert not tables & never
    columns = {column for _, column in private}
    assert not columns & {"username", "ssid", "bssid", "network_name", "serial", "uuid"}


def test_no_date_or_version_stands_in_sql() -> None:
    for path in CONTENT.glob("controls/*.yaml"):
        cases = re.compile(r"tests:.*?(?=\n    fallback:|\n  \w+:\n|\nfix:)", re.DOTALL)
        text = cases.sub("", path.read_text("utf-8"))
        sql = "\n".join(
            re.findall(r"(?:sql|precondition): (.*?)(?=\n    \w+:|\nfix:)", text, re.DOTALL)
        )
        assert not re.search(r"'20\d\d-\d\d", sql), path.name
        assert not re.search(r"'\d+\.\d+(\.\d+)*'", sql.replace("'127.", "")), path.name


def test_end_of_life_dates_are_made_from_product_files(tmp_path: Path) -> None:
    releases = {
        "windows": ('"11-25h2-w"', "10.0.26200", "2027-10-12"),
        "macos": ('"26"', '"26.6.2"', "false"),
        "ubuntu": ('"24.04"', '"24.04.4"', "2029-05-31"),
        "debian": ('"13"', '"13.6"', "2028-08-09"),
        "rhel": ('"10"', '"10.1"', "2035-05-31"),
        "almalinux": ('"10"', '"10.1"', "2035-05-31"),
        "rocky-linux": ('"10"', '"10.1"', "2035-05-31"),
    }
    for name, (cycle, latest, end) in releases.items():
        (tmp_path / f"{name}.md").write_text(
            f"---\ntitle: x\nreleases:\n  - releaseCycle: {cycle}\n    releaseDate: 2025-09-30\n"
            f"    eol: {end}\n    latest: {latest}\n---\ntext\n"
        )

    made = build_endoflife(tmp_path, date(2026, 8, 22))

    assert '["26200", "W", "2027-10-12"]' in made
    assert "[26, null]" in made
    assert '["ubuntu", 24, 4, "2029-05-31"]' in made
    assert made == build_endoflife(tmp_path, date(2026, 8, 22))


def test_dated_lists_say_until_when_they_hold() -> None:
    leaning = {str(c.id): {d.name for d in c.data} for c in CONTROLS if c.data}

    assert leaning["os-supported"] == {"endoflife"}
    assert leaning["browser"] == {"minimum_versions"}
    assert leaning["os-patched"] == {"minimum_versions", "windows_builds"}
    assert leaning["antivirus"] == {"xprotect"}
    assert "meeting" not in leaning  # it speaks of published holes only, which do not grow old
    supported = next(c for c in CONTROLS if c.id == "os-supported")
    assert supported.data[0].as_of == datetime(2026, 8, 22, tzinfo=UTC)


def test_a_platform_leans_only_on_the_lists_that_its_own_queries_name() -> None:
    patched = next(c for c in CONTROLS if c.id == "os-patched")
    leaning = {
        (platform, number): {data.name for data in probe.data}
        for platform, check in patched.checks.items()
        for number, probe in enumerate(check.probes)
    }

    assert leaning[Platform.WINDOWS, 1] == {"windows_builds"}
    assert leaning[Platform.DARWIN, 0] == {"minimum_versions"}
    assert leaning[Platform.LINUX, 0] == set()
    antivirus = next(c for c in CONTROLS if c.id == "antivirus")
    assert antivirus.checks[Platform.WINDOWS].probe.data == ()


DATA = read_data_folder(CONTENT / "data", [])
DATED = ["meetings", "minimum_versions", "windows_builds", "xprotect"]


@pytest.mark.parametrize("name", sorted(DATA))
def test_every_list_says_from_where_and_of_which_day_it_is(name: str) -> None:
    found = DATA[name]

    assert datetime(2024, 1, 1, tzinfo=UTC) < found.as_of <= datetime.now(UTC)
    assert len(found.source) > 10
    assert found.sets


@pytest.mark.parametrize("name", DATED)
def test_every_version_has_its_own_source_and_day(name: str) -> None:
    found = DATA[name]

    for key, rows in found.sets.items():
        assert len(found.sources[key]) == len(rows), key
        for as_of, source in found.sources[key]:
            assert datetime(2024, 1, 1, tzinfo=UTC) < as_of <= datetime.now(UTC), source
            assert len(source) > 20, key
            # Nothing may be said to be newer than the list that it stands in.
            assert as_of <= found.as_of, source


def test_a_version_without_its_source_is_a_fault() -> None:
    source = Source("data/x.yaml")
    text = "as_of: 2026-01-01\nsource: x\nsets:\n  a:\n    columns: [n]\n    rows: [[1], [2]]\n"
    read_data_file("x", text + '    sources: [["2026-01-01", "one"]]\n', source)
    read_data_file("x", text + '    sources: [["soon", "a"], ["2026-01-01", "b"]]\n', source)
    read_data_file("x", text + '    sources: [["2026-01-01"], ["2026-01-01", "b"]]\n', source)

    assert [str(fault.message) for fault in source.faults] == [
        "Expected 2 values, got 1.",
        "Expected a date such as 2026-11-23.",
        "Expected 2 values, got 1.",
    ]


def test_the_agents_tables_are_in_the_schema() -> None:
    schema = load_schema()
    for table in tables():
        names = schema[table.name]
        assert Platform.LINUX in names.platforms | names.agent_platforms, table.name
        assert {column.name for column in table.columns} <= names.columns.keys(), table.name


def test_every_table_of_a_check_is_one_the_agent_has() -> None:
    has = {table.name for table in tables()} | {"osquery_info", "osquery_registry", "time"}
    for ownership in Ownership:
        read = {t for t, _ in manifest_for(load_catalogue(), Platform.LINUX, ownership)}
        assert read <= has


def test_proofs_of_paper_have_no_checks() -> None:
    paper = {c.id for c in CONTROLS if c.proof is not Proof.MACHINE}
    assert paper == {"backup", "restore-test"}


def test_messages_have_japanese() -> None:
    known = load_japanese()
    for path in (CONTENT.parent / "controls").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "msg":
                text = node.args[0]
                assert isinstance(text, ast.Constant), f"{path.name}:{node.lineno}"
                assert text.value in known, f"{path.name}:{node.lineno}: {text.value!r}"


FIXES = [
    pytest.param(control, platform, id=f"{control.id}-{platform}")
    for control in CONTROLS
    for platform in control.fix
]


@pytest.mark.parametrize(("control", "platform"), FIXES)
def test_how_to_fix_it_has_a_picture_or_a_command(control: Control, platform: str) -> None:
    """Nobody has to find a page of the system's settings by its name alone."""
    steps = control.fix[platform]
    command = all(any(said.count("`") >= 2 for said in steps[x]) for x in ("ja", "en"))
    assert command or control.fix_picture(platform)


def test_every_picture_is_whole_and_shown_somewhere() -> None:
    shown = {name for control in CONTROLS for name in control.picture.values()}
    faults = []
    for path in CONTENT.glob("pictures/*.yaml"):
        source = Source(path.name)
        assert read_picture(path.read_text("utf-8"), source) is not None or source.faults
        faults += source.faults
    assert faults == []
    assert shown == set(load_pictures()) == {p.stem for p in CONTENT.glob("pictures/*.yaml")}


def test_a_picture_that_is_not_there_is_a_fault() -> None:
    text = (CONTENT / "controls/p2p.yaml").read_text("utf-8")
    wrong = text.replace("picture: {all: p2p}", "picture: {all: gone, beos: p2p}")

    assert [str(fault.message) for fault in check_control(wrong, "p2p.yaml")] == [
        "There is no picture “gone”.",
        "There is no platform “beos”.",
    ]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.id)
def test_a_picture_is_for_a_system_that_the_rule_knows(control: Control) -> None:
    assert set(control.picture) <= set(control.fix)


def test_controls_are_read_where_nothing_can_be_drawn() -> None:
    """The base package, which is the agent and ``check``, brings in no way to make pages."""
    reads = "import sys, sekisho.controls.catalogue as c; c.load_catalogue(); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", reads], capture_output=True, text=True, check=True)
    assert not {"markupsafe", "jinja2", "sqlalchemy", "litestar"} & set(told.stdout.split())
