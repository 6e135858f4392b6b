"""Fleet's own load generators against our server: clients that nobody here has written.

``python -m bench.fleet_generator PROGRAM [--hosts 30] [--seconds 60]`` takes a load generator of
Fleet, built with Go by whoever has its source: it is not part of this project, and no test needs
it. Two kinds are known, told apart by the options they have. The first (``osquery-perf`` of 2020)
calls ``/api/v1/osquery``, sends answers that nobody asked for and reads nothing but its node key.
The later one (``cmd/osquery-perf`` of Fleet) calls ``/api/osquery``, takes the config's packs,
sends their results, and answers what it is asked, a policy as passed nine times in ten.

The later one's log lines always have a row, so a check whose schedule's result came last has
passed; what it failed when it was asked stands in the history of the device.

Returns 1 if a host was lost, was flagged as another's double, never came back or (later one) has
no verdict, if the generator told of an error, or if the server answered anything but 200 or logged
a warning.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.house import describe_machine

from sekisho.controls import service as controls
from sekisho.controls.model import VerdictKind
from sekisho.devices.model import Device, DeviceState, KitKind, Ownership
from sekisho.devices.service import inventory, kits
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings
from support.running import Running, running_up

START_SECONDS = 20  # over which the later generator's hosts begin; the first takes 10
_OPTION = re.compile(r"^  -(\w+)", re.MULTILINE)
_COUNT = re.compile(r"([\w/ ]*?errors?(?: rate)?): ([\d.]+|NaN)")
_CALLS = re.compile(
    r'^sekisho_requests_total\{route="(/api/osquery/[^"]*|/version)",status="(\d+)"\} (\S+)',
    re.MULTILINE,
)
# What either of them says when all is well; every other line tells of something that failed.
_HARMLESS = re.compile(r"Agents running|: \d+s, error rate|skipping|Loaded \d+|^\s*$|uptime: ")


@dataclass(frozen=True, slots=True)
class Generator:
    """A program and the options it takes."""

    program: Path
    options: frozenset[str]

    @property
    def answers(self) -> bool:
        """Return whether it answers what it is asked."""
        return "policy_pass_prob" in self.options

    def command(self, hosts: int, url: str, secret: str) -> list[str]:
        """Return how to call it: Fleet's own cadence, and nothing that is not osquery's."""
        windows, macos = hosts // 3, hosts // 3
        wanted = {
            "server_url": url,
            "enroll_secret": secret,
            "host_count": str(hosts),
            "start_period": f"{START_SECONDS}s",
            "query_interval": "10s",
            "config_interval": "60s",
            "logger_tls_period": "10s",
            "orbit_prob": "0",
            "mdm_prob": "0",
            "http_message_signature_prob": "0",
            "policy_pass_prob": "0.9",
            "software_db_path": "",
            "os_templates": f"windows_11:{windows},macos_14.1.2:{macos},"
            f"ubuntu_22.04:{hosts - windows - macos}",
        }
        taken = [f"--{name}={value}" for name, value in wanted.items() if name in self.options]
        return [str(self.program), *taken]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of the hosts at the end, what the server answered, who complained."""

    devices: list[Device]
    verdicts: list[Counter[VerdictKind]]
    told: Counter[str]  # every verdict that there ever was, by its change
    calls: dict[tuple[str, str], int]
    complaints: list[str]

    def count(self, call: str) -> int:
        """Return how often ``call`` was answered."""
        return sum(n for (route, _), n in self.calls.items() if route.endswith(call))


