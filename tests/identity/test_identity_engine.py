"""Rights only narrow, waits only grow, foreign names and used codes are never ours."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity.engine import codes, limits
from sekisho.identity.engine.browsers import name_browser
from sekisho.identity.engine.rights import check_scopes, covers, narrow, parse_roles, rights_of
from sekisho.identity.engine.sites import find_site, host_name, safe_next
from sekisho.identity.model import Attempts, Role
from sekisho.identity.roles import RIGHTS_OF_ROLE, SELF_RIGHTS, WORDS_OF_ROLE
from sekisho.kernel.errors import InvalidInputError, NotPermittedError
from sekisho.kernel.principal import Principal, PrincipalKind

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_RIGHTS = st.sampled_from(
    ["*", "devices.*", "devices.read", "devices.write", "evidence.read", "self.read", "x", "x.*"]
)
_CONCRETE = st.sampled_from(
    ["devices.read", "devices.write", "evidence.read", "evidence.erase", "self.read", "x.y", "x"]
)


@given(st.frozensets(_RIGHTS), st.frozensets(_RIGHTS), _CONCRETE)
def test_narrowed_rights_are_in_both(
    scopes: frozenset[str], rights: frozenset[str], right: str
) -> None:
    def allows(held: frozenset[str]) -> bool:
        return Principal(PrincipalKind.TOKEN, "t", "t", held).allows(right)

    assert allows(narrow(scopes, rights)) == (allows(scopes) and allows(rights))


def test_roles_give_what_they_say() -> None:
    assert set(RIGHTS_OF_ROLE) == set(WORDS_OF_ROLE) == set(Role)
    assert rights_of([]) == SELF_RIGHTS
    assert rights_of([Role.TELEWORKER]) == rights_of([])
    assert "*" in rights_of([Role.ADMIN])
    reads = rights_of([Role.AUDITOR]) - rights_of([])
    assert all(right.endswith(".read") for right in reads)
    assert not covers("devices.*", "devicesx.read")


def test_scopes_are_checked() -> None:
    assert check_scopes(["devices.read"], ["devices.*"]) == {"devices.read"}
    for scopes in ([], ["nonsense"], ["*"], ["devices.*"]):
        with pytest.raises(InvalidInputError):
            check_scopes(scopes, ["*"])
    with pytest.raises(NotPermittedError, match=r"evidence\.read"):
        check_scopes(["devices.read", "evidence.read"], ["devices.*"])


@pytest.mark.parametrize("names", [[], ["root"], ["admin", "root"], [""]])
def test_unknown_roles_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        parse_roles(names)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_waits_never_shrink_and_never_exceed(few: int, more: int) -> None:
    few, more = sorted((few, more))
    for limit in (limits.ACCOUNT, limits.ADDRESS):
        assert limits.wait_of(limit, few) <= limits.wait_of(limit, more) <= limit.longest
        assert (limits.wait_of(limit, few) == timedelta(0)) == (few < limit.free)


def test_failures_fade_after_a_quiet_day() -> None:
    before = Attempts(9, NOW - timedelta(hours=25), None)

    assert limits.count_failure(limits.ACCOUNT, before, NOW).failures == 1
    recent = Attempts(4, NOW - timedelta(hours=23), None)
    after = limits.count_failure(limits.ACCOUNT, recent, NOW)
    assert (after.failures, limits.seconds_left(after, NOW)) == (5, 30)
    assert limits.seconds_left(after, NOW + timedelta(seconds=29.5)) == 1
    assert limits.seconds_left(after, NOW + timedelta(seconds=30)) == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::9%eth0", "2001:0db8:0001:0002::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_addresses_are_grouped(address: str, group: str) -> None:
    assert limits.group_address(address) == group


@given(
    st.text(max_size=12) | st.from_regex("[0-9]{6}"), st.integers(0, 2**33), st.integers(-1, 2**33)
)
def test_no_text_matches_a_used_step(text: str, seconds: int, last: int) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    step = codes.match_step(SECRET, codes.clean_code(text), now, last)

    assert step is None or step > last


def test_a_code_is_taken_one_step_either_side() -> None:
    secret = codes.make_totp_secret()
    code = pyotp.TOTP(secret).at(NOW)
    here = int(NOW.timestamp()) // 30

    for seconds, expected in ((-31, None), (-30, here), (0, here), (59, here), (60, None)):
        moment = NOW + timedelta(seconds=seconds)
        assert codes.match_step(secret, code, moment, -1) == expected
    assert codes.match_step(secret, code, NOW, here) is None


def test_codes_are_read_as_people_type_them() -> None:
    assert codes.clean_code(" １２３ 456 ") == "123456"
    assert codes.clean_code("ABCD-efgh－jkmn pqrs") == "abcdefghjkmnpqrs"
    assert codes.is_totp_code("123456")
    assert not codes.is_totp_code("12345６")
    assert not codes.is_totp_code("abcdef")


def test_a_qr_code_is_a_picture_without_style() -> None:
    picture = codes.draw_qr(codes.provisioning_uri(SECRET, "a@example.jp", "Sekisho"))

    assert picture.startswith("<svg")
    assert "style=" not in picture
    assert "<script" not in picture


@pytest.mark.parametrize(
    ("host", "rp_id"),
    [
        ("localhost:8480", "localhost"),
        ("LOCALHOST", "localhost"),
        ("sekisho.example.jp", "sekisho.example.jp"),
        ("127.0.0.1:8480", ""),
        ("[::1]:8480", ""),
        ("192.0.2.7:8443", ""),
    ],
)
def test_our_names(host: str, rp_id: str) -> None:
    site = find_site("https", host, "Sekisho.example.jp", frozenset({"192.0.2.7", "0.0.0.0"}))  # noqa: S104 - an address to compare with

    assert site.rp_id == rp_id
    assert site.origin == f"https://{host.lower()}"


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "localhost@evil.example", "192.0.2.8",
     "localhost/x", "[", "localhost:99999999", "example.jp"],
)  # fmt: skip
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(InvalidInputError, match="not a name of this server"):
        find_site("https", host, "sekisho.example.jp", frozenset({"192.0.2.7"}))


def test_no_public_name_is_no_name() -> None:
    with pytest.raises(InvalidInputError):
        find_site("http", "", "", frozenset())


@given(st.text(max_size=30))
def test_any_host_is_read_or_refused(host: str) -> None:
    assert isinstance(host_name(host), str)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/devices?x=1", "/devices?x=1"), ("//evil", "/"), ("/\\evil", "/"), ("https://evil", "/"),
     ("", "/"), ("/a\nb", "/"), ("/a\\b", "/"), ("javascript:x", "/")],
)  # fmt: skip
def test_only_our_own_pages_are_gone_to(target: str, expected: str) -> None:
    assert safe_next(target) == expected


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Firefox/148.0", "Firefox / Linux"),
        ("Mozilla/5.0 (iPhone) AppleWebKit CriOS/150 Safari/604.1", "Chrome / iPhone"),
        ("curl/8", ""),
    ],
)  # fmt: skip
def test_browsers_are_named(sent: str, said: str) -> None:
    assert name_browser(sent) == said
