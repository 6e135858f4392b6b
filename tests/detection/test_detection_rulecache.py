"""The cache of compiled rules: the same rules again, or none at all."""

import os
from pathlib import Path

import pytest

from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.language.loading import load_folder
from sekisho.detection.model import Event, LogSource, RuleSet
from sekisho.detection.sources.rulecache import Ready, load_ready

RULE = """
title: A rule
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0a01
logsource: {category: conformance}
detection:
  s: {CommandLine|contains: %s}
  condition: s
"""
BROKEN = "title: Broken\nlogsource: {}\ndetection: {s: {a|nope: b}, condition: s}\n"


class Shelf:
    """A folder of rules and the cache beside it."""

    def __init__(self, root: Path) -> None:
        self.rules, self.cache, self.built = root / "rules", root / "cache", 0
        self.rules.mkdir()
        self.write("whoami")
        (self.rules / "broken.yml").write_text(BROKEN)

    def write(self, word: str) -> None:
        (self.rules / "one.yml").write_text(RULE % word)

    def build(self) -> RuleSet:
        self.built += 1
        return load_folder([self.rules])

    def load(self, asked: object = None) -> Ready:
        return load_ready([self.rules], self.cache, self.build, asked=asked)

    def kept(self) -> Path:
        (path,) = self.cache.glob("*.rules")
        return path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def fires(ready: Ready, line: str) -> bool:
    event = Event({"CommandLine": line}, source=LogSource(category="conformance"))
    return bool(Matcher(ready.plan).match(event))


def test_the_second_load_is_warm_and_says_the_same(shelf: Shelf) -> None:
    cold, warm = shelf.load(), shelf.load()
    assert (cold.warm, warm.warm, shelf.built) == (False, True, 1)
    assert warm.rule_set.digest == cold.rule_set.digest
    assert [rule.title for rule in warm.rule_set.rules] == ["A rule"]
    assert [str(fault) for fault in warm.rule_set.faults] == [
        str(fault) for fault in shelf.build().faults
    ]
    assert fires(warm, "x WHOAMI")
    assert not fires(warm, "x")


def test_a_changed_rule_is_seen(shelf: Shelf) -> None:
    shelf.load()
    shelf.write("net.exe")
    changed = shelf.load()
    assert not changed.warm
    assert fires(changed, "net.exe")
    assert not fires(changed, "whoami")


def test_a_rule_that_keeps_its_size_and_time_is_seen(shelf: Shelf) -> None:
    shelf.load()
    path = shelf.rules / "one.yml"
    before = path.stat()
    shelf.write("whoamj")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not shelf.load().warm


def test_a_new_and_a_removed_rule_are_seen(shelf: Shelf) -> None:
    shelf.load()
    (shelf.rules / "two.yml").write_text((RULE % "x").replace("0a01", "0a02"))
    assert len(shelf.load().rule_set.rules) == 2
    (shelf.rules / "two.yml").unlink()
    assert len(shelf.load().rule_set.rules) == 1


def test_what_else_was_asked_counts(shelf: Shelf) -> None:
    shelf.load(["a"])
    assert not shelf.load(["b"]).warm
    assert shelf.load(["a"]).warm


@pytest.mark.parametrize("at", [0, 3, 20, 60, -1])
def test_a_damaged_cache_is_made_anew(shelf: Shelf, at: int) -> None:
    shelf.load()
    content = bytearray(shelf.kept().read_bytes())
    content[at] ^= 0xFF
    shelf.kept().write_bytes(content)
    assert not shelf.load().warm
    assert shelf.load().warm


@pytest.mark.parametrize("content", [b"", b"sekisho rules\n", b"\x80" * 100])
def test_a_torn_cache_is_made_anew(shelf: Shelf, content: bytes) -> None:
    shelf.load()
    shelf.kept().write_bytes(content)
    assert not shelf.load().warm
    assert shelf.load().warm


def test_a_cache_that_others_can_write_is_not_used(shelf: Shelf) -> None:
    shelf.load()
    shelf.kept().chmod(0o666)
    assert not shelf.load().warm
    shelf.cache.chmod(0o777)
    assert not shelf.load().warm
    assert fires(shelf.load(), "whoami")


def test_the_cache_is_for_this_user_alone(shelf: Shelf) -> None:
    shelf.load()
    assert shelf.kept().stat().st_mode & 0o777 == 0o600
    assert shelf.cache.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_written_is_no_error(shelf: Shelf) -> None:
    shelf.cache.write_text("a file where the folder should be")
    assert fires(shelf.load(), "whoami")


def test_old_caches_are_dropped(shelf: Shelf) -> None:
    for number in range(12):
        shelf.load([number])
    assert len(list(shelf.cache.glob("*.rules"))) == 8
    for number in range(40):
        os.utime(shelf.rules / "one.yml", (number, number))
        shelf.load([11])
    assert len(list(shelf.cache.iterdir())) <= 40


def test_rules_that_were_only_touched_are_known_again(shelf: Shelf) -> None:
    shelf.load()
    content = (shelf.rules / "one.yml").read_bytes()
    (shelf.rules / "one.yml").unlink()
    (shelf.rules / "one.yml").write_bytes(content)
    os.utime(shelf.rules / "broken.yml", (1, 1))
    assert shelf.load().warm
    assert shelf.built == 1


def test_a_damaged_mark_only_costs_time(shelf: Shelf) -> None:
    shelf.load()
    (mark,) = shelf.cache.glob("*.mark")
    mark.write_bytes(mark.read_bytes()[:-1] + b"?")
    assert shelf.load().warm
    assert fires(shelf.load(), "whoami")


def test_rules_that_change_while_they_are_read_are_not_kept(shelf: Shelf) -> None:
    def build() -> RuleSet:
        shelf.write("net.exe")
        return shelf.build()

    load_ready([shelf.rules], shelf.cache, build)
    shelf.write("whoami")
    back = shelf.load()
    assert not back.warm
    assert fires(back, "whoami")
