"""Names within Cedar texts: each is found, and nothing but names is ever changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.access.engine.forms import parse_tree
from sekisho.access.engine.terms import quote
from sekisho.server.apply.references import KINDS, Reference, entities_of, find_references, rename

HEAD = '@id("x")\npermit(principal, action == Action::"open", resource)'


def found(text: str) -> list[str]:
    return [str(each) for each in find_references(text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('principal in Group::"a"', ['Group::"a"']),
        ('principal in Group // "not this"\n  ::\t"a"', ['Group::"a"']),
        ('principal in [Group::"a",Unit::"b"]', ['Group::"a"', 'Unit::"b"']),
        ('// Group::"a"\nresource == Resource::"b"', ['Resource::"b"']),
        ('"Group::\\"a\\"" == context.country', []),
        ('"//" == context.country && principal in Group::"a"', ['Group::"a"']),
        ('Other::Group::"a"', []),
        ('Group::Other::"a"', []),
        ('MyGroup::"a" || Grouped::"a"', []),
        ('Action::"open"', []),
        ('Group::"a\\u{62}\\x63\\t\\"\\\\"', ['Group::"abc\t"\\"']),
        ('Group::"never closed', ['Group::"never close"']),  # Cedar refuses it
        ("Group::", []),
        ('Group "a"', []),
        ('"a"', []),
    ],
)
def test_references_are_told_from_strings_and_comments(text: str, names: list[str]) -> None:
    assert found(text) == names


def test_only_the_names_are_replaced() -> None:
    text = (
        f'{HEAD} // Group::"grp_1"\nwhen {{ principal  in Group :: "grp_1" && "grp_1" != "" }};\r\n'
    )
    changed = rename(text, lambda each: each.name.replace("grp_1", '在宅 "勤務"'))
    assert changed == text.replace(':: "grp_1"', ':: "在宅 \\"勤務\\""')
    assert rename(text, lambda each: each.name) == text


def test_backslashes_of_a_name_are_no_control_characters() -> None:
    for name in (r"R\backend", r"a\u", r"\f", "\\"):
        text = f"{HEAD} when {{ principal in Group::{quote(name)} }};"
        assert entities_of(text) == {("Group", name)}
    with pytest.raises(ValueError, match="control characters"):
        quote("a\x08")


def test_a_long_hostile_text_is_read_in_one_go() -> None:
    assert found('Group::"' + '\\"' * 100_000) != []
    assert found('"' * 100_001) == []
    assert found("Group::" * 50_000) == []


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
_kinds = st.sampled_from(sorted(KINDS - {"Kind", "Resource"}))
_gaps = st.sampled_from(["", " ", "\n", '// Group::"no" "\n', "\t// \\\r\n"])


@given(st.lists(st.tuples(_kinds, _names, _gaps, _gaps), min_size=1, max_size=5), st.data())
def test_cedar_reads_the_very_references_that_are_found(
    asked: list[tuple[str, str, str, str]], data: st.DataObject
) -> None:
    terms = [f"principal in {kind}{a}::{b}{quote(name)}" for kind, name, a, b in asked]
    text = f"{HEAD}\nwhen {{ {' || '.join(terms)} }};"
    assert {(each.kind, each.name) for each in find_references(text)} == entities_of(text)

    there = sorted({(kind, name) for kind, name, _, _ in asked})
    new = data.draw(st.lists(_names, min_size=len(there), max_size=len(there), unique=True))
    called = dict(zip(there, new, strict=True))
    back = {(kind, new): old for (kind, old), new in called.items()}
    renamed = rename(text, lambda each: called[each.kind, each.name])
    assert entities_of(renamed) == {(kind, called[kind, name]) for kind, name in there}
    again = rename(renamed, lambda each: back[each.kind, each.name])
    assert parse_tree(again) == parse_tree(text)


def test_what_cedar_reads_is_listed_without_the_action() -> None:
    text = (
        '@id("x") permit(principal is Person in Group::"g", action, resource == Resource::"r")'
        ' when { principal in [Unit::"u"] && principal == Person::"p" };'
    )
    assert entities_of(text) == {
        ("Group", "g"), ("Resource", "r"), ("Unit", "u"), ("Person", "p"),
    }  # fmt: skip
    assert str(Reference("Group", "g")) == 'Group::"g"'
    with pytest.raises(ValueError, match="unexpected"):
        entities_of("permit(")
