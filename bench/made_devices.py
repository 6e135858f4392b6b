"""Made-up devices: what they tell when they enrol, what they answer, what they log.

A device's truth is drawn from its number alone: about one control in ten fails on it, one
precondition in two hundred cannot be answered, one answer in a hundred differs from the time
before. A device says the same whenever it is asked, so that what the server holds at the end can
be compared with it.
"""

import gzip
import hashlib
import random
from collections.abc import Iterable
from typing import Any, Final

import msgspec

PERIOD: Final = 600  # device 600 is like device 0, so that a large population can be copied
FAILING_IN_1000: Final = 100
UNREADY_IN_1000: Final = 5
CHANGED_IN_1000: Final = 10
RESULTS_IN_LOGS: Final = 0.4
CHECK, READY, DETAIL = "fleet_policy_query_", "sekisho_ready_", "sekisho_detail_"
PLATFORMS: Final = ("windows",) * 6 + ("darwin",) * 2 + ("linux",) * 2
_MASK = {"windows": "2", "darwin": "21", "linux": "9"}
_SYSTEM = {
    "windows": ("Microsoft Windows 11 Pro", "10.0.26100", "windows"),
    "darwin": ("macOS", "15.7.1", "darwin"),
    "linux": ("Ubuntu", "24.04.3 LTS (Noble Numbat)", "debian"),
}
_ROWS = {
    "windows": {"path": "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft", "data": "1"},
    "darwin": {"path": "/Library/Preferences/com.apple.alf.plist", "value": "1"},
    "linux": {"path": "/etc/ssh/sshd_config", "value": "no"},
}


class Device(msgspec.Struct):
    """One made-up device; ``node_key`` is "" until it has enrolled.

    ``planned`` are the names of the scheduled queries that its configuration told.
    """

    number: int
    identifier: str
    platform: str
    private: bool = False
    node_key: str = ""
    version: str = "5.23.1"
    planned: list[str] = []

    def enrolment(self, secret: str) -> bytes:
        """Write the body of an enrolment, with all values as strings like osqueryd's."""
        name, version, like = _SYSTEM[self.platform]
        return msgspec.json.encode(
            {
                "enroll_secret": secret,
                "host_identifier": self.identifier,
                "platform_type": _MASK[self.platform],
                "host_details": {
                    "os_version": {
                        "name": name,
                        "version": version,
                        "platform": self.platform,
                        "platform_like": like,
                        "arch": "x86_64",
                    },
                    "osquery_info": {
                        "uuid": self.identifier,
                        "instance_id": self.identifier,
                        "version": self.version,
                        "platform_mask": _MASK[self.platform],
                    },
                    "system_info": {
                        "uuid": self.identifier,
                        "hostname": f"pc-{self.number:05}",
                        "computer_name": f"pc-{self.number:05}",
                        "hardware_serial": f"BENCH{self.number:07}",
                        "hardware_vendor": "Example",
                        "hardware_model": "Notebook 14",
                    },
                },
            }
        )

    def read_config(self, config: dict[str, Any]) -> None:
        """Remember the names of scheduled queries, as they appear in log lines."""
        for pack, content in config.get("packs", {}).items():
            self.planned += [f"pack/{pack}/{name}" for name in content.get("queries", {})]

    def passes(self, query: str) -> bool:
        """Tell whether a check passes on this device now."""
        return self.passed_before(query) != (self._draw("changed " + query) < CHANGED_IN_1000)

    def passed_before(self, query: str) -> bool:
        """Tell whether a check passed on this device when it was asked the time before."""
        return self._draw(query) >= FAILING_IN_1000

    def is_ready(self, query: str) -> bool:
        """Tell whether a precondition can be answered on this device."""
        return self._draw(query) >= UNREADY_IN_1000

    def _draw(self, query: str) -> int:
        told = hashlib.blake2b(f"{self.number % PERIOD}:{query}".encode(), digest_size=4).digest()
        return int.from_bytes(told) % 1000

    def verdicts(self, results: dict[str, Any]) -> dict[str, bool]:
        """Return which checks of a write passed."""
        return {
            name: bool(rows) for name, rows in results["queries"].items() if name.startswith(CHECK)
        }


class Population(msgspec.Struct, frozen=True):
    """The devices of one generator process and the seed of its scenario."""

    devices: list[Device]
    seed: int


def make_devices(first: int, count: int, private_in_10: int = 0) -> list[Device]:
    """Make devices numbered from ``first`` on; of ten, ``private_in_10`` are people's own."""
    return [
        Device(
            number,
            f"BENCH000-0000-4000-8000-{number:012}",
            PLATFORMS[number % len(PLATFORMS)],
            private=(number // len(PLATFORMS)) % 10 < private_in_10,
        )
        for number in range(first, first + count)
    ]


def make_answers(
    device: Device, queries: Iterable[str], chance: random.Random, *, before: bool = False
) -> dict[str, Any]:
    """Answer all queries of one read, as now or as the time before: rows, statuses, and so on."""
    answers: dict[str, Any] = {"queries": {}, "statuses": {}, "messages": {}, "stats": {}}
    for name in queries:
        ready = not name.startswith(READY) or device.is_ready(name)
        answers["queries"][name] = _rows(device, name, before=before) if ready else []
        answers["statuses"][name] = 0 if ready else 1
        answers["messages"][name] = "" if ready else "no such table: made_up"
        answers["stats"][name] = {
            "wall_time_ms": chance.randint(1, 40),
            "user_time": chance.randint(0, 9),
            "system_time": chance.randint(0, 9),
            "memory": chance.randint(10_000, 900_000),
        }
    return answers


def _rows(device: Device, name: str, *, before: bool = False) -> list[dict[str, str]]:
    if name.startswith(DETAIL):
        return [{**_ROWS[device.platform], "n": str(at)} for at in range(3)]
    passes = device.passed_before if before else device.passes
    passed = not name.startswith(CHECK) or passes(name)
    return [{"1": "1"}] if passed else []


def logged_lines(device: Device, key: str, chance: random.Random, now: float) -> bytes:
    """Write one log request (gzip, as the kit's flag file asks): a snapshot, or a warning.

    The schedule runs some 70 queries every 6 hours, so one line in 300 s; at a log every 120 s
    two in five carry a result.
    """
    second = int(now)
    base = {
        "hostIdentifier": device.identifier,
        "calendarTime": "Mon Nov 23 01:00:00 2026 UTC",
        "unixTime": second,
        "decorations": {"instance_id": device.identifier},
    }
    if device.planned and chance.random() < RESULTS_IN_LOGS:
        name = chance.choice(device.planned)
        lines: list[dict[str, Any]] = [
            {**base, "name": name, "action": "snapshot", "epoch": 0, "counter": 0,
             "numerics": False, "snapshot": _logged_rows(device, name)}
        ]  # fmt: skip
        kind = "result"
    else:
        kind = "status"
        lines = [
            {**base, "severity": 1, "filename": "watcher.cpp", "line": 318, "version":
             device.version, "message": "osqueryd worker (1234) resource use is above its limit"}
        ]  # fmt: skip
    body = msgspec.json.encode({"node_key": key, "log_type": kind, "data": lines})
    return gzip.compress(body, 6)


def _logged_rows(device: Device, name: str) -> list[dict[str, str]]:
    query = name.rsplit("/", 1)[-1]
    if query.startswith(READY) and not device.is_ready(query):
        return []
    return _rows(device, query)


def device_of(identifier: str) -> Device:
    """Return the made device with this identifier."""
    return make_devices(int(identifier.rsplit("-", 1)[1]), 1)[0]
