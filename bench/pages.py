"""How long the server takes for each page of an organisation of 10,000 people and 30,000 devices.

Run: ``python -m bench.pages [--people 10000] [--rounds 12] [--keep DIR] [--postgres URL]``. Loads
the organisation of ``bench/town.py`` straight into the database, starts the real server, signs in
as an administrator, as somebody who secures one company of it (rights in a unit) and as a
teleworker, and asks for every route that answers GET, as the application itself lists them, and for
the lists in usual ways. What answers something else than a page is named at the end. Times are
those of the whole exchange over plain HTTP on loopback; CPU is that of the web process. The floor
is a page of the same frame without figures. ``--keep`` builds the organisation once and uses it
again.
"""

import argparse
import http.client
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec
from bench.house import Running, describe_machine, measure, percentile, running_server
from bench.town import build_town
from bench.town_copy import copy_town

from sekisho.identity import service as identity
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import Method, Strength, Visit
from sekisho.identity.service.sessions import Proof, open_session
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings
from sekisho.server.app import build_app, list_routes
from sekisho.server.bootstrap import open_house

AIM_MILLISECONDS = 150
FLOOR = "/account/tokens"
_OK = http.client.OK
# What is no page of its own: streams, exports of whole lists, the API's description, the gate.
_APART = ("/events", "/static", "/api/schema", "/scim/", "/gate/", "/forward-auth", "/metrics",
          "/api/osquery", "/api/agent", "/setup", "/.well-known")  # fmt: skip
USUAL = (
    "/devices?q=pc-0123", "/devices?q=社員", "/devices?verdict=fail", "/devices?verdict=pass",
    "/devices?access=not_allowed", "/devices?access=fix_by", "/devices?tag=在宅",
    "/devices?unit={company_id}", "/devices?sort=-seen", "/devices?page=500",
    "/devices?seen=silent", "/devices?verdict=fail&unit={unit_id}",
    "/findings?q=pc-0123", "/findings?q=社員", "/findings?unit={company_id}",
    "/findings?state=all", "/findings?state=overdue", "/findings?sort=-first_seen&page=100",
    "/findings?rule={control_id}", "/findings?who=nobody", "/findings?kind=compliance&age=30",
    "/api/findings?page_size=200", "/api/devices?limit=200",
    "/people?q=社員", "/people?q=p99", "/people?unit={company_id}", "/people?sort=unit&page=150",
    "/people?group={group_id}", "/people?role=manager", "/people/groups/{group_id}?q=社員",
    "/exceptions?state=requested", "/exceptions?q=社員", "/exceptions?sort=until",
    "/evidence?q=control", "/evidence?sort=time", "/evidence?sort=kind&after=5000",
    "/evidence?sort=-subject", "/evidence?kind=control", "/notices?sort=state",
    "/notices?sort=time&page=100", "/notices?sort=person&page=100",
    "/selfchecks?q=在宅&status=closed&sort=-asked",
    "/controls/{control_id}?kind=fail", "/controls/{control_id}?kind=fail&page=20",
    "/selfchecks/mismatches?q=社員", "/access/decisions?q=社員", "/access/decisions?outcome=deny",
    "/access/decisions?page=500", "/imports/devices?q=PC", "/my/notices?page=1",
)  # fmt: skip
LOOKERS = {"admin": "bench@example.jp", "scoped": "scoped@example.jp", "worker": "p1@example.jp"}
_FIT = {"exception_id": {"worker": "own exception"}}


@dataclass(frozen=True, slots=True)
class Asked:
    """One address, how it is shown, and who asks."""

    who: str
    shown: str
    path: str


@dataclass(frozen=True, slots=True)
class Timed:
    """What one address cost: milliseconds of each exchange after the first, CPU of each, bytes."""

    asked: Asked
    status: int
    first: float
    times: Sequence[float]
    cpu: float
    size: int

    @property
    def slow(self) -> bool:
        """Tell whether CPU and wall time of the usual exchange are both above the aim."""
        return min(self.cpu, percentile(self.times, 0.5)) > AIM_MILLISECONDS


def list_addresses(data: Path, things: dict[str, str]) -> Iterator[Asked]:
    """List every route that answers GET and whose things are there, for each who looks."""
    with open_house(load_settings(data, {})) as house:
        routes = sorted({p for p, method, _ in list_routes(build_app(house)) if method == "GET"})
    for who in ("admin", "scoped", "worker"):
        for route in routes:
            if (
                route.startswith(_APART)
                or route.endswith(".csv")
                or (who == "worker" and not route.startswith("/my"))
            ):
                continue
            names = [name.split(":")[0] for name in re.findall(r"\{([^}]*)\}", route)]
            found = {n: things.get(_FIT.get(n, {}).get(who, n), "") for n in names}
            path = re.sub(r"\{([^:}]*)[^}]*\}", lambda m: found[m[1]] or "x", route)  # noqa: B023 - used at once
            yield Asked(who, re.sub(r":\w+\}", "}", route), path)
        if who != "worker":
            yield from (Asked(who, usual, usual.format(**things)) for usual in USUAL)


