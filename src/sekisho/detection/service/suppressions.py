"""The list of suppressions: what is held back, by whom, why, and until when."""

from collections.abc import Mapping
from dataclasses import dataclass

from sekisho.detection.library import Suppression
from sekisho.detection.store import decisions, rules
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    """One page of suppressions with the titles of their rules and the names of their makers."""

    suppressions: list[Suppression]
    titles: Mapping[str, str]
    names: Mapping[str, str]
    total: int
    page: int
    page_size: int


def list_suppressions(
    tx: Transaction, *, ended: bool = False, search: str = "", sort: str = "", page: int = 1,
    page_size: int = 50,
) -> SuppressionPage:  # fmt: skip
    """Return those in force, the next to end first, or those that ended (``detection.read``).

    ``search`` is looked for in rule, condition and reason; an unknown order is as none.
    """
    tx.principal.require("detection.read")
    page, search = max(1, page), search.strip()
    found = decisions.list_suppressions(
        tx, now=tx.now, ended=ended, search=search, offset=(page - 1) * page_size, limit=page_size,
        sort=sort if sort.removeprefix("-") in decisions.SORTS else "",
    )  # fmt: skip
    return SuppressionPage(
        found,
        rules.list_titles(tx, [s.rule_id for s in found if s.rule_id]),
        identity.find_names(tx, [s.by for s in found]),
        decisions.count_suppressions(tx, tx.now, ended=ended, search=search),
        page,
        page_size,
    )
