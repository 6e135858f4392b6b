"""Which role may call which route: every real route of the application against one table.

The table is ``roles_and_routes.txt``: method, route, and the roles that are let in (on the admin
listener, held in the whole organisation). A route that is not in it fails: whoever adds one says
there who may call it. Letting in is every answer but 401 and 403; where the route names a thing
that exists here, 404 counts as closed too: it is how a thing is kept from whom it does not concern.
``form`` instead of roles: an empty form is refused before anybody's rights are looked at.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from pages.conftest import Town
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.identity.roles import SELF_RIGHTS
from sekisho.kernel.principal import SYSTEM
from sekisho.server.knock import (
    ANONYMOUS_PATHS,
    DEVICE_PREFIXES,
    STATIC_PREFIX,
    listeners_of,
)
from support.routes import Way, list_ways

TABLE = Path(__file__).with_name("roles_and_routes.txt")
# The weaker first: what a stronger one changes on the way closes nothing to the weaker.
ORDER = (
    Role.TELEWORKER, Role.TRAINER, Role.EXECUTIVE, Role.MANAGER, Role.AUDITOR, Role.CSIRT,
    Role.SECURITY, Role.ADMIN,
)  # fmt: skip
_REFUSED = {401, 403}
_ENDLESS = frozenset({"/events"})  # a stream without an end; tests/server asks who hears it
_NAMES = "一二三四五六七八"


def read_table() -> dict[tuple[str, str], frozenset[str]]:
    """Return (method, route) → the roles that are let in."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    split = [line.split() for line in lines]
    return {(method, route): frozenset(roles) for method, route, *roles in split}


def _ways(town: Town) -> list[Way]:
    """List what people and programs may call; devices and strangers have doors of their own."""
    own = (STATIC_PREFIX, *DEVICE_PREFIXES)
    return [
        way
        for way in list_ways(town.app)
        if not way.address.startswith(own) and way.template not in ANONYMOUS_PATHS | _ENDLESS
    ]


def _things(town: Town) -> dict[str, str]:
    """Make one of each thing that routes name."""
    owner = town.add_person("持主", Role.TELEWORKER)
    device = town.enrol("kaisha", owner=owner)
    town.answer(device, failing=1)
    with town.house.database.write(SYSTEM) as tx:
        unit = identity.create_unit(tx, identity.UnitDraft("東日本")).id
        group = identity.create_group(tx, "在宅").id
    control = min(town.catalogue.controls)
    return {
        "device_id": device.id, "person_id": owner, "unit_id": unit, "group_id": group,
        "control_id": control, "kit_id": device.kit_id or "",
    }  # fmt: skip


def _address(way: Way, things: dict[str, str]) -> tuple[str, bool]:
    """Return an address for a way, and whether all things it names are there."""
    names = [name.split(":")[0] for name in re.findall(r"\{([^}]*)\}", way.template)]
    address = way.template
    for name in names:
        address = re.sub(rf"\{{{name}(:[^}}]*)?\}}", things.get(name, "x"), address)
    return address, all(name in things for name in names)


def _call(
    town: Town, way: Way, headers: dict[str, str], things: dict[str, str], listener: str
) -> int:
    """Send a way with an empty form; return the status, 403 for what is kept from the caller."""
    address, there = _address(way, things)
    client: Any = town.client(listener)
    body = {} if way.method in {"GET", "HEAD"} else {"data": {"csrf": headers["X-CSRF-Token"]}}
    answer = client.request(way.method, address, headers=headers, follow_redirects=False, **body)
    assert answer.status_code < 500, (way, answer.text)
    hidden = answer.status_code == 404 and there and "{" in way.template
    return 403 if hidden else int(answer.status_code)


def _walk(town: Town, listener: str) -> dict[tuple[str, str], frozenset[str]]:
    """Send every way once as each role; return who was let in."""
    things = _things(town)
    people = {
        role: town.add_person(f"{_NAMES[place]} 役割", role) for place, role in enumerate(ORDER)
    }
    found: dict[tuple[str, str], frozenset[str]] = {}
    browsers = {role: town.sign_in(people[role]) for role in ORDER}
    for way in _ways(town):
        if listener not in listeners_of(way.address):
            continue
        said: dict[str, int] = {}
        for role in ORDER:
            status = _call(town, way, browsers[role], things, listener)
            said[role.value] = status
            done = way.method != "GET" and status not in _REFUSED
            if done:  # it may have ended the session, or the person's rights
                browsers[role] = town.sign_in(people[role])
        let_in = {role for role, status in said.items() if status not in _REFUSED}
        unread = way.method != "GET" and set(said.values()) == {400}
        found[way.method, way.template] = frozenset({"form"} if unread else let_in)
    return found


def write_table(found: dict[tuple[str, str], frozenset[str]]) -> str:
    """Return the lines of the table."""
    order = [*(role.value for role in reversed(ORDER)), "form"]
    return "\n".join(
        " ".join([method, route, *(role for role in order if role in roles)])
        for (method, route), roles in sorted(found.items(), key=lambda item: item[0][::-1])
    )


def test_every_route_lets_in_whom_the_table_says(town: Town) -> None:
    found, wanted = _walk(town, "admin"), read_table()
    strange = sorted(set(found) - set(wanted))
    lines = write_table({key: found[key] for key in strange})
    assert not strange, f"say in {TABLE.name} who may call:\n{lines}"
    assert sorted(set(wanted) - set(found)) == [], "the table names routes that are not there"
    wrong = {key: (sorted(found[key]), sorted(wanted[key])) for key in found}
    assert {key: pair for key, pair in wrong.items() if pair[0] != pair[1]} == {}


def test_away_from_the_admin_listener_roles_differ_in_what_they_decide_alone(town: Town) -> None:
    found = _walk(town, "public")
    everybody = frozenset(role.value for role in Role)
    alike = {frozenset(), frozenset({"form"}), everybody}
    decides = {key: roles for key, roles in read_table().items() if "/my/decisions" in key[1]}

    assert {key: roles for key, roles in found.items() if roles not in alike} == decides
    assert found["GET", "/my"] == everybody


@pytest.mark.parametrize("role", list(Role))
def test_the_table_and_the_rights_agree_on_who_reads_people(role: Role) -> None:
    reads = role.value in read_table()[("GET", "/people")]
    from sekisho.identity.engine.rights import covers, rights_of  # noqa: PLC0415 - one use

    assert reads == any(covers(held, "identity.read") for held in rights_of([role]) - SELF_RIGHTS)
