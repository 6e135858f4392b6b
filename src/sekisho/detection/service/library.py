"""The library as it stands: sources, rules, what was decided about them, how far they reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from importlib.resources.abc import Traversable

from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.attack import Coverage, measure_coverage
from sekisho.detection.library import (
    KeptRule,
    ListedRule,
    Origin,
    RuleWish,
    Source,
    Suppression,
    Tuning,
)
from sekisho.detection.model import RuleFault
from sekisho.detection.service.reading import SourceTexts
from sekisho.detection.store import decisions, rules, sources
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg

OWN_SOURCE = "src_sekisho"
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class RulePage:
    """One page of rules; ``total`` counts all pages."""

    rules: list[ListedRule]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule with its text and all that was decided about it; ``names`` are of those who did."""

    listed: ListedRule
    source: Source | None
    text: str
    suppressions: list[Suppression]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Library:
    """What a matcher needs: texts by source (the one that wins first), and the decisions."""

    texts: list[SourceTexts]
    tunings: Mapping[str, Tuning]
    suppressions: list[Suppression]


def list_rules(
    tx: Transaction, wish: RuleWish, *, sort: str = "title", page: int = 1, page_size: int = 50
) -> RulePage:
    """Return one page of rules (``detection.read``)."""
    tx.principal.require("detection.read")
    known = sort.removeprefix("-") in rules.SORTS
    if page < 1 or not 1 <= page_size <= MOST_LISTED or not known:
        raise InvalidInputError(msg("There is no such page of rules."))
    found = rules.list_rules(
        tx, wish, now=tx.now, sort=sort, offset=(page - 1) * page_size, limit=page_size
    )
    total = rules.count_rules(tx, wish, tx.now)
    return RulePage(_listed(tx, found), total, page, page_size)


def _listed(tx: Transaction, found: Sequence[KeptRule]) -> list[ListedRule]:
    ids = [rule.id for rule in found]
    tunings = decisions.read_tunings(tx, ids)
    held = decisions.count_by_rule(tx, ids, tx.now)
    return [ListedRule(r, tunings.get(r.id), held.get(r.id, 0)) for r in found]


def get_rule(tx: Transaction, rule_id: str) -> RuleFile:
    """Return a rule with its text and decisions (``detection.read``); raise NotFoundError."""
    tx.principal.require("detection.read")
    rule = find_kept(tx, rule_id)
    held = decisions.list_suppressions(tx, now=tx.now, rule_id=rule_id)
    listed = _listed(tx, [rule])[0]
    people = [s.by for s in held] + ([listed.tuning.by] if listed.tuning else [])
    content = read_text(tx, rule)
    return RuleFile(
        listed, sources.find_source(tx, rule.source_id), content.decode("utf-8", "replace"),
        held, identity.find_names(tx, people),
    )  # fmt: skip


def find_kept(tx: Transaction, rule_id: str) -> KeptRule:
    """Return a rule of the library; raise NotFoundError."""
    rule = rules.find_rule(tx, rule_id)
    if rule is None:
        raise NotFoundError(
            msg("There is no rule %(id)s in the library.", id=rule_id[:64]),
            hint=msg("It may have gone with an update of its source; search by its title."),
        )
    return rule


def count_rules(tx: Transaction) -> dict[str, dict[str, int]]:
    """Return what people filter by → value → number of rules (``detection.read``)."""
    tx.principal.require("detection.read")
    return {name: rules.count_by(tx, name) for name in ("level", "kind", "product", "source_id")}


def list_sources(tx: Transaction) -> list[tuple[Source, int, int]]:
    """List the sources with the numbers of their rules and faults (``detection.read``)."""
    tx.principal.require("detection.read")
    counted, faulty = rules.count_by(tx, "source_id"), sources.count_faults(tx)
    return [(s, counted.get(s.id, 0), faulty.get(s.id, 0)) for s in sources.list_sources(tx)]


def list_faults(tx: Transaction, source_id: str) -> list[RuleFault]:
    """List what of a source is not in force, and why (``detection.read``)."""
    tx.principal.require("detection.read")
    return sources.list_faults(tx, source_id)


def read_coverage(tx: Transaction) -> Coverage:
    """Return how far the rules that are on reach in ATT&CK (``detection.read``)."""
    tx.principal.require("detection.read")
    return measure_coverage(rules.list_levels(tx), own_attack_table())


def load_library(tx: Transaction) -> Library:
    """Return all that a matcher needs (``detection.read``)."""
    tx.principal.require("detection.read")
    texts = read_texts(tx)
    held = decisions.list_suppressions(tx, now=tx.now, limit=100_000)
    return Library(texts, decisions.read_tunings(tx), held)


def read_texts(tx: Transaction) -> list[SourceTexts]:
    """Return the files of all sources, the one that wins first."""
    found = []
    for source in sources.list_sources(tx):
        if source.origin is Origin.BUILTIN:
            found.append(SourceTexts(source.id, source.name, read_own_rules()))
        else:
            kept = sources.list_files(tx, source.id)
            files = [(row.file, bytes(row.content)) for row in kept]
            found.append(SourceTexts(source.id, source.name, files))
    return found


def read_text(tx: Transaction, rule: KeptRule) -> bytes:
    """Return the text of the file in which a rule stands."""
    if rule.source_id == OWN_SOURCE:
        return dict(read_own_rules()).get(rule.file, b"")
    return sources.find_file(tx, rule.source_id, rule.file) or b""


def read_own_rules() -> list[tuple[str, bytes]]:
    """Return the rules that travel with Sekisho (name, text), sorted by name."""
    folder = resources("sekisho").joinpath("content/rules")
    return sorted(_walk(folder, "")) if folder.is_dir() else []


def _walk(folder: Traversable, before: str) -> list[tuple[str, bytes]]:
    found = []
    for each in folder.iterdir():
        if each.is_dir():
            found += [] if each.name == "tests" else _walk(each, f"{before}{each.name}/")
        elif each.name.endswith(".yml"):
            found.append((f"{before}{each.name}", each.read_bytes()))
    return found
