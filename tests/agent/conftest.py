"""The reference server and an agent's session beside it, for every test of the agent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.osquery_server import OsqueryServer
from sekisho.agent import keys
from sekisho.agent.builtin import Identity
from sekisho.agent.link import Address, Link
from sekisho.agent.session import Session
from sekisho.agent.sql import Engine
from sekisho.agent.state import State
from sekisho.wire.kit import Ownership
from support.agent import MakeSession, make_kit, sample_tables


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OsqueryServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with OsqueryServer(folder).running() as running:
        yield running


@pytest.fixture
def make_session(server: OsqueryServer, tmp_path: Path) -> Iterator[MakeSession]:
    opened: list[Session] = []

    def make(ownership: Ownership = Ownership.COMPANY, **state: Any) -> Session:
        kit = make_kit(server, ownership)
        memory = State(tmp_path / "agent" / "agent.db", **state)
        memory.put(kit=kit.to_json(), host_identifier="host-1", instance_id="host-1")
        engine = Engine(sample_tables(), Identity("linux", "host-1"))
        link = Link(Address(kit.server_url, kit.ca_pem))
        made = Session(memory, engine, link, kit, "linux", keys.is_signed)
        opened.append(made)
        return made

    yield make
    for one in opened:
        one.link.close()
        one.state.close()
