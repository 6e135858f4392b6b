"""What every table promises: its columns, its platforms, and Unreadable instead of a guess."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.agent.table import Table, UnreadableError
from sekisho.agent.tables import tables_for

PLATFORMS = ("linux", "windows", "darwin")
RULES = Path(__file__).resolve().parents[4] / "shared/prototypes/posture/rules.json"
GAP_FILLERS = {
    "linux": {"wifi_status", "gsettings", "screen_lock", "nftables_chains", "pending_updates"},
    "windows": {"wifi_status", "windows_updates"},
    "darwin": {"wifi_status", "screenlock", "software_update"},
}


def names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


@pytest.mark.skipif(not RULES.exists(), reason="the facts folder is not beside the repository")
def test_every_column_that_the_rules_read_exists_on_the_rule_s_platform() -> None:
    for rule, _, platform, _, _, reads in json.loads(RULES.read_text()):
        for one in PLATFORMS if platform == "all" else (platform,):
            tables = tables_for(one)
            for name, wanted in reads.items():
                assert name in tables, (rule, one, name)
                assert set(wanted) <= names(tables[name]), (rule, one, name)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_gaps_of_osquery_are_filled_and_backups_are_told(platform: str) -> None:
    assert {*GAP_FILLERS[platform], "backup_jobs", "file"} <= tables_for(platform).keys()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_columns_are_well_formed_and_pushed_ones_exist(platform: str) -> None:
    for table in tables_for(platform).values():
        assert len(names(table)) == len(table.columns), table.name
        assert {column.type for column in table.columns} <= {"TEXT", "INTEGER", "BIGINT", "DOUBLE"}
        assert table.pushed <= names(table), table.name


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_table_answers_with_its_columns_or_is_unreadable_on_any_computer(platform: str) -> None:
    for table in tables_for(platform).values():
        try:
            rows = list(table.rows({}))
        except UnreadableError:
            continue
        assert all(set(row) <= names(table) for row in rows), table.name


@pytest.mark.skipif(sys.platform == "win32", reason="these are the tables of another system")
def test_windows_facts_are_unreadable_elsewhere_never_empty() -> None:
    tables = tables_for("windows")
    for name in ("registry", "programs", "bitlocker_info", "windows_security_center", "services"):
        with pytest.raises(UnreadableError):
            list(tables[name].rows({"key": ("HKEY_LOCAL_MACHINE\\SOFTWARE",)}))


def test_an_unknown_platform_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'plan9'.*darwin, linux, windows"):
        tables_for("plan9")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_listing_tables_imports_neither_cryptography_nor_psutil(platform: str) -> None:
    script = (
        "import sys; from sekisho.agent.tables import tables_for;"
        f"tables_for({platform!r}); print('cryptography' in sys.modules, 'psutil' in sys.modules)"
    )
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert asked.stdout.split() == [b"False", b"False"]
