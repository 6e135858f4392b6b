"""The Sigma language: what loads, what does not and where the fault is said to lie."""

import contextlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.detection.language import documents as reading
from sekisho.detection.language.documents import read_documents
from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.loading import RuleText, load_folder, load_rules
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Exists,
    Glob,
    Level,
    Not,
    Rule,
    RuleSet,
    Wildcard,
)
from sekisho.kernel.i18n import translate
from support.often import often
from support.sigma_rules import document, first_fault, load_rule, load_text
from support.sigma_strategies import rule_sets

MANY = Wildcard.MANY
RULE = json.dumps(document({"a": "x"}))


def atom(*parts: str | Wildcard, field: str = "a", cased: bool = False) -> Atom:
    return Atom(field, Glob(tuple(parts), cased))


def test_modifiers_are_gone_after_loading() -> None:
    rule = load_rule({"a|contains|all": ["x*y", "z"], "b|startswith": "q"})
    assert rule.tree == AllOf(
        (
            AllOf((atom(MANY, "x", MANY, "y", MANY), atom(MANY, "z", MANY))),
            atom("q", MANY, field="b"),
        )
    )


def test_different_means_there_and_not_this() -> None:
    assert load_rule({"a|neq": "x"}).tree == AllOf((Atom("a", Exists()), Not(atom("x"))))


def test_names_are_kept_for_the_answer_why_and_gone_from_the_tree() -> None:
    parts = {name: {"a": name} for name in ("s1", "s2", "s3")}
    rule = load_rule({**parts, "condition": "2 of s*"})
    assert rule.tree == AtLeast(2, (atom("s1"), atom("s2"), atom("s3")))
    assert set(rule.selections) == {"s1", "s2", "s3"}


@pytest.mark.parametrize(
    ("written", "held"),
    [("0x17", "0x17"), ("007", "007"), ("1.10", "1.10"), ("yes", "yes"), ("on", "on"),
     ("12:30:00", "12:30:00"), ("2026-01-01", "2026-01-01"), ("true", "true"), ("4688", "4688"),
     ("1_000", "1_000"), ("'5'", "5"), ("1.5", "1.5")],
)  # fmt: skip
def test_a_value_stays_as_it_is_written(written: str, held: str) -> None:
    loaded = load_text(RULE.replace('"x"', written))
    assert loaded.rules[0].tree == atom(held)


def test_every_fault_has_its_line_and_the_rest_is_in_force() -> None:
    text = """title: Good
logsource: {category: a}
detection:
  s: {f: x}
  condition: s
---
title: Bad
logsource: {category: a}
detection:
  s:
    f|nosuch: x
  t:
    g:
      - null
      - 1
  condition: s and t
---
title: No condition
logsource: {category: a}
detection:
  s: {f: x}
"""
    loaded = load_text(text)
    assert [rule.title for rule in loaded.rules] == ["Good"]
    assert [fault.line for fault in loaded.faults] == [11, 13, 20]
    first = loaded.faults[0]
    assert str(first).startswith("rules.yml:11: The modifier “nosuch” is not known.")
    assert "修飾子" in translate(first.got, "ja")


