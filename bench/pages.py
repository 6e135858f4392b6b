"""How long the server takes for pages when 25,000 devices and all controls are known.

Loads the population straight into the database, starts the real server, signs in with an API
token of a made-up administrator and asks for each page again and again over plain HTTP on
loopback. The time is that of the whole exchange, so the server's own time is a little less. The
floor is a page of the same frame without figures (the settings).
"""

import argparse
import datetime as dt
import http.client
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.house import describe_machine, measure, percentile, running_server
from bench.made_devices import make_devices
from bench.population import device_id, prepare_house, with_keys

from sekisho.controls import service as controls
from sekisho.controls.store import figures
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service.people import add_person
from sekisho.identity.service.tokens import make_token
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import ALL_RIGHTS, SYSTEM, Principal, PrincipalKind
from sekisho.kernel.settings import load_settings

AIM_MILLISECONDS = 100
DAYS = 30
FLOOR = "/settings"
READING = ("devices.read", "controls.read", "evidence.read", "findings.read", "identity.read",
           "settings.read")  # fmt: skip


def prepare(data: Path, count: int) -> tuple[str, int]:
    """Load the population; return an administrator's API token and the number of controls."""
    prepare_house(data, with_keys(make_devices(0, count, private_in_10=2)), 1)
    database = Database(load_settings(data, {}).database, SystemClock())
    try:
        with database.write(SYSTEM) as tx:
            counts = figures.read_counts(tx, tx.now)
            for day in range(DAYS):
                figures.write_day(tx, (tx.now.date() - dt.timedelta(days=day)).isoformat(), counts)
            person = add_person(
                tx, name="Bench", email="bench@example.jp", language="ja", roles=[Role.ADMIN],
                state=PersonState.ACTIVE,
            )  # fmt: skip
            rights = frozenset({ALL_RIGHTS})
            asking = Principal(
                PrincipalKind.PERSON, person.id, "Bench", rights, "ses_bench", tx.now
            )
            _, secret = make_token(
                replace(tx, principal=asking), label="bench", scopes=READING,
                ends_at=tx.now + dt.timedelta(days=1),
            )  # fmt: skip
    finally:
        database.close()
    return secret, len(controls.catalogue_in_force().controls)


def time_page(port: int, path: str, token: str, rounds: int) -> tuple[list[float], int]:
    """Return the milliseconds of each exchange and the size of the page in bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html", "Accept-Language": "ja"}
    found = []
    size = 0
    for _ in range(rounds):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        body = reply.read()
        found.append((time.perf_counter() - began) * 1000)
        size = len(body)
        if reply.status != http.client.OK:
            raise SystemExit(
                f"{path} answered {reply.status}: {body[:500].decode(errors='replace')}"
            )
    connection.close()
    return found, size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Server time of pages.")
    parser.add_argument("--devices", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        data = Path(folder) / "data"
        token, rules = prepare(data, arguments.devices)
        paths = [FLOOR, "/", "/devices", f"/devices/{device_id(1)}", "/controls", "/evidence"]
        print(f"\n## Pages with {arguments.devices:,} devices and {rules} controls\n")
        print("| page | first ms | median ms | p95 ms | CPU ms | KiB | ratio to the floor |")
        print("|---|---|---|---|---|---|---|")
        with running_server(data) as running:
            floor = 0.0
            for path in paths:
                before = measure([running.processes["web"]])
                times, size = time_page(running.admin, path, token, arguments.rounds)
                spent = measure([running.processes["web"]]).since(before)
                middle = percentile(times[1:], 0.5)
                floor = floor or middle
                shown, late = path.replace(device_id(1), "ID"), percentile(times[1:], 0.95)
                print(f"| {shown} | {times[0]:.0f} | {middle:.1f} | {late:.1f} "
                      f"| {spent.cpu * 1000 / len(times):.1f} | {size / 1024:.0f} "
                      f"| {middle / floor:.1f} |", flush=True)  # fmt: skip
                if path == "/":
                    overview = middle
        verdict = "kept" if overview < AIM_MILLISECONDS else "MISSED"
        print(f"\n- aim: overview below {AIM_MILLISECONDS} ms; {verdict} with {overview:.1f} ms, "
              f"ratio to the floor {overview / floor:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
