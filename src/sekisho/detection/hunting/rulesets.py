"""Rules for a hunt: folders, files and archives that were named, or our own."""

import fnmatch
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from sekisho.detection.engine.tuning import apply_tunings
from sekisho.detection.language.loading import Placeholders, RuleText, load_rules, read_folder
from sekisho.detection.library import Tuning
from sekisho.detection.model import Document, Rule, RuleSet
from sekisho.detection.sources.rulecache import Ready, load_ready
from sekisho.kernel.i18n import Text, msg, system_reason

_LARGEST = 4 * 1024 * 1024
_MOST = 100_000
_MOST_BYTES = 256 * 1024 * 1024


def own_rules() -> Path:
    """Return the folder of the rules on telework that come with Sekisho."""
    return Path(str(files("sekisho").joinpath("content/rules")))


def load_for_hunt(
    paths: Sequence[Path],
    values: Placeholders,
    include: Sequence[str],
    exclude: Sequence[str],
    tunings: Mapping[str, Tuning] = MappingProxyType({}),
) -> Ready:
    """Load, choose and compile the rules of ``paths`` (none: our own), at the levels decided.

    What was compiled before and has not changed since comes out of this user's cache.
    """
    wanted = [path.absolute() for path in paths] or [own_rules()]
    levels = {rule_id: str(tuning.level) for rule_id, tuning in tunings.items()}
    asked = [
        {name: list(held) for name, held in values.items()}, list(include), list(exclude), levels,
    ]  # fmt: skip
    return load_ready(
        wanted,
        cache_folder(),
        lambda: choose(apply_tunings(load(wanted, values), tunings), include, exclude),
        asked=asked,
    )


def cache_folder() -> Path:
    """Return where compiled rules are kept for this user."""
    try:
        return Path.home() / ".cache" / "sekisho" / "rules"
    except RuntimeError:  # a service without a home: nothing is kept there
        return Path("/nonexistent")


def load(paths: Sequence[Path], values: Placeholders | None) -> RuleSet:
    """Load every rule of ``paths``: folders, YAML files, and zip archives of them."""
    texts = [text for path in paths for text in _read(path)]
    return load_rules(texts, values=values)


def _read(path: Path) -> Iterator[RuleText]:
    if path.is_dir() or not zipfile.is_zipfile(path):
        yield from read_folder([path])
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _read_members(path, archive)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else msg("It is damaged.")
        yield RuleText(str(path), unread=reason)


def _read_members(path: Path, archive: zipfile.ZipFile) -> Iterator[RuleText]:
    """Read the YAML files of an archive; a name in it is only shown."""
    infos = [i for i in archive.infolist() if i.filename.lower().endswith((".yml", ".yaml"))]
    left = _MOST_BYTES
    for info in sorted(infos[:_MOST], key=lambda i: i.filename):
        with archive.open(info) as member:
            content = member.read(min(_LARGEST + 1, left + 1))
        left -= len(content)
        if left < 0:
            yield RuleText(str(path), unread=_too_much(path.name))
            return
        yield RuleText(f"{path}!{info.filename}", content)


def _too_much(name: str) -> Text:
    return msg("The archive “%(name)s” unpacks to more than is taken at once.", name=name)


def choose(rule_set: RuleSet, include: Sequence[str], exclude: Sequence[str]) -> RuleSet:
    """Return the set with only the rules asked for, by id, title, file name or tag (``*`` works).

    The rules that a kept correlation is about stay, without matches of their own.
    """
    if not include and not exclude:
        return rule_set
    asked = _asked(include, exclude)
    correlations = tuple(c for c in rule_set.correlations if asked(c))
    needed = {rule_id for c in correlations for rule_id in c.rules}
    rules = tuple(
        rule if asked(rule) else _silence(rule)
        for rule in rule_set.rules
        if asked(rule) or rule.id in needed
    )
    return RuleSet(rules, correlations, rule_set.filters, rule_set.faults, rule_set.digest)


def _silence(rule: Rule) -> Rule:
    from msgspec.structs import replace  # noqa: PLC0415 - only here

    return replace(rule, silent=True)


def _asked(include: Sequence[str], exclude: Sequence[str]) -> Callable[[Document], bool]:
    def names(one: Document) -> set[str]:
        stem = one.file.replace("\\", "/").rpartition("/")[2]
        return {n.casefold() for n in (one.id, one.title, one.name, stem, *one.tags) if n}

    def hit(one: Document, patterns: Sequence[str]) -> bool:
        return any(
            fnmatch.fnmatchcase(name, pattern.casefold())
            for name in names(one)
            for pattern in patterns
        )

    return lambda one: (not include or hit(one, include)) and not hit(one, exclude)