@pytest.mark.parametrize(
    ("detection", "said"),
    [
        ({"a|contains|re": "("}, "is no regular expression"),
        ({"a|i": "x"}, "stands without re"),
        ({"a|cidr|contains": "10.0.0.0/8"}, "stands beside"),
        ({"a|cidr": "10.0.0.0/99"}, "is no network"),
        ({"a|gt": "x"}, "is compared as a number"),
        ({"a|exists": "maybe"}, "has the value"),
        ({"a|base64": "x*"}, "has a wildcard"),
        ({"a|wide": "日本"}, "is no text"),
        ({"a|expand": "%who%"}, "has no values"),
        ({"a": []}, "has an empty list"),
        ({"a": {"b": 1}}, "list or a mapping within"),
        ({"a|contains": None}, "null stands with modifiers"),
        ({"a|windash|contains": "-a -b -c -d -e -f"}, "stands for 15625 texts"),
        ([], "A selection is empty"),
        ([["x"]], "A selection is empty"),
        ([""], "A keyword is empty"),
        ({"|gt": 5}, "names no field"),
        ({"s": {"a": 1}, "condition": "s |"}, "counts with"),
        ({"s": {"a": 1}, "condition": "(s"}, "bracket is not closed"),
        ({"s": {"a": 1}, "condition": "s s"}, "stands where"),
        ({"s": {"a": 1}, "condition": "t"}, "no selection “t”"),
        ({"s": {"a": 1}, "condition": "1 of t*"}, "No selection fits"),
        ({"s": {"a": 1}, "condition": "3 of s*"}, "is asked, but"),
        ({"s": {"a": 1}, "condition": "not"}, "ends where"),
        ({"s": {"a": 1}, "condition": ["s", 5]}, "condition is no text"),
        ({"s": {"a": 1}, "condition": "not " * 50 + "s"}, "nested more than"),
        ({"s": {"a": 1}, "condition": "s or " * 1500 + "s"}, "more than 2000 words"),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_reason(detection: object, said: str) -> None:
    assert said in first_fault(detection)


@pytest.mark.parametrize("key", ["title", "logsource", "detection"])
def test_what_a_rule_must_say_is_asked_for(key: str) -> None:
    raw = document({"a": "x"})
    del raw[key]
    assert load_text(json.dumps(raw)).faults


def test_a_slip_about_the_rule_itself_does_not_cost_the_detection() -> None:
    loaded = load_text(json.dumps(document({"a": "x"}, level="hihg", author=["a"])))
    assert loaded.rules[0].level is Level.MEDIUM
    assert len(loaded.faults) == 2


def test_a_rule_without_an_id_keeps_the_one_made_while_it_is_unchanged() -> None:
    again, other = load_text(RULE).rules[0].id, load_text(RULE.replace("x", "y")).rules[0].id
    assert load_text(RULE).rules[0].id == again != other


def test_of_two_documents_with_one_id_the_first_is_in_force() -> None:
    one = json.dumps(document({"a": "x"}, id="same"))
    loaded = load_text(f"{one}\n---\n{one}")
    assert len(loaded.rules) == len(loaded.faults) == 1


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)
GROWING = {
    "s": {"a": [str(number) for number in range(2000)]},
    "condition": " or ".join("not " * times + "s" for times in range(39)),
}
HOSTILE = {
    "an alias bomb": BOMB,
    "a loop": "a: &a [*a]",
    "deep brackets": "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "deep lists": "- " * 100_000 + "x",
    "an object": "!!python/object/apply:os.system ['true']",
    "a merge": "a: &a {b: 1}\nc: {<<: *a}",
    "a repeated key": "title: a\ntitle: b",
    "a key that is a list": "? [a]\n: b",
    "no YAML": "a: b: c",
    "control characters": "a: \x07",
    "a list": "- a",
    "a word": "hello",
    "wrong types": "title: [a]\nlogsource: 5\ndetection: x",
    "a selection that grows": json.dumps(document(GROWING)),
    "a bare correlation": "title: a\ncorrelation: 5",
    "an empty correlation": "title: a\ncorrelation: {type: event_count}",
    "a bare filter": "title: a\nlogsource: {category: a}\nfilter: []",
    "no UTF-8": "title: \udcff",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_a_fault_and_nothing_else(text: str) -> None:
    good = RuleText("good.yml", RULE.encode())
    loaded = load_rules([RuleText("bad.yml", text.encode("utf-8", "surrogateescape")), good])
    assert [rule.file for rule in loaded.rules] == ["good.yml"]
    assert loaded.faults
    assert loaded.faults[0].file == "bad.yml"
    assert loaded.faults[0].line >= 1


def test_a_huge_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 100)
    assert "bytes" in str(load_text(RULE + " " * 100).faults[0])


@settings(max_examples=often(300), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            (*"[]{}!>'|#%@\n\t :é", "  ", "- ", "*a", "---", "title", "detection", "condition")
        ),
        max_size=30,
    ).map("".join)
)  # fmt: skip
def test_whatever_is_written_loading_ends_with_documents_or_faults(text: str) -> None:
    with contextlib.suppress(LanguageError):
        list(read_documents(text.encode()))
    assert all(fault.line >= 1 for fault in load_text(text).faults)


