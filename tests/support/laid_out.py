"""The whole application, laid out once a process: half a second that each test would pay again."""

from collections.abc import Iterator
from contextlib import contextmanager

from sekisho.server.app import lay_out, move_in
from sekisho.server.application import Application
from sekisho.server.bootstrap import House

_EMPTY: list[Application] = []


@contextmanager
def moved_in(house: House) -> Iterator[Application]:
    """Give an application that serves this house alone; afterwards it serves the next one."""
    app = _EMPTY.pop() if _EMPTY else lay_out()
    move_in(app, house)
    yield app
    _EMPTY.append(app)  # after a failure it may be in any state: the next test lays one out anew
