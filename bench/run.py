"""All benchmarks, one command: ``.venv/bin/python bench/run.py``.

Each runs in a process of its own, one after the other, prints its tables as it goes, and its
ratios are gathered at the end. The default takes about five minutes; ``--full`` measures longer.
``--only checkins pages`` runs some. Exit 1 if one of them could not run.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: its module, its usual arguments and those of ``--full``."""

    name: str
    module: str
    usual: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


BENCHES = (
    Bench("checkins", "bench.checkins",
          ("--devices", "25000", "--seconds", "30"), ("--devices", "25000", "--seconds", "300")),
    Bench("fleet-cadence", "bench.checkins",
          ("--cadence", "fleet", "--devices", "3000", "--seconds", "20"),
          ("--cadence", "fleet", "--devices", "6000", "--seconds", "120", "--generators", "2")),
    Bench("pages", "bench.pages"),
    Bench("idle", "bench.idle", (), ("--seconds", "120")),
    Bench("verdicts", "bench.verdicts", ("--devices", "4000")),
    Bench("evidence", "bench.evidence", ("100000",)),
    Bench("notices", "bench.notices"),
    Bench("agent", "bench.agent_footprint", ("--minutes", "1")),
)  # fmt: skip


def main() -> int:
    """Run the chosen benchmarks and print their ratios together."""
    names = [bench.name for bench in BENCHES]
    parser = argparse.ArgumentParser(description="Run all benchmarks.")
    parser.add_argument("--full", action="store_true", help="measure longer")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME",
                        help=f"some of: {', '.join(names)}")  # fmt: skip
    arguments = parser.parse_args()
    print(f"# Benchmarks, {time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, "
          f"{platform.platform()}, load before: {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    ratios: list[str] = []
    failed: list[str] = []
    for bench in BENCHES:
        if bench.name in arguments.only:
            lines, code = run(bench, full=arguments.full)
            ratios += [f"{bench.name}: {line.lstrip('- ')}" for line in lines if "ratio" in line]
            failed += [bench.name] if code else []
    print("\n# Ratios\n" + "\n".join(ratios))
    if failed:
        print(f"\ncould not run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(bench: Bench, *, full: bool) -> tuple[list[str], int]:
    """Run one benchmark, passing on what it prints; return its lines and its exit code."""
    command = [sys.executable, "-m", bench.module, *((full and bench.full) or bench.usual)]
    began = time.monotonic()
    print(f"\n# {bench.name}: {' '.join(command[1:])}", flush=True)
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in child.stdout or ():
        print(line, end="", flush=True)
        lines.append(line.rstrip())
    code = child.wait()
    print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return lines, code


if __name__ == "__main__":
    raise SystemExit(main())
