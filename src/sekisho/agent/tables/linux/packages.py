"""Tables ``deb_packages`` and ``rpm_packages`` of Linux."""

from collections.abc import Iterable, Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import DEB_PACKAGES, RPM_PACKAGES
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.numerals import number
from sekisho.agent.tables.patterns import asked_for, wanted

_DPKG = "/var/lib/dpkg"
_RPM_FORMAT = (
    r"%{NAME}\t%{VERSION}\t%{RELEASE}\t%{SOURCERPM}\t%{SIZE}\t%{SHA1HEADER}\t%{ARCH}"
    r"\t%{EPOCHNUM}\t%{INSTALLTIME}\t%{VENDOR}\t%{GROUP}\n"
)
_RPM_COLUMNS = tuple(column.name for column in RPM_PACKAGES)
_RPM_SECONDS = 20.0
_RPM_FOLDERS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_RPM_BASES = ("rpmdb.sqlite", "Packages", "Packages.db")
_FIELDS = {
    "Package": "name",
    "Version": "version",
    "Source": "source",
    "Installed-Size": "size",
    "Architecture": "arch",
    "Status": "status",
    "Maintainer": "maintainer",
    "Section": "section",
    "Priority": "priority",
}


def tables(host: Host) -> tuple[Table, ...]:
    """Return both tables over ``host``."""
    return (
        Table("deb_packages", DEB_PACKAGES, lambda w: deb_packages(host, w), frozenset({"name"})),
        Table("rpm_packages", RPM_PACKAGES, lambda w: rpm_packages(host, w), frozenset({"name"})),
    )


def parse_dpkg_status(lines: Iterable[str]) -> Iterator[Row]:
    """Yield a row for each stanza of dpkg's status file (deb822(5)), reading line by line.

    A stanza that ends without name, version and status is torn: the whole file is then not to be
    believed and ``Unreadable`` is raised.
    """
    stanza: dict[str, str] = {}
    for line in lines:
        if line.strip():
            key, colon, value = line.partition(":")
            if colon and key in _FIELDS:
                stanza[_FIELDS[key]] = value.strip()
            elif not colon and not line[0].isspace():
                raise Unreadable(f"dpkg's status holds a line that is no field: {line[:60]!r}")
        elif stanza:
            yield _package(stanza)
            stanza = {}
    if stanza:
        yield _package(stanza)


def _package(stanza: dict[str, str]) -> Row:
    # A package that is known but not installed has no version.
    installed = stanza.get("status", "").endswith(" installed")
    needed = ("name", "status", "version") if installed else ("name", "status")
    if any(not stanza.get(field) for field in needed):
        raise Unreadable(
            f"dpkg's status is torn: an entry ({stanza.get('name', 'without a name')})"
            " lacks its name, version or status"
        )
    version = stanza.get("version", "")
    return {
        **stanza,
        "size": number(stanza.get("size") or "0") * 1024,
        "revision": version.rpartition("-")[2] if "-" in version else "",
        "admindir": _DPKG,
    }


def deb_packages(host: Host, where: Where) -> Iterator[Row]:
    """Yield the packages dpkg knows; none where dpkg keeps no status (another distribution)."""
    try:
        for row in parse_dpkg_status(host.text_lines(f"{_DPKG}/status")):
            if asked_for(where, "name", str(row["name"])):
                yield row
    except FileNotFoundError:
        return


def parse_rpm(text: str) -> Iterator[Row]:
    """Yield a row for each line that ``rpm --queryformat`` wrote (tab-separated)."""
    for line in text.splitlines():
        values = line.split("\t")
        if len(values) != len(_RPM_COLUMNS):
            raise Unreadable(f"rpm gave a line of {len(values)} fields: {line[:60]!r}")
        row = dict(zip(_RPM_COLUMNS, values, strict=True))
        yield {k: "" if v == "(none)" else v for k, v in row.items()}


def rpm_packages(host: Host, where: Where) -> Iterator[Row]:
    """Yield the packages rpm knows; none where this computer has no rpm database."""
    if not any(host.exists(f"{folder}/{base}") for folder in _RPM_FOLDERS for base in _RPM_BASES):
        return
    names = wanted(where, "name")
    for row in parse_rpm(answer(host.run(_rpm_command(), timeout=_RPM_SECONDS), "rpm")):
        if not names or row["name"] in names:
            yield row


def _rpm_command() -> list[str]:
    import shutil  # noqa: PLC0415 - weighs a megabyte, and only rpm systems need it

    return [shutil.which("rpm") or "rpm", "-qa", "--queryformat", _RPM_FORMAT]
