"""What an open page is told: that it is heard at once, and every change from then on."""

import asyncio
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.identity.service.people import add_person
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.server.live import Announcer


def _change(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        add_person(tx, name="佐伯 航", email="saeki@example.jp", language="ja", roles=[])
    with database.write(SYSTEM) as tx:
        evidence.seal_records(tx)


async def _listen(database: Database) -> tuple[Any, Any]:
    """Return the first message, and the one after a change that comes right behind it."""
    announcer = Announcer(database)
    heard = announcer.listen()
    first = await asyncio.wait_for(anext(heard), 5)
    await asyncio.to_thread(_change, database)
    watching = asyncio.create_task(announcer.run())
    second = await asyncio.wait_for(anext(heard), 10)
    watching.cancel()
    await heard.aclose()
    return first, second


def test_a_page_is_heard_at_once_and_told_what_changes_from_then_on(database: Database) -> None:
    first, second = asyncio.run(_listen(database))

    assert (first.comment, first.event) == ("here", None)
    assert second.event == "changed"
    assert set(second.data.split()) == {"identity", "evidence"}


async def _end(database: Database) -> list[Any]:
    announcer = Announcer(database)
    heard, later = announcer.listen(), announcer.listen()
    said = [await anext(heard)]
    announcer.close()
    said += [message async for message in heard]  # would go on for ever
    return said + [message async for message in later]


def test_streams_end_with_the_server(database: Database) -> None:
    said = asyncio.run(asyncio.wait_for(_end(database), 5))

    assert {message.comment for message in said} == {"here"}
    assert len(said) == 2  # who comes too late is heard, and let go
