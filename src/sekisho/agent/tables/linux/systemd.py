"""Table ``systemd_units`` of Linux, by ``systemctl show`` (no root needed)."""

from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import SYSTEMD_UNITS
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.numerals import number
from sekisho.agent.tables.patterns import wanted

_PROPERTIES = {
    "Id": "id",
    "Description": "description",
    "LoadState": "load_state",
    "ActiveState": "active_state",
    "SubState": "sub_state",
    "UnitFileState": "unit_file_state",
    "Following": "following",
    "Job": "job_id",
    "FragmentPath": "fragment_path",
    "User": "user",
    "SourcePath": "source_path",
}


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (
        Table("systemd_units", SYSTEMD_UNITS, lambda w: systemd_units(host, w), frozenset({"id"})),
    )


def parse_show(text: str) -> Iterator[Row]:
    """Yield a row for each unit that ``systemctl show`` printed (blocks of ``Key=value``).

    A unit that was only asked for and does not exist (``LoadState=not-found``) is no unit.
    """
    for block in text.split("\n\n"):
        facts = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if not facts:
            continue
        if "Id" not in facts or "ActiveState" not in facts:
            raise Unreadable(f"systemctl told of a unit without Id and state: {block[:60]!r}")
        if facts.get("LoadState") != "not-found":
            row = {column: facts.get(key, "") for key, column in _PROPERTIES.items()}
            yield {**row, "job_id": number(row["job_id"] or "0")}


def systemd_units(host: Host, where: Where) -> Iterator[Row]:
    """Yield the units; ``Unreadable`` where systemd does not run (containers, other inits)."""
    if not host.exists("/run/systemd/system"):  # sd_booted(3)
        raise Unreadable("systemd does not run on this computer")
    units = [unit for unit in wanted(where, "id") if not unit.startswith("-")] or ["*"]
    command = ["systemctl", "show", "--all", "--no-pager", f"--property={','.join(_PROPERTIES)}"]
    yield from parse_show(answer(host.run([*command, "--", *units]), "systemctl"))
