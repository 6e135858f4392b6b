"""What a query reads on a device, told by SQLite itself and not by whoever wrote the query."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from sekisho.controls.model import Catalogue, Control
from sekisho.controls.osquery_sql import Reads, current_bench


@lru_cache(maxsize=1024)
def compute_manifest(sql: str) -> Reads:
    """Return the (table, column) pairs that ``sql`` reads.

    The query is compiled against empty tables while SQLite's authorizer listens. Column "" means
    that rows are only counted. Raises ``sqlite3.Error`` for SQL that osquery would refuse, too:
    an unknown table or column, a syntax error, anything but reading.
    """
    return current_bench().compile(sql)


def read_by(control: Control, *, sekisho_agent: bool = True) -> Mapping[str, Reads]:
    """Return by platform what a control reads, preconditions included, details left out."""
    found: dict[str, Reads] = {}
    for platform, check in control.checks.items():
        probe = check.choose_probe(sekisho_agent=sekisho_agent)
        if probe is not None:
            found[platform] = compute_manifest(probe.sql) | compute_manifest(probe.precondition)
    return found


def manifest_of(queries: Iterable[str]) -> Reads:
    """Return everything that any of these queries reads."""
    return frozenset().union(*(compute_manifest(sql) for sql in queries))


def manifest_for(
    catalogue: Catalogue, platform: str, ownership: str, *, sekisho_agent: bool = True
) -> Reads:
    """Return everything that may be read on such a device; details only on company devices."""
    queries: set[str] = set()
    for control in catalogue.applying(platform, ownership):
        check = control.find_check(platform)
        private = ownership == "private"
        probe = check.choose_probe(sekisho_agent=sekisho_agent, private=private) if check else None
        if probe is not None:
            queries |= {probe.sql, probe.precondition}
            if ownership == "company" and probe.detail:
                queries.add(probe.detail)
    return manifest_of(sorted(queries))
