"""The rule library as JSON."""

from datetime import datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.detection import service
from sekisho.detection.library import ListedRule, RuleWish
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal


class RuleView(msgspec.Struct):
    """One rule: what it says, and the level in force (None: turned off)."""

    id: str
    title: str
    kind: str
    written_level: str
    level: str | None
    status: str
    product: str | None
    category: str | None
    service: str | None
    tags: list[str]
    source_id: str
    file: str
    line: int
    suppressions: int


class RuleList(msgspec.Struct):
    """One page of rules; ``total`` counts all pages."""

    rules: list[RuleView]
    total: int
    page: int
    page_size: int


class RuleFileView(msgspec.Struct):
    """A rule with its text."""

    rule: RuleView
    text: str


class SourceView(msgspec.Struct):
    """One source of rules; times are UTC."""

    id: str
    name: str
    origin: str
    address: str
    automatic: bool
    digest: str
    taken_at: datetime | None
    checked_at: datetime | None
    trouble: str | None
    rules: int
    faults: int


class TechniqueView(msgspec.Struct):
    """How many rules look for a technique (its parts included) under one tactic."""

    tactic: str
    technique: str
    name: str
    rules: int
    parts_covered: int
    parts: int


class CoverageView(msgspec.Struct):
    """How far the rules that are on reach in this version of ATT&CK."""

    version: str
    rules: int
    untagged: int
    covered: int
    techniques: int
    cells: list[TechniqueView]
    unknown: dict[str, int]


@get("/api/detection/rules", sync_to_thread=True, tags=["detection"])
def list_rules(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    search: FromQuery[str] = "",
    level: FromQuery[str] = "",
    technique: FromQuery[str] = "",
    decided: FromQuery[str] = "",
    sort: FromQuery[str] = "title",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> RuleList:
    """List rules; all that is given must hold."""
    wish = RuleWish(search=search, level=level, technique=technique, state=decided)
    with database.read(principal) as tx:
        found = service.list_rules(tx, wish, sort=sort, page=page, page_size=page_size)
    return RuleList([_view(each) for each in found.rules], found.total, page, page_size)


def _view(listed: ListedRule) -> RuleView:
    rule, source = listed.rule, listed.rule.logsource
    return RuleView(
        rule.id, rule.title, rule.kind, rule.level, listed.level, rule.status, source.product,
        source.category, source.service, list(rule.tags), rule.source_id, rule.file, rule.line,
        listed.suppressions,
    )  # fmt: skip


@get("/api/detection/rules/{rule_id:str}", sync_to_thread=True, tags=["detection"])
def get_rule(
    rule_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> RuleFileView:
    """Return a rule with its text."""
    with database.read(principal) as tx:
        file = service.get_rule(tx, rule_id)
    return RuleFileView(_view(file.listed), file.text)


@get("/api/detection/sources", sync_to_thread=True, tags=["detection"])
def list_sources(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> list[SourceView]:
    """List the sources of rules, the one that wins first."""
    with database.read(principal) as tx:
        found = service.list_sources(tx)
    return [
        SourceView(
            s.id, s.name, s.origin, s.address, s.automatic, s.digest, s.taken_at, s.checked_at,
            str(s.trouble) if s.trouble else None, rules, faults,
        )
        for s, rules, faults in found
    ]  # fmt: skip


@get("/api/detection/coverage", sync_to_thread=True, tags=["detection"])
def get_coverage(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> CoverageView:
    """Return how far the rules that are on reach in ATT&CK."""
    with database.read(principal) as tx:
        found = service.read_coverage(tx)
    cells = [
        TechniqueView(
            column.tactic.id, cell.technique.id, cell.technique.name, cell.total,
            cell.covered_parts, len(cell.parts),
        )
        for column in found.columns
        for cell in column.cells
    ]  # fmt: skip
    return CoverageView(
        found.version, found.rules, found.untagged, found.covered, found.techniques, cells,
        dict(found.unknown),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [list_rules, get_rule, list_sources, get_coverage]
