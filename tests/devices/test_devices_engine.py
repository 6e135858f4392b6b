"""Pure judgement: what is dropped, what tells two machines apart, what is news."""

import contextlib
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.devices import bodies, engine, protocol
from sekisho.devices.model import Ownership, Platform
from sekisho.kernel.errors import InvalidInputError, TooLargeError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_addresses_are_kept_as_networks(address: str, network: str) -> None:
    assert engine.truncate_address(address) == network


@pytest.mark.parametrize("junk", ["-1", " 0 ", "To be filled by O.E.M.", "0000000", "None", ""])
def test_serials_of_nobody(junk: str) -> None:
    assert engine.known_serial(junk) == ""


@pytest.mark.parametrize(
    ("mask", "platform"),
    [("2", Platform.WINDOWS), ("9", Platform.LINUX), (9, Platform.LINUX), ("21", Platform.DARWIN)],
)
def test_platforms_by_mask(mask: object, platform: Platform) -> None:
    assert protocol.read_platform(mask, {}) is platform


def test_a_platform_is_told_by_the_os_where_the_mask_says_nothing() -> None:
    assert protocol.read_platform("", {"platform_like": "debian"}) is Platform.LINUX
    with pytest.raises(InvalidInputError):
        protocol.read_platform("4", {"platform": "freebsd"})


@given(st.dictionaries(st.text(), ANYTHING), ANYTHING)
def test_whatever_a_private_host_tells_no_name_of_it_is_kept(
    details: dict[str, object], system: object
) -> None:
    message = protocol.EnrollRequest(
        host_identifier="h", platform_type="2", host_details=details | {"system_info": system}
    )
    host = engine.read_host(message, Ownership.PRIVATE)
    assert (host.serial, host.hostname, host.model) == ("", "", "")


@given(ANYTHING)
def test_any_value_becomes_text_that_a_database_can_store(value: object) -> None:
    text = protocol.clean_text(value)
    assert len(text) <= protocol.MAX_NAME
    assert "\0" not in text
    text.encode()


def test_lone_surrogates_are_replaced() -> None:
    assert protocol.clean_text("a\ud800b") == "a?b"


@given(ANYTHING)
def test_reading_an_integer_never_fails(value: object) -> None:
    got = protocol.read_integer(value, 0, 1000)
    assert got is None or 0 <= got <= 1000


@given(st.binary(max_size=2000), st.sampled_from(protocol.KINDS))
def test_decoding_gives_a_message_or_a_reason(body: bytes, kind: type) -> None:
    with contextlib.suppress(InvalidInputError):
        assert isinstance(protocol.decode(body, kind), kind)


@given(st.binary(max_size=5000))
def test_decompression_gives_back_what_was_compressed(content: bytes) -> None:
    packed = zlib.compress(content, wbits=31)
    assert bodies.decompress_gzip(packed) == content
    if content:
        with pytest.raises(TooLargeError):
            bodies.decompress_gzip(packed, len(content) - 1)


@given(st.binary(max_size=300))
def test_decompression_of_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        bodies.decompress_gzip(b"\0" + content)


def test_the_parts_of_an_identity_that_are_not_told_say_nothing() -> None:
    bare = engine.identity_of("h", {})
    full = engine.identity_of("h", {"hardware_serial": "S", "host_uuid": "U"})
    other = engine.identity_of("h", {"hardware_serial": "T"})
    assert not engine.find_clone(bare, full)
    assert not engine.find_clone((), full)
    assert engine.find_clone(engine.merge_identity(bare, full), other)
    assert engine.merge_identity((), full) == full


@pytest.mark.parametrize(
    ("seen", "now", "overlap", "newer"),
    [
        (None, (10, 0, 1, "a"), False, True),
        ((10, 0, 1, "a"), (10, 0, 1, "a"), False, False),
        ((10, 0, 1, "a"), (20, 0, 1, "b"), True, True),
        ((10, 0, 0, "a"), (20, 0, 0, "b"), False, True),
        ((10, 0, 1, "a"), (20, 0, 2, "b"), False, True),
        ((10, 0, 5, "a"), (20, 1, 5, "b"), False, True),
        ((20, 0, 2, "a"), (10, 0, 1, "b"), False, False),
    ],
)
def test_lines_repeated_late_and_of_a_second_machine(
    seen: engine.Mark | None, now: engine.Mark, overlap: bool, newer: bool
) -> None:
    assert engine.counters_overlap(seen, now) is overlap
    assert engine.is_newer(seen, now) is newer


@pytest.mark.parametrize(
    ("rows", "constant"),
    [
        ([], True),
        ([{"1": "1"}], True),
        ([{"ok": 1}], True),
        ([{"1": "1"}, {"1": "1"}], True),
        ([{"1": "2"}], False),
        ([{"1": "1", "2": "1"}], False),
        ([{}], False),
        ([{"1": ["1"]}], False),
        ([{"1": None}], False),
    ],
)
def test_a_private_answer_is_a_constant(rows: list[dict[str, object]], constant: bool) -> None:
    assert protocol.is_constant(rows) is constant


def test_failures_of_scheduled_queries_are_read_from_status_lines() -> None:
    line = "Error executing scheduled query pack/sekisho/q@1: no such table: wifi_status"
    assert protocol.query_of_error(line) == ("q@1", "no such table: wifi_status")
    assert protocol.query_of_error("Something else") is None


def test_lines_stay_raw_so_that_one_bad_line_is_one_bad_line() -> None:
    message = protocol.decode(b'{"data":[{"name":1},{"name":"n"},[]]}', protocol.LogRequest)
    names = [line.name if line else None for line in protocol.decode_lines(message.data)]
    assert names == [None, "n", None]
    assert protocol.decode_rows(msgspec.Raw(b'""')) is None
