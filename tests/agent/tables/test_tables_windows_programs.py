"""Windows from recorded answers: file versions, backups, PowerShell."""

import struct
from collections.abc import Sequence

import pytest

from sekisho.agent.table import UnreadableError
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.windows import backup, tables
from sekisho.agent.tables.windows.powershell import ask, command, parse
from sekisho.agent.tables.windows.versions import parse_version, version_columns
from support.windows_computer import recorded_registry


def test_file_versions_from_the_version_resource() -> None:
    fixed = struct.pack("<IIIIII", 0xFEEF04BD, 0x10000, 6 << 16 | 6, 12 << 16 | 3, 6 << 16, 0)
    assert parse_version(b"VS_VERSION_INFO" + fixed) == {
        "file_version": "6.6.12.3",
        "product_version": "6.0.0.0",
    }
    assert parse_version(b"") == {}
    assert parse_version(fixed[:10]) == {}
    assert version_columns(r"C:\x\Zoom.exe", lambda _: fixed)["file_version"] == "6.6.12.3"
    assert version_columns(r"C:\x\notes.txt", lambda _: fixed) == {}


class TestBackups:
    def test_file_history(self) -> None:
        (row,) = backup.file_history(recorded_registry())
        assert (row["tool"], row["enabled"]) == ("file_history", 1)
        assert row["last_success"] == 1795300000

    def test_windows_backup(self) -> None:
        (row,) = backup.image_backup([{"finished": 1795300000}])
        assert row["last_success"] == 1795300000


class TestPowerShell:
    @pytest.mark.parametrize("text", ["", "アクセスが拒否されました", "{}", '"x"', "[1]", "[{]"])
    def test_anything_but_a_list_of_objects_is_unreadable(self, text: str) -> None:
        with pytest.raises(UnreadableError):
            parse(text)

    def test_nothing_there_is_an_empty_list(self) -> None:
        assert parse("\ufeff[]\r\n") == []

    def test_an_error_is_unreadable_with_its_message(self) -> None:
        def refused(argv: Sequence[str], **_: object) -> Output:
            return Output("", f"アクセスが拒否されました: {argv[0]}", 1)

        with pytest.raises(UnreadableError, match="アクセスが拒否"):
            ask(refused, "Get-Thing")

    def test_the_command_line_asks_for_utf8_json_and_stops_at_errors(self) -> None:
        program, *rest = command("Get-Thing")
        assert program.endswith(r"\powershell.exe")
        assert "-NoProfile" in rest
        script = rest[-1]
        assert "$ErrorActionPreference='Stop'" in script
        assert "UTF8Encoding" in script
        assert "ConvertTo-Json" in script

    def test_every_script_has_balanced_brackets(self) -> None:
        scripts: list[str] = []

        def listen(argv: Sequence[str], **_: object) -> Output:
            scripts.append(argv[-1])
            return Output("[]", "", 0)

        for table in tables(Host(run=listen), recorded_registry()):
            try:
                list(table.rows({}))
            except UnreadableError:
                continue
        assert len(scripts) >= 14
        for script in scripts:
            for opening, closing in ("()", "{}", "[]"):
                assert script.count(opening) == script.count(closing), script
            assert script.count("'") % 2 == 0, script
            assert '"' not in script, script  # quotes would need escaping on the command line
