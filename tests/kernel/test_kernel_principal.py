"""Rights are given by name; a stranger is told to sign in, anyone else is refused."""

import pytest

from sekisho.kernel.errors import NotPermittedError, UnauthenticatedError
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind


@pytest.mark.parametrize(
    ("rights", "right", "allowed"),
    [
        ({"devices.read"}, "devices.read", True),
        ({"devices.read"}, "devices.write", False),
        ({"devices.*"}, "devices.write", True),
        ({"devices.*"}, "devicesx.write", False),
        ({"*"}, "evidence.erase", True),
        (set(), "devices.read", False),
    ],
)
def test_rights(rights: set[str], right: str, allowed: bool) -> None:
    principal = Principal(PrincipalKind.PERSON, "per_1", "A", frozenset(rights))

    assert principal.allows(right) is allowed


def test_refusals_tell_who_should_do_what() -> None:
    with pytest.raises(UnauthenticatedError):
        ANONYMOUS.require("devices.read")
    with pytest.raises(NotPermittedError, match=r"devices\.read"):
        Principal(PrincipalKind.TOKEN, "tok_1", "ci").require("devices.read")
    SYSTEM.require("devices.read")


SCOPED = Principal(
    PrincipalKind.PERSON,
    "per_1",
    "A",
    frozenset({"controls.read"}),
    scoped={"devices.*": frozenset({"unit_a", "unit_b"}), "devices.read": frozenset({"unit_c"})},
)


def test_a_right_held_in_some_units_opens_only_these() -> None:
    assert SCOPED.allows("devices.write", "unit_a")
    assert not SCOPED.allows("devices.write", "unit_c")
    assert not SCOPED.allows("devices.read", "")
    assert not SCOPED.allows("devices.read")
    assert SCOPED.allows("controls.read", "unit_of_anybody")
    SCOPED.require("devices.write", "unit_b")
    for unit in (None, "", "unit_c"):
        with pytest.raises(NotPermittedError, match=r"devices\.write"):
            SCOPED.require("devices.write", unit)


def test_the_reach_of_a_right_is_everywhere_somewhere_or_nowhere() -> None:
    assert SCOPED.reach("controls.read") is None
    assert SCOPED.reach("devices.read") == frozenset({"unit_a", "unit_b", "unit_c"})
    assert SCOPED.reach("evidence.read") == frozenset()
    assert SCOPED.require_reach("devices.write") == frozenset({"unit_a", "unit_b"})
    assert SCOPED.holds("devices.write")
    assert not SCOPED.holds("evidence.read")
    with pytest.raises(NotPermittedError):
        SCOPED.require_reach("evidence.read")
    with pytest.raises(UnauthenticatedError):
        ANONYMOUS.require_reach("devices.read")


def test_results_of_one_person_are_for_whoever_is_named_for_them() -> None:
    everything = Principal(PrincipalKind.PERSON, "a", "A", frozenset({"*", "training.*"}))
    trainer = Principal(PrincipalKind.PERSON, "t", "T", frozenset({"training.results"}))

    assert everything.allows("training.write")
    assert not everything.allows("training.results")
    assert not SYSTEM.holds("training.results")
    assert trainer.allows("training.results")


def test_an_act_belongs_to_a_person_also_by_their_token() -> None:
    assert SCOPED.person_id == "per_1"
    assert Principal(PrincipalKind.TOKEN, "tok_1", "ci", owner_id="per_1").person_id == "per_1"
    assert SYSTEM.person_id is None
    assert len({SCOPED, SCOPED}) == 1
