"""How long it takes to tell 10,000 people, and whether pages notice.

``python bench/notices.py [--people 10000]``: one act tells everybody by one notice; then one notice
a person (as check-ins do) is queued, handed out, written as a mail with text and HTML, and sent
over SMTP to a server on loopback that only counts. Meanwhile a reader asks for an inbox page every
20 ms and a writer commits a small change every 100 ms; their waits are what pages would feel.
The floor is plain sqlite3 on the same disk inserting as many rows with the same commits.
"""

import argparse
import socketserver
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from sekisho.identity.model import Person, PersonState, Role
from sekisho.identity.store import people
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.ids import PersonID, new_id
from sekisho.kernel.installation import set_fact
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service
from sekisho.notices.engine.wording import House
from sekisho.notices.model import (
    ChannelKind,
    Holders,
    Kind,
    Letter,
    NewNotice,
    People,
    Post,
    Preferences,
    Urgency,
)
from sekisho.notices.service.channels import ChannelOrder
from sekisho.notices.sources.carrier import Way
from sekisho.notices.sources.mail import write_mail

TOKYO = ZoneInfo("Asia/Tokyo")
AIM_SECONDS = 10.0
ROWS_A_PERSON = 4  # post, inbox, delivery, record: what one notice of one person leaves
TITLE = {"ja": "「画面ロック」が直っていません", "en": "Not so yet: screen lock"}
BODY = {"ja": "離席しても画面がロックされません。直し方は画面にあります。", "en": "See the page."}


class _Sink(socketserver.StreamRequestHandler):
    """Answers SMTP with yes and counts mails."""

    def handle(self) -> None:
        """Talk until the other side goes."""
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in {b".\r\n", b""}:
                    pass
                self.server.mails += 1  # type: ignore[attr-defined]  # set below
            self.wfile.write(b"250 fine\r\n")
            if word == b"QUIT":
                return


@contextmanager
def counting_server() -> Iterator[socketserver.ThreadingTCPServer]:
    """Serve SMTP on a free port of loopback."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Sink) as server:
        server.daemon_threads = True
        server.mails = 0  # type: ignore[attr-defined]  # counted by the handler
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@dataclass(slots=True)
class Watch:
    """A reader and a writer beside the work, and how long each of their acts took."""

    database: Database
    person: Principal
    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Ask for an inbox page again and again."""
        while not self.stopping.wait(0.02):
            began = time.perf_counter()
            with self.database.read(self.person) as tx:
                service.list_notices(tx)
            self.reads.append(time.perf_counter() - began)

    def write(self) -> None:
        """Commit a small change again and again."""
        while not self.stopping.wait(0.1):
            began = time.perf_counter()
            with self.database.write(SYSTEM) as tx:
                set_fact(tx, "bench", began)
            self.writes.append(time.perf_counter() - began)


@contextmanager
def watching(database: Database, person: Principal) -> Iterator[Watch]:
    """Watch until the block ends."""
    watch = Watch(database, person)
    threads = [threading.Thread(target=work) for work in (watch.read, watch.write)]
    for thread in threads:
        thread.start()
    yield watch
    watch.stopping.set()
    for thread in threads:
        thread.join()


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    count = parser.parse_args().people
    with tempfile.TemporaryDirectory() as folder, counting_server() as mails:
        database = Database(f"sqlite:///{folder}/bench.db", SystemClock())
        migrate(database)
        ids = _bring_people(database, count)
        outside = _set_up(database, mails.server_address[1], ids)
        print(f"{count:,} people; the aim is {AIM_SECONDS:.0f} s")
        first = Principal(PrincipalKind.PERSON, ids[0], "x", frozenset({"self.read", "self.write"}))
        with watching(database, first) as watch:
            _time("one notice to everybody: handed out", lambda: _tell_all(database))
            queued = _time("one notice a person: queued", lambda: _tell_each(database, ids))
            handed = _time("one notice a person: handed out", lambda: _hand_out(database))
            rendered = _time("one notice a person: rendered as mails", lambda: _render(ids))
            print(f"{'queued, handed out and rendered':<46}{queued + handed + rendered:8.2f} s")
            _time("claimed, rendered and sent by SMTP (both)", lambda: _send(database, outside))
        print(f"mails at the server: {mails.mails:,}")  # type: ignore[attr-defined]  # as above
        _say("a page's read meanwhile", watch.reads)
        _say("another write meanwhile", watch.writes)
        floor = _time("floor: plain sqlite3, as many rows", lambda: _floor(folder, count))
        print(f"ratio of queued and handed out to the floor: {(queued + handed) / floor:.1f}")
        database.close()


