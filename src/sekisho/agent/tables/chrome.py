"""Table ``chrome_extensions``: which extensions are installed in Chromium-like browsers.

Only identifiers and versions are read, from the names of folders; no extension's name, permission
or data, and no profile's name (which is often a person's).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sekisho.agent.table import Row, Table, Where
from sekisho.agent.tables.columns import CHROME_EXTENSIONS
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.patterns import asked_for

_IDENTIFIER_LENGTH = 32


Homes = Callable[[], Iterable[tuple[int, str]]]
"""Gives the home folders to look into: (user id, path), afresh each time it is called."""


def extensions_table(host: Host, browsers: Mapping[str, str], homes: Homes) -> Table:
    """Return the table; ``browsers`` maps a browser to its folder below a home folder."""

    def rows(where: Where) -> Iterator[Row]:
        for uid, home in homes():
            if asked_for(where, "uid", str(uid)):
                for browser, folder in browsers.items():
                    for row in _extensions(host, f"{home}/{folder}"):
                        yield {**row, "uid": uid, "browser_type": browser}

    return Table("chrome_extensions", CHROME_EXTENSIONS, rows, frozenset({"uid"}))


def _extensions(host: Host, base: str) -> Iterator[Row]:
    for profile in host.names(base):
        for identifier in host.names(f"{base}/{profile}/Extensions"):
            if _is_identifier(identifier):
                for version in host.names(f"{base}/{profile}/Extensions/{identifier}"):
                    yield {
                        "identifier": identifier,
                        "version": version.rpartition("_")[0] or version,
                    }


def _is_identifier(name: str) -> bool:
    """Tell whether a folder's name is an extension's (32 letters from a to p)."""
    return len(name) == _IDENTIFIER_LENGTH and all("a" <= letter <= "p" for letter in name)
