"""How long it takes to bring 10,000 people in by a file, and to list them.

Run: ``python bench/people.py [PEOPLE] [DATABASE_URL]``. One JSON line; times are seconds. The file
has units, managers and numbers; it is brought in once (all new) and once more with every name
changed. The goal is 10 s for 10,000 people, and 0.15 s for a page.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.identity import service
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM

_USUAL = 10_000
_PER_UNIT = 50


def make_roster(people: int, word: str) -> bytes:
    """Return a CSV of made people as Excel in Japan would save it."""
    lines = ["氏名,メールアドレス,部署,上長,社員番号"]
    for n in range(people):
        unit = n // _PER_UNIT
        lead = f"p{unit * _PER_UNIT}@example.jp" if n % _PER_UNIT else ""
        lines.append(f"{word} {n},p{n}@example.jp,第{unit % 20}本部 / 第{unit}課,{lead},{n:06}")
    return "\n".join(lines).encode("cp932")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a migrated database; without a URL a new SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(url or f"sqlite:///{Path(folder, 'bench.db')}", SystemClock())
        migrate(database)
        yield database
        database.close()


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds an act takes."""
    began = time.perf_counter()
    act()
    return round(time.perf_counter() - began, 3)


def bring(database: Database, content: bytes) -> None:
    """Bring a file in: upload, plan, apply, as the pages do it."""
    with database.write(SYSTEM) as tx:
        held = service.hold_roster(tx, "people.csv", content)
    with database.read(SYSTEM) as tx:
        digest = service.read_waiting(tx, held).digest
    with database.write(SYSTEM) as tx:
        service.apply_roster(tx, held, digest)


def page(database: Database, search: str, offset: int) -> None:
    """Read what the page of people shows."""
    with database.read(SYSTEM) as tx:
        service.list_people(tx, search=search, sort="unit", limit=50, offset=offset)
        service.count_people(tx, search)
        service.count_states(tx)
        service.list_units(tx)


def main() -> None:
    """Measure and print."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else _USUAL
    with opened(sys.argv[2] if len(sys.argv) > 2 else "") as database:
        figures = {
            "people": people,
            "database": database.dialect,
            "import_new": timed(lambda: bring(database, make_roster(people, "社員"))),
            "import_changed": timed(lambda: bring(database, make_roster(people, "改名"))),
            "page_first": timed(lambda: page(database, "", 0)),
            "page_last": timed(lambda: page(database, "", people - 50)),
            "page_search": timed(lambda: page(database, f" {people - 1}", 0)),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
