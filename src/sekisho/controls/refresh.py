"""Making ``content/data/endoflife.yaml`` from a folder of endoflife.date products.

``python -m sekisho.controls.refresh FOLDER 2026-08-22 > endoflife.yaml``, where FOLDER holds
``windows.md``, ``macos.md`` and so on with their YAML front matter. Only dates are taken.
"""

import datetime as dt
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

_STALE_AFTER_DAYS = 180
_BUILD = re.compile(r"10\.0\.(\d+)\Z")
_DISTRIBUTIONS = {
    "ubuntu": ("ubuntu", "eol"),
    # Debian's LTS reaches everybody through the same archive; no contract is needed for it.
    "debian": ("debian", "eoes"),
    "rhel": ("rhel", "eol"),
    "almalinux": ("almalinux", "eol"),
    "rocky-linux": ("rocky", "eol"),
}
_FIRST_YEAR = 2014

Row = tuple[str | int | None, ...]


def build_endoflife(folder: Path, as_of: dt.date) -> str:
    """Return the data file as YAML text; the same folder and date give the same text."""
    sets = {
        "windows": (("build", "edition", "ends"), _windows(_releases(folder / "windows.md"))),
        "macos": (("major", "ends"), _macos(_releases(folder / "macos.md"))),
        "linux": (("platform", "major", "minor", "ends"), _linux(folder)),
    }
    lines = [
        "# Written by sekisho.controls.refresh; run it again rather than editing dates here.",
        f"as_of: {as_of.isoformat()}",
        "source: endoflife.date (dates of the vendors' own life cycle pages)",
        f"stale_after_days: {_STALE_AFTER_DAYS}",
        "sets:",
    ]
    for name, (columns, rows) in sets.items():
        lines += [f"  {name}:", f"    columns: [{', '.join(columns)}]", "    rows:"]
        lines += [f"      - [{', '.join(_cell(cell) for cell in row)}]" for row in rows]
    return "\n".join(lines) + "\n"


def _releases(path: Path) -> Sequence[Mapping[str, Any]]:
    front = path.read_text("utf-8").split("---\n")[1]
    return [r for r in yaml.safe_load(front)["releases"] if r["releaseDate"].year >= _FIRST_YEAR]


def _windows(releases: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Map a build to its end by edition: W Home and Pro, E Enterprise and Education, L LTSC."""
    rows: set[tuple[str, str, str]] = set()
    for release in releases:
        cycle, found = str(release["releaseCycle"]), _BUILD.match(str(release["latest"]))
        if found is None:
            continue
        ends = _end(release["eol"])
        if cycle.endswith("-iot-lts"):
            continue
        rows |= {(found[1], edition, ends or "") for edition in _editions(cycle)}
    return sorted(rows, reverse=True)


def _editions(cycle: str) -> str:
    """Return the letters of the editions a cycle such as ``11-24h2-e-lts`` is for."""
    if cycle.endswith("-lts"):
        return "L"
    letter = cycle[-1].upper()
    return letter if letter in "WE" else "EW"


def _macos(releases: Iterable[Mapping[str, Any]]) -> list[Row]:
    rows = [(str(r["releaseCycle"]), _end(r["eol"])) for r in releases]
    return [(int(cycle), ends) for cycle, ends in rows if cycle.isdigit()]


def _linux(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for product, (platform, column) in _DISTRIBUTIONS.items():
        for release in _releases(folder / f"{product}.md"):
            major, _, minor = str(release["releaseCycle"]).partition(".")
            ends = _end(release.get(column) or release["eol"])
            rows.append((platform, int(major), int(minor) if minor else None, ends))
    return rows


def _end(value: object) -> str | None:
    """Return the last day as text; ``None`` where the vendor has not named one."""
    return value.isoformat() if isinstance(value, dt.date) else None


def _cell(cell: str | int | None) -> str:
    if cell is None:
        return "null"
    return str(cell) if isinstance(cell, int) else f'"{cell}"'


if __name__ == "__main__":
    sys.stdout.write(build_endoflife(Path(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])))