def test_a_folder_is_read_in_the_order_of_names_and_hidden_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b.yml").write_text(RULE.replace("x", "b"))
    (tmp_path / "sub" / "a.yaml").write_text(RULE.replace("x", "a"))
    (tmp_path / ".git" / "c.yml").write_text(RULE)
    (tmp_path / "note.txt").write_text("no rule")
    loaded = load_folder([tmp_path, tmp_path / "nowhere.yml"])
    assert [Path(rule.file).name for rule in loaded.rules] == ["b.yml", "a.yaml"]
    assert "cannot be read" in str(loaded.faults[0])


def test_placeholders_are_part_of_what_a_set_is() -> None:
    text = json.dumps(document({"a|expand": "%who%"}))
    one, two = load_text(text, {"who": ["x"]}), load_text(text, {"who": ["y", "z*"]})
    assert one.digest != two.digest
    assert two.rules[0].tree == AnyOf((atom("y"), atom("z", MANY)))


@settings(max_examples=often(50), deadline=None)
@given(rule_sets())
def test_rules_can_be_saved_and_read_back(loaded: RuleSet) -> None:
    for rule in loaded.rules:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(rule), type=Rule) == rule


FILTERED = json.dumps(document({"act": "fail"}, id="rule-a", name="fail"))


@pytest.mark.parametrize(
    ("rules", "source", "applies"),
    [
        (["rule-a"], "conformance", True),
        (["fail"], "conformance", True),
        ("any", "conformance", True),
        (["rule-a"], "other", False),
        (["rule-b"], "conformance", False),
    ],
)
def test_a_filter_applies_to_rules_that_it_names_of_its_log_source(
    rules: object, source: str, applies: bool
) -> None:
    raw = {
        "title": "Leave B out", "id": "f", "logsource": {"category": source},
        "filter": {"rules": rules, "s": {"user": "B"}, "condition": "not s"},
    }  # fmt: skip
    loaded = load_rules(
        [RuleText("a.yml", json.dumps(raw).encode()), RuleText("b.yml", FILTERED.encode())]
    )
    assert not loaded.faults
    assert loaded.rules[0].filters == (("f",) if applies else ())
    assert (loaded.rules[0].tree != atom("fail", field="act")) == applies


def correlating(name: str, rules: list[str], **more: object) -> str:
    said = {"type": "temporal", "rules": rules, "timespan": "5m", **more}
    return json.dumps({"title": name, "id": name, "name": name, "correlation": said})


@pytest.mark.parametrize(
    "texts",
    [
        [correlating("a", ["nowhere"])],
        [correlating("a", ["b"]), correlating("b", ["a"])],
        [correlating("a", ["a"])],
        [correlating("a", ["fail"], timespan="5 weeks")],
        [correlating("a", ["fail"], type="nosuch")],
        [correlating("a", ["fail"], type="event_count")],
        [correlating("a", ["fail"], type="value_sum", condition={"gt": 1})],
        [correlating("a", ["fail"], condition={"gt": "many"})],
        [correlating("a", ["fail"], condition="fail and nobody")],
        [correlating("a", ["fail"], aliases={"who": "user"})],
        [correlating("a", [])],
    ],
)
def test_a_correlation_that_cannot_be_meant_is_refused(texts: list[str]) -> None:
    loaded = load_text("\n---\n".join([FILTERED, *texts]))
    assert not loaded.correlations
    assert len(loaded.faults) == len(texts)
    assert len(loaded.rules) == 1


def test_what_only_feeds_correlations_is_silent_unless_asked_for() -> None:
    quiet = load_text("\n---\n".join([FILTERED, correlating("a", ["fail"])]))
    loud = load_text("\n---\n".join([FILTERED, correlating("a", ["fail"], generate=True)]))
    assert quiet.rules[0].silent
    assert not loud.rules[0].silent


SEVERAL_FAULTS = b"""title: Several faults
logsource: {product: windows}
detection:
  one:
    A|foo: 1
    B|re: '('
  two:
    - C|cidr: nonsense
    - D: 1
  condition: one and three
"""


def test_all_faults_of_a_rule_are_told_at_once() -> None:
    rule_set = load_rules([RuleText("several.yml", SEVERAL_FAULTS)])
    assert not rule_set.rules
    assert [fault.line for fault in rule_set.faults] == [5, 6, 8, 10]