def main() -> int:
    """Play, print what came of it, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="Fleet's osquery-perf")
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--seconds", type=int, default=60, help="after all hosts have begun")
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    if not program.is_file():
        parser.error(f"there is no file {program}")
    said = subprocess.run([program, "-help"], capture_output=True, text=True, check=False)
    generator = Generator(program, frozenset(_OPTION.findall(said.stderr + said.stdout)))
    with (
        tempfile.TemporaryDirectory() as folder,
        running_up(Path(folder) / "data", "--no-device") as running,
    ):
        outcome = _play(running, generator, arguments.hosts, arguments.seconds)
    return _tell(outcome, generator, arguments.hosts, arguments.seconds)


def _play(running: Running, generator: Generator, hosts: int, seconds: int) -> Outcome:
    database = Database(load_settings(running.data, {}).database, SystemClock())
    order = kits.KitOrder(
        KitKind.GROUP, Ownership.COMPANY, "generator", max_devices=hosts, approval=False
    )
    try:
        with database.write(SYSTEM) as tx:
            secret = kits.create_kit(tx, order).secret.reveal()
        command = generator.command(hosts, running.public_url, secret)
        said = _run(command, generator.program.parent, START_SECONDS + seconds)
        calls = _read_calls(running)
        with database.read(SYSTEM) as tx:
            devices = list(_all_devices(tx))
            verdicts = [
                Counter(each.kind for each in controls.list_verdicts(tx, device.id))
                for device in devices
            ]
            told = Counter(
                change.after
                for device in devices
                for change in controls.list_changes(tx, device.id)
            )
    finally:
        database.close()
    logged = running.log.read_text(encoding="utf-8")
    return Outcome(devices, verdicts, told, calls, [*_complaints(said), *_warnings(logged)])


def _run(command: list[str], folder: Path, seconds: int) -> str:
    """Let the generator play beside its templates; return all that it printed."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        time.sleep(seconds)
        child.terminate()
        return child.communicate(timeout=20)[0]


def _read_calls(running: Running) -> dict[tuple[str, str], int]:
    text = httpx.get(f"{running.url}/metrics", timeout=30).text
    return {(route, status): int(float(n)) for route, status, n in _CALLS.findall(text)}


def _all_devices(tx: Transaction) -> Iterator[Device]:
    offset = 0
    while page := inventory.list_devices(tx, offset=offset, limit=500).devices:
        yield from page
        offset += len(page)


def _complaints(said: str) -> list[str]:
    lines = said.splitlines()
    found = [line for line in lines if not _HARMLESS.search(line)]
    tables = [line for line in lines if "error rate" in line]
    counted = _COUNT.findall(tables[-1]) if tables else []
    return found + [f"{name.strip(' ,')}: {n}" for name, n in counted if float(n) != 0]


def _warnings(logged: str) -> list[str]:
    return [line for line in logged.splitlines() if re.search(r"\[(warn|err|crit)|Traceback", line)]


def _tell(outcome: Outcome, generator: Generator, hosts: int, seconds: int) -> int:
    devices, answers = outcome.devices, generator.answers
    known = [sum(kinds.values()) - kinds[VerdictKind.UNKNOWN] for kinds in outcome.verdicts]
    kinds = sum(outcome.verdicts, Counter[VerdictKind]())
    reads = outcome.count("distributed/read")
    refused = {call: n for call, n in outcome.calls.items() if call[1] != "200"}
    counts = {
        "enrolled": sum(device.state is DeviceState.ACTIVE for device in devices),
        "not flagged": sum(not device.flagged for device in devices),
        "seen": sum(device.seen_at is not None for device in devices),
    }
    if answers:
        counts["answered"] = sum(device.answered_at is not None for device in devices)
        counts["with verdicts"] = sum(number > 0 for number in known)
    print(f"{describe_machine()}, load {os.getloadavg()[0]:.1f}")
    print(f"{'the later' if answers else 'the first'} generator, {hosts} hosts, {seconds} s")
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    for (route, status), number in sorted(outcome.calls.items()):
        print(f"  {route} {status}: {number}")
    print("verdicts:", ", ".join(f"{kind.value} {count}" for kind, count in kinds.most_common()))
    print("changes to:", ", ".join(f"{k} {count}" for k, count in outcome.told.most_common()))
    print("\n".join(outcome.complaints[:20]) or "no complaint, neither the generator's nor ours")
    # It answers preconditions with a made-up row, so its policies count, nine in ten as passed.
    mixed = not answers or outcome.told["pass"] > outcome.told["fail"] > 0
    whole = all(count == hosts for count in counts.values()) and len(devices) == hosts
    fine = whole and mixed and reads >= hosts * seconds // 20 and not refused
    return 0 if fine and not outcome.complaints else 1


if __name__ == "__main__":
    sys.exit(main())
