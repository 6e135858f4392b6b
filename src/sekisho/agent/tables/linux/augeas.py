"""Table ``augeas`` of Linux for the few files that controls read, and ``apt_config``.

osquery reads every file that augeas knows; this agent reads only the files listed here, and of a
saved wireless network only its kind of protection (the file's name, which is the network's name,
is replaced by a number).
"""

import fnmatch
from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table, Where
from sekisho.agent.tables.columns import AUGEAS, columns
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux.configuration import (
    Node,
    parse_apt,
    parse_assignment_file,
    parse_sections,
    parse_sshd,
    parse_wireless,
)
from sekisho.agent.tables.patterns import asked_below, asked_for

_LIMIT = 1024 * 1024
_CONNECTIONS = "/etc/NetworkManager/system-connections"
_Lens = Callable[[str], Iterator[Node]]
_FILES: tuple[tuple[str, str, _Lens], ...] = (
    ("/etc/ufw", "ufw.conf", parse_assignment_file),
    ("/etc/default", "ufw", parse_assignment_file),
    ("/etc/apt", "apt.conf", parse_apt),
    ("/etc/apt/apt.conf.d", "*", parse_apt),
    ("/etc/dnf", "automatic.conf", parse_sections),
    ("/etc/gdm3", "custom.conf", parse_sections),
    ("/etc/gdm3", "daemon.conf", parse_sections),
    ("/etc/gdm", "custom.conf", parse_sections),
    ("/etc/lightdm", "lightdm.conf", parse_sections),
    ("/etc/lightdm/lightdm.conf.d", "*.conf", parse_sections),
    ("/etc", "sddm.conf", parse_sections),
    ("/etc/sddm.conf.d", "*.conf", parse_sections),
    ("/etc/ssh", "sshd_config", parse_sshd),
    ("/etc/ssh/sshd_config.d", "*.conf", parse_sshd),
    (_CONNECTIONS, "*", parse_wireless),
)


def tables(host: Host) -> tuple[Table, ...]:
    """Return both tables over ``host``."""
    return (
        Table("augeas", AUGEAS, lambda where: augeas(host, where), frozenset({"path"})),
        Table("apt_config", columns("key value"), lambda _: apt_config(host)),
    )


def augeas(host: Host, where: Where) -> Iterator[Row]:
    """Yield the settings of the files that can be wanted; other files are not opened."""
    for folder, pattern, lens in _FILES:
        if not asked_below(where, "path", folder):
            continue
        names = fnmatch.filter(host.names(folder), pattern)
        for number, name in enumerate(names, start=1):
            shown = f"connection-{number}" if folder == _CONNECTIONS else name
            path = f"{folder}/{shown}"
            if folder == _CONNECTIONS or asked_for(where, "path", path):
                text = host.text(f"{folder}/{name}", _LIMIT) or ""
                yield from _rows(path, lens(text))


def _rows(path: str, nodes: Iterator[Node]) -> Iterator[Row]:
    for way, value in nodes:
        yield {
            "node": f"/files{path}/{way}",
            "path": path,
            "label": way.rpartition("/")[2],
            "value": value,
        }


def parse_apt_config(text: str) -> Iterator[Row]:
    """Yield the lines of ``apt-config dump``: ``A::B "value";``."""
    for line in text.splitlines():
        key, space, value = line.partition(" ")
        if space:
            yield {"key": key, "value": value.rstrip(";").strip('"')}


def apt_config(host: Host) -> Iterator[Row]:
    """Yield apt's settings in force, later files having overridden earlier ones."""
    if host.exists("/etc/apt"):
        yield from parse_apt_config(answer(host.run(["apt-config", "dump"]), "apt-config"))