def time_page(running: Running, asked: Asked, cookie: str, rounds: int) -> Timed:
    """Ask for one address again and again."""
    web = [running.processes["web"]]
    connection = http.client.HTTPConnection("127.0.0.1", running.admin, timeout=600)
    headers = {"Cookie": f"{LOCAL_COOKIE}={cookie}", "Accept": "text/html",
               "Accept-Language": "ja"}  # fmt: skip
    path = quote(asked.path, safe="/?&=-_.~%")
    times, status, size = [], 0, 0
    before = measure(web)
    for _ in range(rounds + 1):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        size, status = len(reply.read()), reply.status
        times.append((time.perf_counter() - began) * 1000)
        if status != _OK:
            break
        if len(times) == 1:
            before = measure(web)
    spent = measure(web).since(before).cpu * 1000 / max(1, len(times) - 1)
    connection.close()
    return Timed(asked, status, times[0], times[1:] or times, spent, size)


def tell(timed: Timed) -> Timed:
    """Print one line as soon as a page is measured: a run of hundreds takes minutes."""
    middle = percentile(timed.times, 0.5)
    print(f"{timed.asked.who} {timed.asked.shown}: {timed.status}, first {timed.first:.0f} ms, "
          f"p50 {middle:.0f} ms, CPU {timed.cpu:.0f} ms", flush=True)  # fmt: skip
    return timed


def build(folder: Path, count: int) -> dict[str, str]:
    """Build the organisation in a folder, or take the one that is there."""
    facts = folder / "town.json"
    if not facts.exists():
        began = time.perf_counter()
        town = build_town(folder / "data", count)
        facts.write_bytes(msgspec.json.encode(town.things))
        print(f"built in {time.perf_counter() - began:.0f} s", flush=True)
    return msgspec.json.decode(facts.read_bytes(), type=dict[str, str])


def sign_in(data: Path) -> dict[str, str]:
    """Sign in anew whoever looks at pages (an idle session ends); return who → cookie."""
    cookies = {}
    with open_house(load_settings(data, {})) as house, house.database.write(SYSTEM) as tx:
        for who, email in LOOKERS.items():
            person = identity.find_person_by_email(tx, email)
            if person is None:
                raise LookupError(email)
            proof = Proof(Strength.RESISTANT, tx.now)
            made = open_session(tx, person, Method.PASSKEY, Visit("127.0.0.1", "b"), proof=proof)
            cookies[who] = made.secret
    return cookies


def report(found: list[Timed]) -> None:
    """Print the table, what is too slow, and what answered no page."""
    floor = next(t for t in found if t.asked.shown == FLOOR and t.asked.who == "admin")
    middle = percentile(floor.times, 0.5)
    print("\n| who | page | first ms | p50 ms | p95 ms | CPU ms | KiB | ratio |\n|" + "---|" * 8)
    pages = [t for t in found if t.status == _OK]
    for timed in sorted(pages, key=lambda t: -t.cpu):
        usual, late = percentile(timed.times, 0.5), percentile(timed.times, 0.95)
        print(f"| {timed.asked.who} | {timed.asked.shown} | {timed.first:.0f} | {usual:.0f} "
              f"| {late:.0f} | {timed.cpu:.0f} | {timed.size / 1024:.0f} "
              f"| {usual / middle:.1f} |")  # fmt: skip
    apart = sorted({f"{t.status} {t.asked.who} {t.asked.shown}" for t in found if t.status != _OK})
    print(f"\n{len(apart)} addresses answered no page:\n" + "\n".join(apart))
    slow = [t for t in pages if t.slow]
    tardy = [t for t in pages if percentile(t.times, 0.95) > AIM_MILLISECONDS]
    print(f"\n- {len(pages)} pages, floor {middle:.1f} ms; aim {AIM_MILLISECONDS} ms: "
          f"{len(slow)} above it, {len(tardy)} with a p95 above it")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Server time of every page.")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--only", default="", help="only addresses that contain this")
    parser.add_argument("--postgres", default="", help="address of an empty database to use")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as made:
        folder = arguments.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        things = build(folder, arguments.people)
        data = Path(made) / "asked"
        shutil.copytree(folder / "data", data)
        if arguments.postgres:
            copy_town(data, arguments.postgres)
        asked = [a for a in list_addresses(data, things)
                 if arguments.only in a.path or a.path == FLOOR]  # fmt: skip
        cookies = sign_in(data)
        with running_server(data, worker=False) as running:
            found = [tell(time_page(running, a, cookies[a.who], arguments.rounds))
                     for a in asked]  # fmt: skip
    report(found)


if __name__ == "__main__":
    main()
