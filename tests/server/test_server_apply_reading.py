"""Files of a folder: every mistake is named with file and line, and nothing is taken by half."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls.reading import Source
from sekisho.kernel.errors import InvalidInputError
from sekisho.server.apply.model import FILES, Kind, Section, read_path, write_path
from sekisho.server.apply.reading import read_folder, read_section


def read(kind: Kind, text: str) -> tuple[Section | None, list[str]]:
    source = Source(FILES[kind])
    section = read_section(text, kind, source)
    return section, [str(fault) for fault in source.faults]


MISTAKES = [
    (Kind.UNIT, "units:\n  - name: A\n    contry: JP\n", 3, "Did you mean “country”?"),
    (Kind.UNIT, "unitz:\n  - name: A\n", 1, "Did you mean “units”?"),
    (Kind.UNIT, "units:\n  - kind: department\n", 2, "“name” is missing"),
    (Kind.UNIT, "units:\n  - name: A\n    country: Japan\n", 3, "no"),
    (Kind.UNIT, "units:\n  - name: A\n    time_zone: Asia/Tokio\n", 3, "Asia/Tokyo"),
    (Kind.UNIT, "units:\n  - name: A\n    kind: departement\n", 3, "department"),
    (Kind.UNIT, "units:\n  - name: A\n  - name: a\n", 3, "line 2"),
    (Kind.UNIT, "units:\n  - name: A\n    name: B\n", 3, "twice"),
    (Kind.UNIT, "complete: yes\nunits: []\n", 1, "true or false"),
    (Kind.UNIT, "units: &a\n  - name: A\nx: *a\n", 3, "anchors"),
    (Kind.UNIT, "units:\n  A: B\n", 2, "a list"),
    (Kind.UNIT, "units: [\n", 2, "no YAML"),
    (Kind.UNIT, "", 1, "empty"),
    (Kind.GROUP, "groups:\n  - name: A\n    members:\n      - nobody\n", 4, "not an e-mail"),
    (Kind.GROUP, "groups:\n  - name: '  '\n", 2, "A name of 1 to"),
    (Kind.GROUP, "groups:\n  - name: A\n    members: a@example.jp\n", 3, "a list"),
    (Kind.ROLES, "roles:\n  - person: a@example.jp\n", 2, "“has” is missing"),
    (Kind.ROLES, "roles:\n  - person: a@example.jp\n    has: [admn]\n", 3, "“admin”"),
    (
        Kind.ROLES,
        "roles:\n  - person: a@example.jp\n    has:\n      - {role: admin, unti: A}\n",
        4,
        "“unit”",
    ),
    (Kind.SIGN_IN, "required:\n  admin: strong\n", 2, "resistant"),
    (Kind.SIGN_IN, "required:\n  admin: two\n  gardener: two\n", 3, "Known are"),
    (Kind.SELF_CHECK, "schedules:\n  - check: telework\n    to: all\n", 3, "everybody"),
    (
        Kind.SELF_CHECK,
        "schedules:\n  - check: telework\n    to: {unit: A, group: B}\n",
        3,
        "one of unit",
    ),
    (
        Kind.SELF_CHECK,
        "schedules:\n  - check: telework\n    to: everybody\n    every_days: 1000\n",
        4,
        "from 0 to 366",
    ),
    (
        Kind.SELF_CHECK,
        "schedules:\n  - {check: telework, to: everybody, first: soon}\n",
        2,
        "is no day",
    ),
    (
        Kind.CHANNEL,
        "channels:\n  - name: A\n    kind: slack\n    secrets:\n      url: https://x.example\n",
        5,
        "never stands in a file",
    ),
    (
        Kind.CHANNEL,
        "channels:\n  - name: A\n    kind: mail\n    setup:\n      password: x\n",
        5,
        "never stands in a file",
    ),
    (
        Kind.CHANNEL,
        "channels:\n  - name: A\n    kind: mail\n    setup:\n      hots: x\n",
        5,
        "“host”",
    ),
    (
        Kind.CHANNEL,
        "channels:\n  - name: A\n    kind: slack\n    secrets: {url: {environment: a b}}\n",
        4,
        "environment variable",
    ),
    (Kind.CHANNEL, "channels:\n  - name: A\n    kind: pigeon\n", 3, "Known are"),
    (Kind.RESOURCE, "resources:\n  - key: a\n    kind: ftp\n", 3, "tcp"),
    (Kind.RESOURCE, "resources:\n  - key: a\n    upstreams: [a:1]\n", 3, "not an address"),
    (Kind.RESOURCE, "resources:\n  - key: a\n    ports: [22, ssh]\n", 3, "a number"),
    (Kind.RESOURCE, "resources:\n  - public_host: a\n", 2, "“key” is missing"),
]


@pytest.mark.parametrize(("kind", "text", "line", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_line(kind: Kind, text: str, line: int, said: str) -> None:
    _, faults = read(kind, text)

    there = [fault for fault in faults if fault.startswith(f"{FILES[kind]}:{line}:")]
    assert any(said in fault for fault in there), faults


def test_a_secret_is_never_repeated_in_a_message() -> None:
    """A log of a failed run must not hold what should not have been in the file."""
    written = "channels:\n  - {name: A, kind: slack, secrets: {url: hunter2}}\n"
    assert "hunter2" not in "".join(read(Kind.CHANNEL, written)[1])


def test_all_mistakes_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "units.yaml").write_text("units:\n  - nam: A\n  - name: B\n    kin: x\n")
    (tmp_path / "groups.yaml").write_bytes(b"groups: \xff\n")
    (tmp_path / "group.yaml").write_text("groups: []\n")
    (tmp_path / "README.md").write_text("not ours")

    _, faults = read_folder(tmp_path)

    found = {(fault.file, fault.line) for fault in faults}
    assert found == {("units.yaml", 2), ("units.yaml", 4), ("groups.yaml", 1), ("group.yaml", 1)}
    assert "Did you mean “groups.yaml”?" in " ".join(map(str, faults))


def test_controls_in_the_folder_are_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "controls").mkdir()
    (tmp_path / "controls" / "mine.yaml").write_text("id: x\n")
    _, faults = read_folder(tmp_path, own_controls=True)
    assert {fault.file for fault in faults} == {"controls/mine.yaml"}


def test_no_folder_and_an_empty_one_say_what_is_expected(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(InvalidInputError) as caught:
            read_folder(folder)
        assert str(caught.value.hint)


def test_a_file_nested_without_end_is_refused() -> None:
    _, faults = read(Kind.UNIT, "units: " + "[" * 10_000)
    assert len(faults) == 1


@given(st.text(max_size=400), st.sampled_from(list(FILES)))
def test_any_text_is_read_or_has_a_mistake(text: str, kind: Kind) -> None:
    section, faults = read(kind, text)
    assert section is not None or faults


@given(st.lists(st.text("ab/ ", min_size=1).map(lambda s: " ".join(s.split())), min_size=1))
def test_a_path_of_units_can_be_written_and_read(names: list[str]) -> None:
    """Names with slashes stay whole."""
    if all(names):
        assert read_path(write_path(names)) == tuple(names)
