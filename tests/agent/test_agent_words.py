"""What goes wrong with the agent is said in the person's own language, to the last word."""

import json
import re
from pathlib import Path

import pytest

from fakes.osquery_server import OsqueryServer
from sekisho.cli.main import main
from sekisho.wire.kit import Ownership
from support.agent import make_kit

_ENGLISH_SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


def enroll(folder: Path, kit: str | bytes, language: str) -> int:
    file = folder / "sekisho-kit.json"
    file.write_bytes(kit.encode() if isinstance(kit, str) else kit)
    state = str(folder / "state")
    return main(["agent", "enroll", str(file), "--state", state, "--language", language])


@pytest.mark.parametrize(
    ("change", "japanese", "english"),
    [
        (
            {"secret": 5},
            "登録キットの「secret」が数値です。空でない文字列のはずです",
            "the enrolment kit has a number as “secret”; expected a text that is not empty",
        ),
        (
            {"server_url": "http://x"},
            "登録キットの「server_url」が「http://x」です",
            "the enrolment kit has “http://x” as “server_url”; expected https://host[:port]",
        ),
        (
            {"ownership": "mine"},
            "登録キットの「ownership」が「mine」です。「company」か「private」のはずです",
            "the enrolment kit has “mine” as “ownership”; expected “company” or “private”",
        ),
    ],
)
def test_a_wrong_kit_is_explained_in_both_languages(
    server: OsqueryServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    japanese: str,
    english: str,
) -> None:
    kit = json.dumps(json.loads(make_kit(server).to_json()) | change)

    assert enroll(tmp_path, kit, "ja") == 2
    said = capsys.readouterr().err
    assert japanese in said
    assert not _ENGLISH_SENTENCE.search(said)

    assert enroll(tmp_path, kit, "en") == 2
    assert english in capsys.readouterr().err


def test_a_server_that_is_not_there_is_explained_in_both_languages(
    server: OsqueryServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = json.dumps(json.loads(make_kit(server).to_json()) | {"server_url": "https://127.0.0.1:9"})

    assert enroll(tmp_path, kit, "ja") == 2
    assert "https://127.0.0.1:9 に接続できません（接続を拒否されました）" in capsys.readouterr().err

    assert enroll(tmp_path, kit, "en") == 2
    assert "could not be reached (Connection refused)" in capsys.readouterr().err


def test_the_servers_no_is_introduced_in_the_persons_language(
    server: OsqueryServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"error": "登録の受付は終わりました"}).encode()
    server.behaviour.raw_reply["/api/osquery/enroll"] = (200, body)
    kit = make_kit(server, Ownership.COMPANY).to_json()

    assert enroll(tmp_path, kit, "ja") == 2
    assert "サーバに断られました：登録の受付は終わりました" in capsys.readouterr().err
    assert server.taken.headers[-1]["Accept-Language"] == "ja"

    assert enroll(tmp_path, kit, "en") == 2
    assert "the server refused: " in capsys.readouterr().err
    assert server.taken.headers[-1]["Accept-Language"] == "en"


def test_a_file_that_is_not_there_is_explained_in_japanese(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["agent", "enroll", str(tmp_path / "none.zip"), "--language", "ja"]

    assert main(words) == 2
    said = capsys.readouterr().err
    assert "none.zip を読めません" in said
    assert not _ENGLISH_SENTENCE.search(said)
