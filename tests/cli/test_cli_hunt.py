"""``sekisho hunt`` as a person runs it: exit codes, forms of the result, what goes wrong."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sekisho.cli.columns import measure
from sekisho.cli.hunt_files import csv_lines
from sekisho.cli.hunt_text import Sheet, cut, draw_timeline
from sekisho.cli.main import main
from sekisho.detection.engine.sightings import Sighting
from sekisho.detection.model import Level, Match, Record
from support.logs import json_lines, windows_event, windows_xml

SIGMA = Path(__file__).parents[3] / "shared" / "data" / "sigma"
RULE = """title: A Failed Log-on
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11
level: high
tags:
    - attack.credential-access
    - attack.t1110
logsource:
    product: windows
    service: security
detection:
    selection:
        EventID: 4625
    condition: selection
"""
CONTRACT = (
    "time", "rule_id", "rule_title", "level", "file", "record", "records", "group", "entities",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled rules out of the home of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "failed.yml").write_text(RULE, encoding="utf-8")
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(json_lines([windows_event(4624), windows_event(4625)]))
    (folder / "b.xml.gz").write_bytes(gzip.compress(windows_xml(4625).encode()))
    return folder


def hunt(*arguments: object) -> int:
    return main(["hunt", *map(str, arguments), "--language", "en", "--timezone", "UTC"])


def test_json_lines_hold_what_the_contract_says(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hunt(logs, "--rules", rules, "--format", "json", "--quiet") == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [tuple(line)[: len(CONTRACT)] for line in lines] == [CONTRACT] * 2
    first = lines[0]
    assert first["time"] == "2026-11-23T01:20:55.123456Z"
    assert (first["rule_title"], first["level"]) == ("A Failed Log-on", "high")
    assert (first["file"], first["record"], first["records"]) == (str(logs / "a.jsonl"), 2, [2])
    assert first["group"] == {}
    assert first["entities"] == {
        "users": ["taro"],
        "hosts": ["GATE-01"],
        "addresses": ["203.0.113.9"],
    }
    assert not captured.err


def test_nothing_found_is_0_and_nothing_to_hunt_with_is_2(
    rules: Path, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = tmp_path / "quiet.jsonl"
    quiet.write_bytes(json_lines([windows_event(4624)]))
    assert hunt(quiet, "--rules", rules) == 0
    assert "Nothing matched." in capsys.readouterr().out
    assert hunt(tmp_path / "none", "--rules", rules) == 2
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "bad.yml").write_text("title: [", encoding="utf-8")
    assert hunt(logs, "--rules", tmp_path / "bad.yml") == 2
    assert "bad.yml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "It is empty."),
        ("headless.evtx", b"ElfChnk\x00" + b"x" * 70_000, "The head of the file is missing"),
        ("broken.jsonl", b'{"a": \n{"b": \n', "It is no JSON"),
    ],
)
def test_where_nothing_could_be_read_it_is_no_all_clear(
    name: str, content: bytes, said: str, rules: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / name).write_bytes(content)
    assert hunt(tmp_path / name, "--rules", rules) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "No event was read." in captured.out
    assert "Nothing matched." not in captured.out


FOO = """title: Foo
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f13
logsource: {product: foo, service: bar}
detection: {selection: {m|contains: ell}, condition: selection}
"""


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"m": "hello"}\n', True),
        ("a.json", '[{"m": "hello"}]', True),
        ("a.csv", "m,n\nhello,1\n", True),
        ("large.jsonl", f'{{"m": "hello", "p": "{"x" * 20_000}"}}\n' * 1_800, True),
        ("a.jsonl", json_lines([windows_event()]).decode() + '{"m": "hello"}\n', False),
        ("readme.txt", "hello\n", False),
    ],
)
def test_a_log_that_does_not_say_what_it_is_is_told(
    name: str, content: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "foo.yml").write_text(FOO)
    log = tmp_path / name
    log.write_text(content)
    assert hunt(log, "--rules", tmp_path / "foo.yml", "--jobs", "2") == 0
    assert (f"{log} does not tell what log it is" in capsys.readouterr().out) is told
    if name != "large.jsonl":
        asked = ("--rules", tmp_path / "foo.yml", "--logsource", "product=foo,service=bar")
        assert hunt(log, *asked) == int(name != "readme.txt")  # whose text is in “message”
        assert "does not tell" not in capsys.readouterr().out


def test_empty_files_within_folders_are_no_matter(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "rotated.log").write_bytes(b"")
    assert hunt(logs, "--rules", rules) == 1
    assert "empty" not in capsys.readouterr().err


def test_a_file_that_is_named_twice_is_read_once(
    rules: Path, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link.jsonl").symlink_to(logs / "a.jsonl")
    named = [logs / "a.jsonl", logs, tmp_path / "link.jsonl", logs / "a.jsonl"]
    assert hunt(*named, "--rules", rules, "--format", "json", "--quiet") == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--include", "nothing-like-it"], "No rule fits what --include"),
        (["--rules", "."], "There is no rule file"),
        (["--rules", "nowhere"], "nowhere:1: The file cannot be read: No such file or directory."),
    ],
)
def test_nothing_to_hunt_with_says_why(
    more: list[str], said: str, rules: Path, logs: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path / "none")
    named = more if "--rules" in more else ["--rules", rules, *more]
    assert hunt(logs, *named) == 2
    assert said in capsys.readouterr().err


def test_a_span_goes_to_the_end_of_its_last_day(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = ("--rules", rules, "--format", "json", "--quiet", "--from", "2026-11-23")
    assert hunt(logs, *day, "--to", "2026-11-23") == 1
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert hunt(logs, *day, "--to", "2026-11-23T01:00:00") == 0
    assert hunt(logs, *day, "--to", "2026-11-22") == 2
    assert "later than" in capsys.readouterr().err


def test_a_bad_rule_is_told_and_the_others_hunt(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rules / "bad.yml").write_text("title: Bad\nlogsource: {}\n", encoding="utf-8")
    assert hunt(logs, "--rules", rules, "--format", "json") == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "bad.yml:" in captured.err


def test_a_bad_record_and_a_bad_file_are_told_and_counted(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "a.jsonl").write_bytes(b"{broken}\n" + json_lines([windows_event(4625)]))
    (logs / "c.zip").write_bytes(b"PK\x03\x04 torn")
    assert hunt(logs, "--rules", rules) == 1
    captured = capsys.readouterr()
    assert f"{logs / 'a.jsonl'}:1: " in captured.err
    assert f"{logs / 'c.zip'}: " in captured.err
    assert "Left out: 1 file and 1 record " in captured.out
    assert "2 matches of 1 rule " in captured.out


def test_searches_that_were_given_up_are_told_with_their_rule(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = RULE.replace("EventID: 4625", "TargetUserName|re: '(?=x)(x|xx)+[0-9]'")
    (rules / "failed.yml").write_text(hostile, encoding="utf-8")
    log = json_lines([windows_event(4625, TargetUserName="x" * 60)])
    (logs / "a.jsonl").write_bytes(log + json_lines([windows_event(4625, TargetUserName="xx1")]))
    assert hunt(logs, "--rules", rules, "--format", "json", "--quiet") == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["record"] for line in captured.out.splitlines()] == [2]
    assert f"{rules / 'failed.yml'}:1: Given up for taking too long: 1 search " in captured.err
    page = logs.parent / "page.html"
    hunt(logs, "--rules", rules, "--format", "html", "--output", page)
    assert "taking too long: 1 search with expressions of rules" in page.read_text("utf-8")
    assert "taking too long: 1 search with expressions of rules" in capsys.readouterr().out


def test_the_last_log_on_of_another_day_has_its_day(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = windows_event(4624, LogonType="10", IpAddress="203.0.113.9")
    later = json.loads(json.dumps(first).replace("2026-11-23T01", "2026-11-25T00"))
    (logs / "a.jsonl").write_bytes(json_lines([first, later]))
    hunt(logs / "a.jsonl", "--rules", rules)
    assert "2026-11-23 01:20:55  2026-11-25 00:20:55" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_values_that_lie_deep_harm_no_other_record(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = RULE.replace("selection:\n        EventID: 4625", "selection: [needle]").replace(
        "    product: windows\n    service: security", "    product: linux"
    )
    (tmp_path / "r.yml").write_text(rule, encoding="utf-8")
    texts = ['{"a": "needle"}']
    for depth in (90, 300, 500, 900, 950, 980, 995, 1200):
        forms = ('{"a": %s"needle"%s}', '{"host": %s%s, "a": "needle"}', '{"Records": %s{}%s}')
        texts += [form % ("[" * depth, "]" * depth) for form in forms]
        texts.append('{"Records": [' * depth + '{"a": "needle"}' + "]}" * depth)
    texts.append('{"a": "needle"}')
    joined = ",\n".join(texts)
    (tmp_path / name).write_text("\n".join(texts) if name == "a.jsonl" else f"[{joined}]")
    words = ("--rules", tmp_path / "r.yml", "--logsource", "product=linux", "--quiet")
    assert hunt(tmp_path / name, *words, "--format", "json") == 1
    records = [json.loads(line)["record"] for line in capsys.readouterr().out.splitlines()]
    assert {1, 2, len(texts)} <= set(records)


def test_level_time_and_names_narrow_what_is_shown(rules: Path, logs: Path) -> None:
    shown = (logs, "--rules", rules, "--format", "json", "--quiet")
    assert hunt(*shown, "--level", "critical") == 0
    assert hunt(*shown, "--from", "2026-11-24") == 0
    assert hunt(*shown, "--to", "2026-11-23T01:20") == 0
    assert hunt(*shown, "--from", "2026-11-23", "--to", "2026-11-24") == 1
    assert hunt(*shown, "--include", "a failed*") == 1
    assert hunt(*shown, "--exclude", "attack.t1110") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ("--logsource", "kind=linux"),
        ("--timezone", "Mars/Base"),
        ("--timezone", "+99:99"),
        ("--timezone", "+15:00"),
        ("--from", "yesterday"),
        ("--jobs", "-3"),
        ("--values", "/nowhere/values.yml"),
    ],
)
def test_a_wrong_option_says_what_would_be_right(
    wrong: tuple[str, str], logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hunt", str(logs), *wrong]) == 2
    assert "→" in capsys.readouterr().err


@pytest.mark.parametrize("values", ["- a", "a: {b: c}", "a: null", "a: [[b]]", "a: ["])
def test_values_that_are_none_are_refused(
    values: str, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "values.yml").write_text(values)
    assert hunt(logs, "--values", tmp_path / "values.yml") == 2
    assert "Administrators: [taro, hanako]" in capsys.readouterr().err


def test_csv_is_safe_for_spreadsheets() -> None:
    record = Record("=cmd.csv", 1)
    match = Match("r", '=HYPERLINK("x")', Level.HIGH, None, record, (record,))
    header, row = csv.reader(io.StringIO("\r\n".join(csv_lines([Sighting(match)], UTC))))
    cells = dict(zip(header, row, strict=True))
    assert cells["rule_title"] == '\'=HYPERLINK("x")'
    assert cells["file"] == "'=cmd.csv"


def test_the_page_runs_nothing_that_a_log_says(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    log = tmp_path / "hostile.jsonl"
    log.write_bytes(json_lines([windows_event(4625, TargetUserName=hostile, IpAddress=hostile)]))
    page = tmp_path / "page.html"
    assert hunt(log, "--rules", rules, "--format", "html", "--output", page) == 1
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in text
    assert "1 match of 1 rule " in capsys.readouterr().out


def test_text_of_a_log_cannot_steer_the_terminal(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "hostile.jsonl"
    log.write_bytes(json_lines([windows_event(4625, TargetUserName="\x1b[2J\x07\r\nroot")]))
    assert hunt(log, "--rules", rules) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_file_name_cannot_steer_the_terminal(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a\x1b]0;x\x07.jsonl"
    log.write_bytes(b'{"a": 1}\n{bad}\n' * 30)
    (tmp_path / "b\x1b[2J.yml").write_text("title: Bad", encoding="utf-8")
    hunt(log, "--rules", rules, "--rules", tmp_path / "b\x1b[2J.yml")
    err = capsys.readouterr().err
    assert "{bad}" in err or "no JSON" in err
    assert "\x1b" not in err


def test_neighbours_are_drawn_once_and_lines_fit_in_japanese() -> None:
    at = int(datetime(2026, 11, 23, 1, 20, tzinfo=UTC).timestamp()) * 1_000_000
    found = [
        Sighting(
            Match("r", "長い題名のルール" * 8, Level.CRITICAL, at + n, Record("ログ.evtx", n)),
            computer="端末-01", channel="Security", event_id=4625, details={"User": "太郎" * 60},
        )
        for n in range(3)
    ]  # fmt: skip
    lines = list(draw_timeline(found, Sheet("ja", 80)))
    assert all(measure(line) <= 80 for line in lines)
    assert sum("×3" in line for line in lines) == 1
    assert cut("太郎" * 10, 9) == "太郎太郎…"


def test_left_out_says_only_what_was(
    rules: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (logs / "a.jsonl").open("ab") as file:
        file.write(b"{bad}\n")
    hunt(logs, "--rules", rules)
    assert "Left out: 1 record (see above why)" in capsys.readouterr().out


def test_what_goes_into_a_file_or_pipe_is_not_cut(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word = "x" * 300 + "-the-end"
    (tmp_path / "a.jsonl").write_bytes(json_lines([windows_event(4625, TargetUserName=word)]))
    assert hunt(tmp_path / "a.jsonl", "--rules", rules) == 1
    assert f"TargetUserName={word}\n" in capsys.readouterr().out


def test_own_rules_are_used_and_said_when_none_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "cleared.jsonl"
    log.write_bytes(json_lines([windows_event(1102, SubjectUserName="taro")]))
    assert hunt(log, "--format", "json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rule_title"] == "Windows Event Log Cleared"
    assert "--rules" in captured.err


def test_rules_are_read_out_of_an_archive(rules: Path, logs: Path, tmp_path: Path) -> None:
    import zipfile  # noqa: PLC0415 - only here

    packed = tmp_path / "rules.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(rules / "failed.yml", "../../failed.yml")
    assert hunt(logs, "--rules", packed, "--quiet", "--format", "json") == 1


def test_several_processes_find_the_same_as_one(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    padding = "x" * 3000
    for n in range(6):
        events = [windows_event(4625, TargetUserName=f"user{n}", Padding=padding)] * 400
        (folder / f"{n}.jsonl").write_bytes(json_lines(events) + b"{bad}\n")
    results = []
    for jobs in (1, 2):
        assert hunt(folder, "--rules", rules, "--format", "json", "--jobs", jobs) == 1
        captured = capsys.readouterr()
        results.append((captured.out, captured.err))
    assert results[0][0] == results[1][0]
    assert len(results[0][0].splitlines()) == 2400
    assert "6 records" in results[0][1]
    assert "6 records" in results[1][1]
