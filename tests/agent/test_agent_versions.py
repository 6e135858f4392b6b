"""Orders of versions, each example from the order's own documentation or from real packages."""

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.agent.versions import compare

GENERIC = [
    ("1.2", "1.10", -1),
    ("1.2", "1.2.0", 0),
    ("10.0.26100", "10.0.9200", 1),
    ("26.3", "26.3.1", -1),
    ("1.2beta", "1.2", -1),
    ("1.2-beta2", "1.2-beta10", -1),
    ("", "1", -1),
    ("143.0.7499.40", "143.0.0", 1),
    ("v1.0", "v1.0", 0),
]
DPKG = [
    ("1:1.0", "2.0", 1),
    ("1.0~rc1", "1.0", -1),
    ("1.0~~", "1.0~", -1),
    ("1.0-1", "1.0-1+deb12u1", -1),
    ("1.0+b1", "1.0a", 1),
    ("2.36-9+deb12u4", "2.36-9+deb12u10", -1),
    ("1.0", "1.0-0", 0),
    ("0:1.0", "1.0", 0),
    ("6.5.9.100", "6.6.0", -1),
    ("1.2.3-a-1", "1.2.3-b-1", -1),
]
RHEL = [
    ("1.0~rc1", "1.0", -1),
    ("1.0^git1", "1.0", 1),
    ("1.0^git1", "1.0.1", -1),
    ("5.14.0-427.el9", "5.14.0-70.el9", 1),
    ("1a", "1.1", -1),
    ("1.05", "1.5", 0),
]


@pytest.mark.parametrize(
    ("left", "right", "expected", "flavour"),
    [(*case, "") for case in GENERIC]
    + [(*case, "DPKG") for case in DPKG]
    + [(*case, "RHEL") for case in RHEL],
)
def test_known_orders(left: str, right: str, expected: int, flavour: str) -> None:
    assert compare(left, right, flavour) == expected
    assert compare(right, left, flavour) == -expected


PIECES = st.sampled_from(["1", "2", "10", "0", "a", "rc", ".", "+", "~", "-1"])
VERSIONS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


@given(VERSIONS, VERSIONS, VERSIONS, st.sampled_from(["", "DPKG", "RHEL", "ARCH"]))
def test_every_order_is_a_total_order(one: str, two: str, three: str, flavour: str) -> None:
    assert compare(one, one, flavour) == 0
    assert compare(one, two, flavour) == -compare(two, one, flavour)
    for first, middle, last in itertools.permutations((one, two, three)):
        if compare(first, middle, flavour) <= 0 and compare(middle, last, flavour) <= 0:
            assert compare(first, last, flavour) <= 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="Debian's own judge is not here")
@pytest.mark.parametrize(
    "pair",
    list(
        itertools.combinations(
            [
                "1.0",
                "1.0~rc1",
                "1:0.9",
                "1.0-1",
                "1.0-1+b1",
                "1.0a",
                "1.0+1",
                "2.0~",
                "2",
                "1.0-1~x",
            ],
            2,
        )
    ),
)
def test_debians_order_is_dpkgs(pair: tuple[str, str]) -> None:
    older = subprocess.run(["dpkg", "--compare-versions", pair[0], "lt", pair[1]], check=False)
    newer = subprocess.run(["dpkg", "--compare-versions", pair[0], "gt", pair[1]], check=False)

    expected = (newer.returncode == 0) - (older.returncode == 0)
    assert compare(*pair, "DPKG") == expected
