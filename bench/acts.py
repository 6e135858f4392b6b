"""How long acts on 10,000 rows take, and for how long a piece of one keeps other writers waiting.

``python -m bench.acts [--devices 10000]``: each act is chosen, planned and started as the pages do
it, then done by the worker piece by piece. Printed is the CPU time of choosing and planning (one
request each), of doing, the longest piece, and how many rows were done or left as they are. It
fails if a row is lost.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from bench.made_devices import make_devices
from bench.population import device_id, prepare_house, with_keys
from sqlalchemy import bindparam, update

from sekisho.controls.store.tables import SUBJECTS
from sekisho.devices.store.tables import DEVICES
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.identity.model import Person, PersonState, Role
from sekisho.identity.store import people
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.settings import load_settings
from sekisho.worklists.model import Act, Listing, Outcome
from sekisho.worklists.service import acts
from sekisho.worklists.service.findings import FindingSearch, make_filter

EACH = 3
RULE = "screen-lock"


def main() -> None:
    """Load the devices, do every act, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    count = parser.parse_args().devices
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        prepare_house(data, with_keys(make_devices(0, count, private_in_10=0)), 1)
        database = Database(load_settings(data, {}).database, SystemClock())
        _give(database, count)
        measure(database, count)
        database.close()


def _give(database: Database, count: int) -> None:
    """Give every three devices to a person."""
    owners = [PersonID(new_id("per")) for _ in range(-(-count // EACH))]
    with database.write(SYSTEM) as tx:
        people.insert_people(tx, [
            Person(one, f"Person {n}", f"p{n}@example.jp", "ja", PersonState.ACTIVE,
                   frozenset({Role.TELEWORKER}))
            for n, one in enumerate(owners)
        ])  # fmt: skip
        rows = [{"d": device_id(n), "p": owners[n // EACH]} for n in range(count)]
        for table, key in ((DEVICES, DEVICES.c.id), (SUBJECTS, SUBJECTS.c.device_id)):
            column = "owner_id" if table is DEVICES else "person_id"
            given = update(table).where(key == bindparam("d"))
            tx.execute(given.values({column: bindparam("p")}), rows)


def measure(database: Database, count: int) -> None:
    """Do one act after the other as an administrator."""
    with database.write(SYSTEM) as tx:
        chief = identity.add_person(
            tx, name="Chief", email="chief@example.jp", language="en", roles=[Role.ADMIN],
            state=PersonState.ACTIVE,
        )  # fmt: skip
    who = Principal(PrincipalKind.PERSON, chief.id, chief.name, frozenset({"*"}))
    letter = {"title": "Tonight", "body": "Leave it switched on."}
    wish = {"reason": "replaced soon", "measure": "kept off the network",
            "until": (database.clock.now() + timedelta(days=7)).date().isoformat()}  # fmt: skip
    print(f"{count} devices; act, CPU ms of choosing, planning, doing; longest piece ms; rows")
    run(database, who, Listing.DEVICES, "tag", {"tags": "one, two"})
    run(database, who, Listing.DEVICES, "untag", {"tags": "two"})
    run(database, who, Listing.DEVICES, "notify", letter)
    run(database, who, Listing.DEVICES, "except", {**wish, "rule": RULE})
    run(database, who, Listing.FINDINGS, "assign", {"person": chief.id}, count)
    run(database, who, Listing.FINDINGS, "notify", letter, count)
    run(database, who, Listing.FINDINGS, "except", wish, count)
    owned = run(database, who, Listing.DEVICES, "own", {"person": chief.id})
    start = time.process_time()
    with database.write(who) as tx:
        undoing, _ = acts.undo_act(tx, owned.id)
    _follow(database, who, undoing, (0.0, time.process_time() - start))


def run(
    database: Database, who: Principal, listing: Listing, kind: str, words: Mapping[str, str],
    most: int = 0,
) -> Act:  # fmt: skip
    """Choose all rows of a list (or ``most`` of them), plan, start and follow one act."""
    start = time.process_time()
    with database.write(who) as tx:
        ids = findings.list_ids(tx, make_filter(tx, FindingSearch()), most) if most else []
        act = acts.choose_rows(tx, listing, kind, ids=ids, wish=None if most else "")
    chosen = time.process_time()
    with database.write(who) as tx:
        acts.plan_act(tx, act.id, words)
    _follow(database, who, act, (chosen - start, time.process_time() - chosen))
    return act


def _follow(database: Database, who: Principal, act: Act, spent: tuple[float, float]) -> None:
    with database.write(who) as tx:
        acts.start_act(tx, act.id)
    start, longest, before = time.process_time(), 0.0, time.process_time()
    while acts.work_on_acts(database):
        now = time.process_time()
        longest, before = max(longest, now - before), now
    doing = time.process_time() - start
    with database.read(who) as tx:
        ended, tally = acts.get_act(tx, act.id)
    rows = {outcome.value: tally.of(outcome) for outcome in Outcome if tally.of(outcome)}
    if sum(rows.values()) != ended.total or tally.of(Outcome.TODO) or tally.of(Outcome.LEFT):
        raise SystemExit(f"rows are lost: {act.kind} {rows} of {ended.total}")
    parts = " ".join(f"{part * 1e3:7.0f}" for part in (*spent, doing, longest))
    print(f"{act.listing:9}{act.kind:8}{parts}  {rows}")


if __name__ == "__main__":
    main()
