"""The judgement itself: each reason, and what must hold whatever the signals and policies are."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.making import NOW, book, device, person, policy, resource, signals
from sekisho.access.engine import builtin
from sekisho.access.engine.book import check_policies
from sekisho.access.engine.context import make_context
from sekisho.access.engine.deciding import decide
from sekisho.access.engine.forms import read_form, write_form
from sekisho.access.engine.schema import WORDS_OF_SIGNAL
from sekisho.access.model import Decision, Door, Signals, Trust
from sekisho.access.policies import Effect, Policy, PolicyForm
from sekisho.identity.model import Strength
from sekisho.kernel.i18n import translate

_BROWSER: dict[str, Any] = {"device": None, "door": Door.BROWSER}
_REASONS: dict[str, tuple[Signals, dict[str, Any]]] = {
    "sekisho.person-blocked": (signals(person=person(active=False)), {}),
    "sekisho.shut-out": (signals(shut_out=True), {}),
    "sekisho.not-signed-in": (signals(person=person(sign_in_ends=NOW)), {}),
    "sekisho.certificate": (signals(device=device(certified=False)), {}),
    "sekisho.consent-withdrawn": (signals(device=device(consent_withdrawn=True)), {}),
    "sekisho.not-enrolled": (signals(device=device(state="pending")), {}),
    "sekisho.paused": (signals(device=device(paused=True)), {}),
    "sekisho.other-owner": (signals(device=device(owner_id="per_taro")), {}),
    "sekisho.failing": (signals(device=device(posture="not_allowed")), {}),
    "sekisho.unproven": (signals(device=device(posture="unknown")), {}),
    "sekisho.trust-too-low": (signals(device=device(managed=False)), {}),
    "sekisho.mfa-too-weak": (signals(person=person(strength=Strength.ONE)), {}),
    "sekisho.mfa-too-old": (signals(), {"most_mfa_age": timedelta(minutes=5)}),
    "sekisho.browser-stale": (
        signals(**_BROWSER, person=person(proved_at=NOW - timedelta(hours=13))),
        {"least_trust": Trust.BROWSER},
    ),
    "sekisho.missing-signal": (signals(device=device(valid_until=NOW)), {}),
    "sekisho.no-resource": (signals(), {"enabled": False}),
}


@pytest.mark.parametrize("name", sorted(_REASONS))
def test_each_built_in_policy_refuses_with_its_reason_in_both_languages(name: str) -> None:
    facts, changes = _REASONS[name]
    decision = decide(book(), resource(**changes), facts)
    assert not decision.allow
    assert name in [reason.id for reason in decision.reasons]
    (reason,) = [each for each in decision.reasons if each.id == name]
    for language in ("ja", "en"):
        assert translate(reason.text, language)
        assert translate(reason.fix, language)


def test_every_built_in_policy_is_shown_to_refuse() -> None:
    assert set(builtin.POLICIES) <= set(_REASONS)


_UNMET: dict[str, tuple[dict[str, Any], str]] = {
    "trusts": ({"trusts": (2,)}, "私物端末"),
    "strength": ({"strength": 4}, ""),
    "mfa_minutes": ({"mfa_minutes": 5}, "5分以内"),
    "controls": ({"controls": ("screen-lock",)}, "screen-lock"),
    "networks": ({"networks": ("本社",)}, "本社"),
    "countries": ({"countries": ("US",)}, "US"),
    "weekdays": ({"weekdays": (6, 7)}, "土, 日"),
    "begin": ({"begin": 11 * 60}, "11:00"),
    "end": ({"end": 9 * 60 + 30}, "09:30"),
    "until": ({"until": 1_700_000_000}, "2023-11-14"),
}


@pytest.mark.parametrize("field", sorted(set(_UNMET) - {"strength"}))
def test_the_nearest_permit_says_what_it_still_asks_for(field: str) -> None:
    form, word = _UNMET[field]
    decision = decide(book(policy(**form)), resource(), signals())
    assert not decision.allow
    assert word in translate(decision.reasons[0].text, "ja")
    assert decision.reasons[0].id == "staff"


def test_a_granted_request_opens_until_its_end_and_not_a_second_longer() -> None:
    asked = book(policy(needs_grant=True))
    refused = decide(asked, resource(), signals())
    assert [r.id for r in refused.reasons] == ["sekisho.needs-request"]
    end = NOW + timedelta(minutes=7)
    granted = decide(asked, resource(), signals(granted_until=end))
    assert (granted.allow, granted.valid_until) == (True, end)
    assert not decide(asked, resource(), signals(granted_until=NOW)).allow


def test_what_fails_to_evaluate_refuses_and_names_the_policy() -> None:
    huge = "context.now * 9223372036854775807 > 1"
    text = f'@id("sum") permit(principal, action, resource) when {{ {huge} }};'
    decision = decide(book(policy(), policy("sum", text)), resource(), signals())
    assert not decision.allow
    assert [(r.id, r.missing) for r in decision.reasons] == [("sekisho.cannot-decide", ("sum",))]


# What can be unknown, each by its own way; an own policy asks for every one of them.
_GAPS = {
    "active": lambda s: replace(s, person=replace(s.person, active=None)),
    "strength": lambda s: replace(s, person=replace(s.person, strength=None)),
    "proved_at": lambda s: replace(s, person=replace(s.person, proved_at=None)),
    "future proof": lambda s: replace(
        s, person=replace(s.person, proved_at=NOW + timedelta(seconds=1))
    ),
    "sign_in_ends": lambda s: replace(s, person=replace(s.person, sign_in_ends=None)),
    "zone": lambda s: replace(s, person=replace(s.person, time_zone="Mars/Base")),
    "posture": lambda s: replace(s, device=s.device and replace(s.device, posture=None)),
    "stale": lambda s: replace(s, device=s.device and replace(s.device, valid_until=NOW)),
    "answered_at": lambda s: replace(s, device=s.device and replace(s.device, answered_at=None)),
    "state": lambda s: replace(s, device=s.device and replace(s.device, state="")),
    "device": lambda s: replace(s, device=None),
    "networks": lambda s: replace(s, networks=None),
    "country": lambda s: replace(s, country=None),
    "findings": lambda s: replace(s, findings=None),
    "address": lambda s: replace(s, address="nonsense"),
}
_EVERYTHING = policy(
    "all",
    '@id("all") permit(principal, action, resource) when { context.active && context.mfa >= 1 && '
    "context.mfa_age >= 0 && context.trust >= 1 && context.posture_age >= 0 && "
    'context.minute >= 0 && context.networks.contains("office") && context.country == "JP" && '
    'context.findings == 0 && context.address.isIpv4() && context.passing.contains("antivirus") };',
)


def test_all_that_is_known_lets_in() -> None:
    assert decide(book(_EVERYTHING), resource(), signals()).allow


@settings(max_examples=150, deadline=None)
@given(st.sets(st.sampled_from(sorted(_GAPS)), min_size=1))
def test_no_combination_of_missing_or_stale_signals_is_allowed(gaps: set[str]) -> None:
    facts = signals()
    for gap in sorted(gaps):
        facts = _GAPS[gap](facts)
    decision = decide(book(_EVERYTHING), resource(), facts)
    assert not decision.allow
    assert decision.reasons


_forms = st.builds(
    PolicyForm,
    effect=st.sampled_from(Effect),
    units=st.lists(st.sampled_from(["unt_tokyo", "unt_x"]), max_size=2, unique=True).map(tuple),
    groups=st.lists(st.sampled_from(["grp_sales", "grp_x"]), max_size=2, unique=True).map(tuple),
    roles=st.lists(st.sampled_from(["teleworker", "admin"]), max_size=2, unique=True).map(tuple),
    resources=st.lists(st.sampled_from(["res_wiki", "res_x"]), max_size=2, unique=True).map(tuple),
    trusts=st.lists(st.sampled_from([1, 2, 3]), max_size=3, unique=True).map(sorted).map(tuple),
    strength=st.integers(0, 3),
    mfa_minutes=st.integers(0, 600),
    controls=st.lists(st.sampled_from(["antivirus", "x"]), max_size=2, unique=True).map(tuple),
    networks=st.lists(st.sampled_from(["office", '本社"\\']), max_size=2, unique=True).map(tuple),
    countries=st.lists(st.sampled_from(["JP", "US"]), max_size=2, unique=True).map(tuple),
    weekdays=st.lists(st.integers(1, 7), max_size=7, unique=True).map(sorted).map(tuple),
    begin=st.integers(-1, 1439),
    end=st.integers(-1, 1439),
    until=st.sampled_from([0, 1_700_000_000, 1_900_000_000]),
    needs_grant=st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(_forms)
def test_a_form_and_its_text_are_the_same(form: PolicyForm) -> None:
    text = write_form("one", form)
    assert read_form(text) == form
    assert check_policies([Policy("one", text)]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(_forms, min_size=1, max_size=4), _forms)
def test_a_forbid_never_widens_and_order_means_nothing(
    forms: list[PolicyForm], more: PolicyForm
) -> None:
    some = [Policy(f"p{n}", write_form(f"p{n}", form)) for n, form in enumerate(forms)]
    before = decide(book(*some), resource(), signals())
    forbid = replace(more, effect=Effect.FORBID)
    after = decide(book(*some, Policy("f", write_form("f", forbid))), resource(), signals())
    assert before.allow or not after.allow
    for order in list(permutations(some))[:6]:
        assert _essence(decide(book(*order), resource(), signals())) == _essence(before)


def _essence(decision: Decision) -> tuple[bool, list[str]]:
    return decision.allow, [reason.id for reason in decision.reasons]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ok", "nonsense"),
        ("ok", '@id("ok") permit(principal, action, resource) when { context.typo };'),
        ("ok", '@id("ok") permit(principal, action, resource) when { context has mfa };'),
        ("ok", '@id("other") permit(principal, action, resource);'),
        ("ok", '@id("ok") permit(principal == ?principal, action, resource);'),
        (
            "ok",
            '@id("ok") permit(principal, action, resource); forbid(principal, action, resource);',
        ),
        ("Bad Name", '@id("Bad Name") permit(principal, action, resource);'),
        ("sekisho.mine", '@id("sekisho.mine") permit(principal, action, resource);'),
        ("ok", '@id("ok") permit(principal, action, resource) when { context.mfa == "x" };'),
        ("ok", ""),
        ("ok", "x" * 20_001),
    ],
)
def test_a_policy_that_is_not_one_is_refused(name: str, text: str) -> None:
    assert check_policies([Policy(name, text)])


def test_two_policies_of_one_name_are_refused() -> None:
    assert check_policies([policy(), policy()])


@pytest.mark.parametrize(
    "text",
    [
        '@id("a") permit(principal, action, resource) unless { context.mfa >= 2 };',
        '@id("a") permit(principal, action, resource) when { context.mfa > 1 || context.granted };',
        '@id("a") permit(principal,action,resource) when { context.mfa >= 2 && context.mfa >= 3 };',
        '@id("a") permit(principal == Person::"p", action, resource);',
    ],
)
def test_what_no_form_says_stays_a_text(text: str) -> None:
    assert read_form(text) is None


def test_a_head_that_names_a_group_is_a_form_too() -> None:
    text = '@id("a") permit(principal in Group::"grp_sales", action, resource == Resource::"r");'
    assert read_form(text) == PolicyForm(groups=("grp_sales",), resources=("r",))


def test_every_signal_has_a_word() -> None:
    assert set(make_context(signals())) <= set(WORDS_OF_SIGNAL)
