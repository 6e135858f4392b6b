"""May this device come in? Never by a stale fact, never better for more failures or more time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls import access, engine
from sekisho.controls.access import AccessKind, AccessState, Bar
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.model import Control, Exemption, Proof, Severity, Verdict, VerdictKind
from sekisho.kernel.ids import ControlID, DeviceID

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
DEVICE = DeviceID("dev_1")
RULES = load_rules()
MODEL = next(c for c in load_catalogue().controls.values() if c.proof is Proof.MACHINE)
DAY = timedelta(days=1)


def control(name: str, severity: Severity, proof: Proof = Proof.MACHINE) -> Control:
    return replace(
        MODEL, id=ControlID(name), severity=severity, proof=proof, grace=7 * DAY, max_age=3 * DAY
    )


CONTROLS = {
    c.id: c
    for c in (
        control("critical", Severity.CRITICAL), control("medium", Severity.MEDIUM),
        control("low", Severity.LOW), control("paper", Severity.HIGH, Proof.DOCUMENT),
    )
}  # fmt: skip


def verdict(
    name: str, kind: VerdictKind, *, failed: datetime | None = None, age: timedelta = timedelta(0)
) -> Verdict:
    made = engine.start_verdict(CONTROLS[ControlID(name)], NOW - age)
    known = kind is not VerdictKind.UNKNOWN
    first = failed or (NOW - age if kind is VerdictKind.FAIL else None)
    return replace(
        made, kind=kind, judged=kind, received_at=NOW - age, first_failed_at=first,
        expires_at=NOW - age + 3 * DAY if known else None,
    )  # fmt: skip


def state(*verdicts: Verdict, bars: tuple[Bar, ...] = (), now: datetime = NOW) -> AccessState:
    settled = [engine.settle(v, None, now) for v in verdicts]
    return access.judge_access(DEVICE, settled, bars, CONTROLS, RULES, now)


PASS, FAIL, UNKNOWN = VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNKNOWN
FINE = verdict("medium", PASS)


def test_a_device_that_keeps_every_rule_is_fine_as_long_as_its_facts_are_fresh() -> None:
    found = state(verdict("critical", PASS), FINE)

    assert (found.kind, found.fix_by, found.reasons) == (AccessKind.FINE, None, ())
    assert found.valid_until == NOW + access.LONGEST_TRUST
    assert state(FINE, now=NOW + 3 * DAY).kind is AccessKind.UNKNOWN


def test_a_failure_may_be_fixed_until_its_grace_is_over() -> None:
    failing = verdict("critical", FAIL)

    found = state(FINE, failing)
    assert (found.kind, found.fix_by) == (AccessKind.FIX_BY, NOW + 7 * DAY)
    assert found.reasons[0].control_id == "critical"
    late = verdict("critical", FAIL, failed=NOW - 7 * DAY)
    assert state(FINE, late).kind is AccessKind.NOT_ALLOWED
    just = verdict("critical", FAIL, failed=NOW - 7 * DAY + timedelta(seconds=1))
    assert state(FINE, just).valid_until == NOW + timedelta(seconds=1)


def test_going_silent_buys_nothing() -> None:
    late = verdict("critical", FAIL, failed=NOW - 30 * DAY, age=4 * DAY)

    assert engine.settle(late, None, NOW).kind is UNKNOWN
    assert state(FINE, late).kind is AccessKind.NOT_ALLOWED


def test_a_missing_signal_is_unknown() -> None:
    assert state().kind is AccessKind.UNKNOWN
    assert state(FINE, verdict("critical", UNKNOWN)).kind is AccessKind.UNKNOWN
    assert state(FINE, verdict("paper", UNKNOWN)).kind is AccessKind.FINE, "no document decides"
    assert state(verdict("paper", PASS)).kind is AccessKind.UNKNOWN, "nor does one let in"


def test_a_low_severity_asks_and_never_ends_access() -> None:
    found = state(FINE, verdict("low", FAIL, failed=NOW - 90 * DAY))

    assert (found.kind, found.fix_by) == (AccessKind.FIX_BY, NOW - 83 * DAY)
    assert state(FINE, verdict("low", UNKNOWN)).kind is AccessKind.FIX_BY


def test_an_exception_lets_in_and_says_what_lies_under_it() -> None:
    failing = verdict("critical", FAIL, failed=NOW - 30 * DAY)
    exempt = engine.settle(failing, Exemption(failing.control_id, NOW + DAY, "exc_1"), NOW)

    found = access.judge_access(DEVICE, [FINE, exempt], (), CONTROLS, RULES, NOW)
    assert found.kind is AccessKind.FINE
    (reason,) = found.reasons
    assert (reason.verdict, reason.judged, reason.until) == (VerdictKind.EXEMPT, FAIL, NOW + DAY)
    alone = access.judge_access(DEVICE, [exempt], (), CONTROLS, RULES, NOW)
    assert alone.kind is AccessKind.UNKNOWN, "nobody is fine by exceptions alone"


@pytest.mark.parametrize(
    ("bar", "kind"),
    [
        (Bar.WITHDRAWN, AccessKind.NOT_ALLOWED),
        (Bar.DISABLED, AccessKind.NOT_ALLOWED),
        (Bar.PAUSED, AccessKind.UNKNOWN),
    ],
)
def test_a_bar_counts_whatever_the_rules_say(bar: Bar, kind: AccessKind) -> None:
    assert state(FINE, bars=(bar,)).kind is kind


kinds = st.sampled_from([PASS, FAIL, UNKNOWN])
ages = st.timedeltas(timedelta(0), timedelta(days=12))
verdicts = st.lists(
    st.builds(
        lambda name, kind, age, failed: verdict(
            name, kind, age=age, failed=None if kind is PASS else NOW - age - failed
        ),
        st.sampled_from(["critical", "medium", "low", "paper"]), kinds, ages, ages,
    ),
    max_size=4,
    unique_by=lambda v: v.control_id,
)  # fmt: skip
bars = st.lists(st.sampled_from(list(Bar)), max_size=2).map(tuple)


@given(verdicts, bars, st.data())
def test_more_failures_are_never_better(
    found: list[Verdict], shut: tuple[Bar, ...], data: st.DataObject
) -> None:
    before = state(*found, bars=shut)
    place = data.draw(st.integers(0, max(0, len(found) - 1)))
    worse = [
        replace(v, kind=FAIL, judged=FAIL, first_failed_at=v.first_failed_at or v.received_at,
                expires_at=(v.received_at or NOW) + 3 * DAY)
        if n == place and v.judged is PASS else v
        for n, v in enumerate(found)
    ]  # fmt: skip
    assert state(*worse, bars=shut).kind.rank >= before.kind.rank
    assert state(*found, bars=(*shut, Bar.PAUSED)).kind.rank >= before.kind.rank


@given(verdicts, st.data())
def test_unknown_is_never_better_than_a_failure_still_in_grace(
    found: list[Verdict], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["critical", "medium", "low"]))
    rest = [v for v in found if v.control_id != name]

    failing = state(*rest, verdict(name, FAIL))
    silent = state(*rest, verdict(name, UNKNOWN))

    assert silent.kind.rank >= failing.kind.rank


@given(verdicts, st.lists(st.timedeltas(timedelta(0), timedelta(days=5)), max_size=6))
def test_time_alone_never_makes_it_better(found: list[Verdict], steps: list[timedelta]) -> None:
    now, last = NOW, state(*found).kind
    for step in steps:
        now += step
        kind = state(*found, now=now).kind
        assert kind.rank >= last.rank
        last = kind


@given(verdicts, st.floats(0, 1, exclude_max=True))
def test_the_answer_holds_until_it_says(found: list[Verdict], share: float) -> None:
    first = state(*found)
    assert NOW < first.valid_until <= NOW + access.LONGEST_TRUST

    between = NOW + (first.valid_until - NOW) * share

    assert state(*found, now=between).kind is first.kind


@given(verdicts)
def test_nobody_is_fine_by_a_stale_fact(found: list[Verdict]) -> None:
    if state(*found).kind is AccessKind.FINE:
        machine = [v for v in found if CONTROLS[v.control_id].proof is Proof.MACHINE]
        assert machine
        assert all(v.judged is PASS and (v.expires_at or NOW) > NOW for v in machine)


@given(verdicts)
def test_the_word_alone_is_the_same_word(found: list[Verdict]) -> None:
    settled = [engine.settle(v, None, NOW) for v in found]
    assert access.judge_kind(settled, CONTROLS, RULES, NOW) is state(*found).kind
    turn = access.next_turn(settled, CONTROLS, RULES, NOW)
    assert turn is None or turn > NOW
