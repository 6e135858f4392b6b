"""Table ``pending_updates`` of Linux: how many security updates wait, and how old the lists are.

Nothing is fetched. For apt the versions in dpkg's status are held against the lists of the
security archives, which is a hundred times cheaper than a simulated upgrade. ``checked_days``
says how many days ago the lists were last fetched: a count from old lists proves little. When a
waiting update was published does not stand in the lists, so ``oldest_days`` is NULL on Linux.
"""

import re
from collections.abc import Iterable, Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import PENDING_UPDATES
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux.packages import deb_packages
from sekisho.agent.versions import compare

_DNF_SECONDS = 20.0
_DAY = 86400
_LISTS = "/var/lib/apt/lists"
_HELPER = "/usr/lib/apt/apt-helper"
_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", f"{_LISTS}/partial", _LISTS)
_ADVISORY = re.compile(r"^[A-Z][\w-]*[-:]\d\S*\s")
_DNF_CACHES = ("/var/cache/libdnf5", "/var/cache/dnf")


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``; apt's answer is kept until its lists or packages change."""
    return (Table("pending_updates", PENDING_UPDATES, _Pending(host).rows),)


class _Pending:
    """Counts again only if dpkg's status or the lists have changed."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._key: tuple[float, ...] = ()
        self._count = 0

    def rows(self, _: Where) -> Iterator[Row]:
        """Yield a row for each package manager that keeps lists on this computer."""
        yield from self._apt()
        yield from _dnf(self._host)

    def _apt(self) -> Iterator[Row]:
        host = self._host
        if not host.exists("/var/lib/dpkg/status"):
            return
        key = (_changed(host, "/var/lib/dpkg/status"), _changed(host, _LISTS))
        if key != self._key:
            self._count = count_waiting(_installed(host), _offers(host))
            self._key = key
        yield {
            "manager": "apt",
            "security_count": self._count,
            "checked_days": _days(host, max(_changed(host, stamp) for stamp in _STAMPS)),
        }


def _installed(host: Host) -> dict[str, str]:
    return {
        str(row["name"]): str(row["version"])
        for row in deb_packages(host, {})
        if str(row["status"]).endswith(" installed")
    }


def _offers(host: Host) -> Iterator[tuple[str, str]]:
    """Yield (package, version) of the security archives, whatever their lists are packed with."""
    lists = [n for n in host.names(_LISTS) if "_Packages" in n and "security" in n]
    if not lists:
        raise Unreadable(
            "apt has no lists of a security archive; check /etc/apt/sources.list*, run apt update"
        )
    for name in lists:
        path = f"{_LISTS}/{name}"
        if name.endswith("_Packages"):
            yield from parse_offers(host.text_lines(path))
        else:
            yield from parse_offers(host.lines([_HELPER, "cat-file", str(host.path(path))]))


def parse_offers(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (package, version) for each stanza of a ``Packages`` list (deb822(5))."""
    name = ""
    for line in lines:
        if line.startswith("Package: "):
            name = line[9:].strip()
        elif line.startswith("Version: "):
            if not name:
                raise Unreadable("a package list of apt is torn: a version without its package")
            yield name, line[9:].strip()
            name = ""
    if name:
        raise Unreadable(f"a package list of apt is torn: {name} has no version")


def count_waiting(installed: dict[str, str], offers: Iterable[tuple[str, str]]) -> int:
    """Count the installed packages that an offer is newer than."""
    waiting = {
        name
        for name, version in offers
        if name in installed and compare(version, installed[name], "DPKG") > 0
    }
    return len(waiting)


def _changed(host: Host, path: str) -> float:
    try:
        return host.path(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0
    except OSError as error:
        raise Unreadable(f"{path} could not be looked at: {error.strerror}") from None


def _days(host: Host, since: float) -> int:
    return max(0, int((host.clock() - since) // _DAY))


def _dnf(host: Host) -> Iterator[Row]:
    tool = next((t for t in ("/usr/bin/dnf5", "/usr/bin/dnf") if host.exists(t)), None)
    if tool is None:
        return
    caches = [folder for folder in _DNF_CACHES if host.exists(folder)]
    if not caches:
        raise Unreadable("dnf has no package lists; run dnf makecache")
    command = [tool, "-q", "-C", "updateinfo", "list", "--updates", "--security"]
    yield {
        "manager": "dnf",
        "security_count": count_advisories(answer(host.run(command, timeout=_DNF_SECONDS), "dnf")),
        "checked_days": _days(host, max(_changed(host, folder) for folder in caches)),
    }


def count_advisories(text: str) -> int:
    """Count the packages that ``dnf updateinfo list`` names (dnf 4 and 5 order their words)."""
    lines = [line.split() for line in text.splitlines() if _ADVISORY.match(line)]
    return len({next((w for w in reversed(words) if "-" in w), "") for words in lines})
