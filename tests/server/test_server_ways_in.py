"""Every way in gives at most what its person holds, where they hold it, and nothing more.

What a person holds is worked out here anew, from nothing but the roles and the tree of units, and
held against what the front door makes of a cookie, an API token and a directory's token.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.clock import FakeClock
from sekisho.identity import service
from sekisho.identity.model import Assignment, Method, Person, Role, Visit
from sekisho.identity.roles import RIGHTS_OF_ROLE, SELF_RIGHTS, TOKEN_SCOPES
from sekisho.identity.service.directory import act_for_directory
from sekisho.identity.service.sessions import open_session
from sekisho.identity.store import people
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.ids import UnitID
from sekisho.kernel.principal import RESERVED_RIGHTS, SYSTEM, Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.server.auth import FrontDoor
from sekisho.server.knock import Credential, Knock
from support.identity_town import Town

BASE = "http://localhost:8480"
# The tree: a over b over c, and d beside them.
_BELOW = {"a": {"a", "b", "c"}, "b": {"b", "c"}, "c": {"c"}, "d": {"d"}}
_RIGHTS = sorted({
    *TOKEN_SCOPES, *RESERVED_RIGHTS, *SELF_RIGHTS, "identity.write", "evidence.erase",
    "settings.write", "exceptions.approve", "training.write", "cases.write",
})  # fmt: skip
_HELD = st.frozensets(
    st.tuples(st.sampled_from(Role), st.none() | st.sampled_from("abcd")), max_size=4
)


@dataclass(frozen=True, slots=True)
class Place:
    """A house with a tree of units and one person in it."""

    town: Town
    door: FrontDoor
    person: Person
    units: dict[str, str]

    def give(self, held: frozenset[tuple[Role, str | None]]) -> None:
        """Let the person hold just these roles."""
        wanted = {
            Assignment(role, UnitID(self.units[unit]) if unit else None) for role, unit in held
        }
        with self.town.database.write(SYSTEM) as tx:
            people.replace_roles(tx, self.person.id, wanted)

    def enter(self, kind: str, secret: str, listener: str) -> Principal:
        """Come in by a credential."""
        both = frozenset({"admin", "public"})
        knock = Knock(
            "GET", "/x", "/x", listener, both, "192.0.2.9", BASE, Credential(kind, secret)
        )
        return self.door.open(knock).principal


@pytest.fixture(scope="module")
def place(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("ways") / "w.db"
    path.write_bytes(sqlite_template.read_bytes())
    clock = FakeClock()
    database = Database(f"sqlite:///{path}", clock)
    town = Town(database, clock, SecretBox(bytes(32)))
    units = {"a": town.unit("a")}
    units |= {"b": town.unit("b", units["a"]), "d": town.unit("d")}
    units["c"] = town.unit("c", units["b"])
    yield Place(town, FrontDoor(town), town.add("x@example.jp"), units)
    database.close()


def below(unit: str) -> set[str]:
    """Return a unit with those below it."""
    return _BELOW[unit]


def _holds(held: frozenset[tuple[Role, str | None]], right: str, unit: str | None) -> bool:
    """Say from the roles alone whether somebody holds a right in a unit (None: everywhere)."""
    room = right.split(".", maxsplit=1)[0]
    names = {right} if right in RESERVED_RIGHTS else {right, f"{room}.*", "*"}
    reaching = {
        role for role, where in held if where is None or (unit is not None and unit in below(where))
    }
    return right in SELF_RIGHTS or any(RIGHTS_OF_ROLE[role] & names for role in reaching)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    held=_HELD,
    scopes=st.frozensets(st.sampled_from(TOKEN_SCOPES), min_size=1, max_size=5),
    listener=st.sampled_from(["admin", "public"]),
)
def test_every_way_in_gives_what_is_held_and_no_more(
    place: Place, held: frozenset[tuple[Role, str | None]], scopes: frozenset[str], listener: str
) -> None:
    place.give(frozenset({(Role.ADMIN, None)}))  # who once could make any token
    cookie, token = _credentials(place, scopes)
    place.give(held)
    by_cookie = place.enter("cookie", cookie, listener)
    by_token = place.enter("bearer", token, listener)

    for right in _RIGHTS:
        for unit in (None, *"abcd"):
            mine = _holds(held, right, unit)
            near = mine and (listener == "admin" or right in SELF_RIGHTS)
            away = mine and right in {"exceptions.read", "exceptions.approve"}
            where = place.units[unit] if unit else None
            assert by_cookie.allows(right, where) == (near or away), (right, unit)
            assert by_token.allows(right, where) == (near and right in scopes), (right, unit)
    assert by_token.person_id == by_cookie.person_id == place.person.id
    _check_directory(place, by_token, held)
    _check_directory(place, by_cookie, held)


def _credentials(place: Place, scopes: frozenset[str]) -> tuple[str, str]:
    with place.town.database.write(SYSTEM) as tx:
        signed = open_session(tx, place.person, Method.PASSKEY, Visit("192.0.2.9"))
    principal = replace(place.town.principal(place.person), session_id=signed.session_id)
    with place.town.database.write(principal) as tx:
        ends = tx.now + timedelta(days=1)
        return signed.secret, service.make_token(tx, label="x", scopes=scopes, ends_at=ends)[1]


def _check_directory(
    place: Place, principal: Principal, held: frozenset[tuple[Role, str | None]]
) -> None:
    """Hold that a directory acts at most as its owner, and only by the scope for it."""
    with place.town.database.read(principal) as tx:
        try:
            acting = act_for_directory(tx).principal
        except SekishoError:
            return
    assert principal.allows("identity.scim")
    assert principal.owner_id == place.person.id
    assert _holds(held, "identity.read", None)
    for right in _RIGHTS:
        for unit in (None, *"abcd"):
            where = place.units[unit] if unit else None
            assert acting.allows(right, where) == _holds(held, right, unit)


def test_one_factor_gives_nothing_beyond_ones_own_things_away_from_the_administration(
    place: Place,
) -> None:
    place.give(frozenset({(Role.SECURITY, None), (Role.MANAGER, "a")}))
    with place.town.database.write(SYSTEM) as tx:
        weak = open_session(tx, place.person, Method.TOTP, Visit("192.0.2.9")).secret
        strong = open_session(tx, place.person, Method.PASSKEY, Visit("192.0.2.9")).secret
    away = place.enter("cookie", weak, "public")

    assert away.rights == SELF_RIGHTS
    assert away.scoped == {}
    assert place.enter("cookie", strong, "public").allows("exceptions.approve")