def _bring_people(database: Database, count: int) -> list[PersonID]:
    ids = sorted(PersonID(new_id("per")) for _ in range(count))
    with database.write(SYSTEM) as tx:
        for number, name in enumerate(ids):
            person = Person(name, f"社員 {number}", f"p{number}@example.jp", "ja",
                            PersonState.ACTIVE, frozenset({Role.TELEWORKER}))  # fmt: skip
            people.insert_person(tx, person)
    return ids


def _set_up(database: Database, port: int, ids: list[PersonID]) -> service.Outside:
    """Name the mail server; a tenth of the people have chosen something."""
    box = SecretBox(bytes(32))
    setup = {"host": "127.0.0.1", "port": str(port), "security": "none", "from": "s@example.jp"}
    with database.write(SYSTEM) as tx:
        service.set_channel(tx, box, ChannelOrder(ChannelKind.MAIL, "Mail", setup))
    for name in ids[::10]:
        rights = frozenset({"self.read", "self.write"})
        with database.write(Principal(PrincipalKind.PERSON, name, "x", rights)) as tx:
            service.set_choices(tx, Preferences(language="en"))
    house = House("みなと", "https://sekisho.example.jp", "http://localhost:8480")
    return service.Outside(SystemClock(), box, house, TOKYO)


def _tell_all(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        service.queue_notice(
            tx, to=Holders("self.read"), kind=Kind.NOTICE_TEST, subject="all", title=TITLE,
            body=BODY, urgency=Urgency.URGENT,
        )  # fmt: skip
    service.hand_out(database, TOKYO)


def _tell_each(database: Database, ids: list[PersonID]) -> None:
    """Queue as check-ins do: some hundred in a transaction."""
    for start in range(0, len(ids), 500):
        with database.write(SYSTEM) as tx:
            service.queue_notices(tx, [
                NewNotice(People([name]), Kind.DEVICE_FAILS, f"device:{name}", TITLE, BODY,
                          Urgency.URGENT, "/my", f"k:{name}")
                for name in ids[start : start + 500]
            ])  # fmt: skip


def _hand_out(database: Database) -> None:
    service.hand_out(database, TOKYO)


def _render(ids: list[PersonID]) -> None:
    """Write every mail as it leaves, text and HTML."""
    clock = SystemClock()
    house = House("みなと", "https://sekisho.example.jp", "http://localhost:8480")
    way = Way({"from": "s@example.jp"}, {}, house)
    for name in ids:
        post = Post(name, Kind.DEVICE_FAILS, name, TITLE, BODY, Urgency.URGENT, "/my", clock.now())
        letter = Letter(name, f"thread.{name}", "ja", (post,), "p@example.jp", "社員", zone=TOKYO)
        write_mail(letter, way, clock.now())


def _send(database: Database, outside: service.Outside) -> None:
    while service.send_due(database, outside):
        pass


def _floor(folder: str, count: int) -> None:
    connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT, b TEXT, c TEXT)")
    rows = [(new_id("row"), "x" * 40, "y" * 200, "z") for _ in range(count * ROWS_A_PERSON)]
    for start in range(0, len(rows), 500 * ROWS_A_PERSON):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)", rows[start : start + 500 * ROWS_A_PERSON]
        )
        connection.execute("COMMIT")
    connection.close()


def _time(name: str, work: Callable[[], object]) -> float:
    began, used = time.perf_counter(), time.process_time()
    work()
    taken, used = time.perf_counter() - began, time.process_time() - used
    print(f"{name:<46}{taken:8.2f} s{used:8.2f} s of CPU")
    return taken


def _say(name: str, waits: list[float]) -> None:
    ordered = sorted(waits)
    middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    print(f"{name:<46}p50 {middle * 1000:.0f} ms, p99 {late * 1000:.0f} ms, "
          f"worst {ordered[-1] * 1000:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
