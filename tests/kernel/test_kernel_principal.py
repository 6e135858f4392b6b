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
