"""``sekisho apply``: exit codes, what is printed, and that somebody agrees first."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import sekisho
from sekisho.cli.main import main
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import open_house

UNITS = "units:\n  - name: 本社\n    country: JP\n"


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "units.yaml").write_text(UNITS, encoding="utf-8")
    return ["apply", str(tmp_path / "house"), "--data", str(tmp_path / "data")]


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_plan_is_shown_done_and_then_empty(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--plan"]) == 1
    shown = capsys.readouterr().out
    assert "+ unit 本社  (units.yaml:2)\n" in shown
    assert "    country: “JP”\n" in shown
    assert "1 to add, 0 to change, 0 to remove." in shown
    assert main([*words, "--yes"]) == 0
    assert "Done: 1 changes" in capsys.readouterr().out
    assert main([*words, "--plan"]) == 0
    path = Path(words[1], "units.yaml")
    path.write_text(UNITS.replace("JP", "US"), encoding="utf-8")
    assert main([*words, "--plan"]) == 1
    assert "    country: “JP” → “US”\n" in capsys.readouterr().out


def test_each_step_is_one_object_a_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--plan", "--format", "json"]) == 1
    step, plan = objects(capsys)
    assert (step["act"], step["kind"], step["name"]) == ("add", "unit", "本社")
    assert (step["file"], step["line"]) == ("units.yaml", 2)
    assert {"field": "country", "before": "", "after": "JP"} in step["changes"]
    assert plan["steps"] == 1
    assert main([*words, "--expect", "000000000000", "--format", "json"]) == 2
    capsys.readouterr()
    assert main([*words, "--expect", plan["plan"], "--format", "json"]) == 0
    assert objects(capsys)[-1] == {"applied": 1, "plan": plan["plan"]}


def test_nothing_is_done_where_nobody_can_agree(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(words) == 2
    assert "--yes" in capsys.readouterr().err
    assert main([*words, "--plan"]) == 1


def test_mistakes_go_to_stderr_with_file_and_line_and_cannot_act_on_the_terminal(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(words[1], "groups.yaml").write_text('groups:\n  - "\\e[2J": 1\n    name: A\n')
    assert main([*words, "--plan"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("groups.yaml:2: ")
    assert "\x1b" not in said
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert main([*words, "--plan"]) == 2
    assert "誤りが1件" in capsys.readouterr().err
    assert main([*words, "--plan", "--format", "json"]) == 2
    [mistake] = objects(capsys)
    assert (mistake["file"], mistake["line"]) == ("groups.yaml", 2)


def test_the_present_state_is_written_and_is_then_in_force(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*words, "--yes"]) == 0
    out = ["apply", str(tmp_path / "out"), *words[2:]]
    assert main([*out, "--export"]) == 0
    assert main([*out, "--plan"]) == 0
    assert main([*out, "--export"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_controls_that_are_not_in_force_are_a_mistake(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder must not promise rules that the server does not work by."""
    own = Path(sekisho.__file__).parent / "content"
    shutil.copytree(own / "controls", Path(words[1], "controls"))
    assert main([*words, "--plan"]) == 1
    assert "controls/" not in capsys.readouterr().out, "the same rules are nothing to do"
    monkeypatch.setenv("SEKISHO_CONTROLS", str(own))
    assert main([*words, "--plan"]) == 2
    assert str(own) in capsys.readouterr().err
    monkeypatch.setenv("SEKISHO_CONTROLS", words[1])
    assert main([*words, "--plan"]) == 1


POLICY = """\
policies:
  - id: all
    cedar: |
      @id("all")
      permit(principal, action, resource);
"""


def test_policies_are_shown_line_by_line_with_what_comes_of_them(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(words[1], "policies.yaml")
    path.write_text(POLICY, encoding="utf-8")
    assert main([*words, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "+ policy all  (policies.yaml:2)\n" in shown
    assert '    cedar:\n      +@id("all")\n      +permit(principal, action, resource);\n' in shown
    assert shown.count("Version 1 of the policies is in force at once") == 2  # planned, and done
    path.write_text(POLICY.replace("permit(", "forbid("), encoding="utf-8")
    assert main([*words, "--plan"]) == 1
    shown = capsys.readouterr().out
    assert "~ policy all  (policies.yaml:2)\n    cedar:\n       @id(" in shown
    assert "      -permit(principal, action, resource);\n      +forbid(principal" in shown
    assert main([*words, "--plan", "--format", "json"]) == 1
    step, note, plan = objects(capsys)
    assert (step["kind"], step["name"]) == ("policy", "all")
    assert "Version 2" in note["note"]
    assert plan["steps"] == 1
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert main([*words, "--plan"]) == 1
    shown = capsys.readouterr().out
    assert "~ アクセスポリシー all" in shown
    assert "ほかに承認できる人がいないため、ポリシーの版2はすぐに有効になります" in shown


def test_what_waits_for_approval_is_not_called_done(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(words[1], "policies.yaml").write_text(POLICY, encoding="utf-8")
    with open_house(Settings(data=Path(words[3]))) as house, house.database.write(SYSTEM) as tx:
        identity.add_person(
            tx, name="S", email="s@example.jp", language="ja", roles=[Role.SECURITY],
            state=PersonState.ACTIVE,
        )  # fmt: skip
    assert main([*words, "--yes"]) == 0
    assert "Version 1 of the policies waits for the approval" in capsys.readouterr().out
    assert main([*words, "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "waits for approval already, as version 1" in shown
    assert "Nothing to do" not in shown


def test_an_export_tells_what_it_leaves_out(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(words[1], "groups.yaml").write_text("groups:\n  - name: G\n", encoding="utf-8")
    text = POLICY.replace("principal,", 'principal in Group::"G",')
    Path(words[1], "policies.yaml").write_text(text, encoding="utf-8")
    assert main([*words, "--yes"]) == 0
    gone = "complete: true\ngroups: []\n"
    Path(words[1], "groups.yaml").write_text(gone, encoding="utf-8")
    Path(words[1], "policies.yaml").unlink()
    assert main([*words, "--yes"]) == 0
    capsys.readouterr()
    out = ["apply", str(tmp_path / "out"), *words[2:], "--export"]
    assert main(out) == 0
    said = capsys.readouterr()
    assert "The policy “all” is not written, since it names what is not there: Group::" in said.err
    assert "policies.yaml" in said.out
    assert main(["apply", str(tmp_path / "out"), *words[2:], "--plan"]) == 0
