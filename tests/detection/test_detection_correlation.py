"""Correlations: what fires depends on the set of matches alone, not on how they came."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sekisho.detection.engine.correlation import correlator as correlating
from sekisho.detection.engine.correlation import measuring
from sekisho.detection.engine.correlation.correlator import Correlator, run
from sekisho.detection.engine.correlation.plan import Entry, Fired, Hit, Plan, make_plan
from sekisho.detection.engine.correlation.sweep import Sweep
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.model import MICROSECONDS, Record
from support.often import often

MINUTE = 60 * MICROSECONDS
_BASES = ("fail", "ok", "leave")


def plan_of(*correlations: dict[str, Any]) -> Plan:
    rules: list[dict[str, Any]] = [
        {
            "title": name,
            "id": name,
            "name": name,
            "logsource": {"category": "conformance"},
            "detection": {"s": {"act": name}, "condition": "s"},
        }
        for name in _BASES
    ]
    for number, said in enumerate(correlations):
        title = said.pop("name", f"c{number}")
        rules.append({"title": title, "id": title, "name": title, "correlation": said})
    loaded = load_rules([RuleText("plan.yml", yaml.safe_dump_all(rules).encode())])
    assert not loaded.faults, [str(fault) for fault in loaded.faults]
    return make_plan(loaded)


def correlation(kind: str, **more: Any) -> dict[str, Any]:
    said = {"type": kind, "rules": ["fail"], "group-by": ["user"], "timespan": "1m"}
    return {**said, **more}


def hit(rule: str, seconds: float, number: int, **values: str) -> Hit:
    return Hit(rule, round(seconds * MICROSECONDS), Record("log", number), {"user": "u", **values})


def standing(
    correlator: Correlator, hits: list[Hit], at_once: int = 1, said: Iterable[Fired] = ()
) -> list[Fired]:
    """Step through hits and return what has fired, or was ``said``, and was not withdrawn."""
    held = list(said)
    for begin in range(0, len(hits), at_once):
        outcome = correlator.step_all(hits[begin : begin + at_once])
        for gone in outcome.withdrawn:
            held.remove(gone)
        held += outcome.fired
    return ordered(held)


def ordered(fired: list[Fired]) -> list[Fired]:
    return sorted(fired, key=lambda one: (one.time, one.record, one.correlation_id, str(one.group)))


EVERY_KIND = (
    correlation("event_count", condition={"gte": 3}),
    correlation("event_count", rules=["fail", "ok"], condition={"gte": 2, "lte": 3}),
    correlation("value_count", condition={"field": "ip", "gte": 2}),
    correlation("temporal", rules=["fail", "ok"]),
    correlation("temporal", rules=["fail", "ok"], condition="fail and not ok"),
    correlation("temporal_ordered", rules=["fail", "ok"]),
    correlation("value_sum", condition={"field": "n", "gt": 5}),
    correlation("value_avg", condition={"field": "n", "gte": 2}),
    correlation("value_percentile", condition={"field": "n", "gt": 2, "percentile": 75}),
    correlation("value_median", condition={"field": "n", "lt": 2}),
    correlation("event_count", name="many", condition={"gte": 2}),
    correlation("temporal_ordered", rules=["many", "ok"], timespan="2m"),
    correlation("temporal", rules=["ok", "fail"], aliases={"user": {"ok": "ip", "fail": "user"}}),
    correlation("event_count", rules=["fail", "ok"], condition={"gt": 2}),
    correlation("value_count", rules=["fail", "ok"], condition={"field": ["ip", "n"], "gte": 3}),
    correlation("value_count", condition={"field": "n", "gte": 0}),
    correlation("value_sum", rules=["fail", "ok"], condition={"field": "n", "gte": -1, "lte": 3.5}),
    correlation("value_sum", rules=["fail", "ok"], condition={"field": "n", "neq": 0.2}),
    correlation("value_avg", rules=["fail", "ok"], condition={"field": "n", "gt": 0.1, "lt": 3}),
    correlation("value_avg", condition={"field": "n", "eq": 1}),
    correlation("value_median", rules=["fail", "ok"], condition={"field": "n", "gte": 1}),
    correlation("value_median", rules=["fail", "ok"], condition={"field": "n", "lte": 1, "gt": 0}),
    correlation("value_median", condition={"field": "n", "eq": 1}),
    correlation("value_percentile", condition={"field": "n", "gte": 1, "percentile": 0}),
    correlation("value_percentile", condition={"field": "n", "lt": 7, "percentile": 100}),
    correlation("value_percentile", condition={"field": "n", "lte": 2, "percentile": 33.3}),
    correlation("temporal_ordered", rules=["fail", "ok", "leave"]),
    correlation("temporal_ordered", rules=["fail", "ok", "leave"], condition={"gte": 2}),
    correlation("temporal_ordered", rules=["fail", "ok", "leave"], condition={"lt": 2}),
    correlation("temporal_ordered", rules=["ok", "fail"], condition="fail or ok"),
    correlation("temporal_ordered", rules=["ok", "fail"], condition="fail and not ok"),
    correlation("temporal", name="quiet", rules=["fail", "ok"], condition="fail and not ok",
                **{"group-by": ["user", "n"]}),
    correlation("value_sum", rules=["quiet", "leave"], condition={"field": "n", "gt": 2}),
)  # fmt: skip
PLAN = plan_of(*(dict(one) for one in EVERY_KIND))
_MEASURED = {"value_sum", "value_avg", "value_percentile", "value_median"}
MEASURED = plan_of(
    *(
        {**one, "rules": ["fail", "ok"]}
        for one in EVERY_KIND
        if one["type"] in _MEASURED and "quiet" not in one["rules"]
    )
)

_hits = st.lists(
    st.builds(
        lambda rule, seconds, user, ip, n: (rule, seconds, {"user": user, "ip": ip, "n": n}),
        st.sampled_from(_BASES),
        st.one_of(st.integers(0, 400), st.integers(0, 40)),
        st.sampled_from(("a", "A", "b")),
        st.sampled_from(("1", "2", "a")),
        st.sampled_from(("0", "1", "2.5", "7", "none", "-3", "0.1", "1e16")),
    ),
    max_size=25,
).map(
    lambda drawn: [
        hit(rule, seconds, number, **values)
        for number, (rule, seconds, values) in enumerate(drawn, 1)
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "MOST_A_BLOCK", 4)  # so that few entries make several
        patch.setattr(measuring, "NEAR", 1)
        yield


@settings(max_examples=often(150), deadline=None)
@given(hits=_hits, at_once=st.integers(1, 9), seed=st.randoms(use_true_random=False))
def test_any_order_with_repeats_fires_the_same_as_one_clean_run(
    hits: list[Hit], at_once: int, seed: random.Random
) -> None:
    clean = ordered(run(PLAN, hits))
    shuffled = [*hits, *seed.sample(hits, len(hits) // 2)]
    seed.shuffle(shuffled)
    assert standing(Correlator(PLAN, lateness=600 * MICROSECONDS), shuffled, at_once) == clean


@settings(max_examples=often(30), deadline=None, phases=(Phase.generate,))
@given(seed=st.randoms(use_true_random=False), at_once=st.sampled_from((1, 1, 5, 40)))
def test_many_late_matches_in_one_group_fire_the_same_whatever_is_let_go(
    seed: random.Random, at_once: int
) -> None:
    hits = [
        hit(
            seed.choice(_BASES),
            seed.randrange(500),
            number,
            n=str(seed.choice((-4, 0, 0.5, 1, 1, 2, 2.5, 3, 40))),
        )
        for number in range(120)
    ]
    clean = ordered(run(MEASURED, hits))
    hits.sort(key=lambda one: one.time + seed.choice((0, 0, 30, 100)) * MICROSECONDS)
    live = Correlator(MEASURED, lateness=100 * MICROSECONDS)
    said: list[Fired] = []
    for begin in range(0, len(hits), 40):
        said = standing(live, hits[begin : begin + 40], at_once, said)
        live.save()  # lets go of what is too old
    assert not live.late
    assert said == clean


@pytest.mark.parametrize("more", [{}, {"condition": {"lt": 2}}])
def test_a_late_beginning_counts_for_what_comes_late_after_it(more: dict[str, Any]) -> None:
    plan = plan_of(correlation("temporal_ordered", rules=["fail", "ok"], **more))
    hits = [hit("ok", 67, 3), hit("ok", 107, 1), hit("fail", 42, 2), hit("fail", 88, 0)]
    assert standing(Correlator(plan), hits) == ordered(run(plan, hits))


@pytest.mark.parametrize("count", range(9, 14))  # wherever the blocks end
@pytest.mark.parametrize(("last", "late"), [("-44", "-2"), ("-46", "2")])
def test_what_came_last_is_judged_again_by_how_near_it_is(count: int, last: str, late: str) -> None:
    plan = plan_of(correlation("value_sum", condition={"field": "n", "gt": 5}))
    hits = [hit("fail", number, number, n="0" if number else "50") for number in range(count)]
    hits += [hit("fail", 0.5, 50, n="0"), hit("fail", 20, 51, n=last), hit("fail", 0.6, 52, n=late)]
    assert standing(Correlator(plan), hits) == ordered(run(plan, hits))


@settings(max_examples=often(60), deadline=None)
@given(hits=_hits, at_once=st.integers(1, 4), seed=st.randoms(use_true_random=False))
def test_matches_a_little_out_of_order_fire_the_same(
    hits: list[Hit], at_once: int, seed: random.Random
) -> None:
    jittered = sorted(hits, key=lambda one: one.time + seed.randrange(9) * MICROSECONDS)
    live = Correlator(PLAN, lateness=600 * MICROSECONDS)
    assert standing(live, jittered, at_once) == ordered(run(PLAN, hits))


@pytest.mark.parametrize("kind", ["event_count", "temporal_ordered"])
@pytest.mark.parametrize(("at_once", "most"), [(1, 40), (300, 6)])
def test_late_matches_do_not_cost_the_window_each(
    monkeypatch: pytest.MonkeyPatch, kind: str, at_once: int, most: int
) -> None:
    advanced = 0
    advance = Sweep.advance

    def counted(sweep: Sweep, entry: Entry) -> bool:
        nonlocal advanced
        advanced += 1
        return advance(sweep, entry)

    monkeypatch.setattr(Sweep, "advance", counted)
    more = {"rules": ["fail", "ok"]} if kind == "temporal_ordered" else {"condition": {"gte": 500}}
    live = Correlator(plan_of(correlation(kind, timespan="1h", **more)))
    hits = [hit("fail", number / 10, number) for number in range(1200)]
    jittered = sorted(hits, key=lambda one: one.time + one.record.record * 7 % 31 * 100_000)
    for begin in range(100, len(hits), at_once):
        live.step_all(jittered[begin : begin + at_once])
    live.step_all(jittered[:100])  # far back, together
    assert advanced < most * len(hits)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("event_count", {"condition": {"gte": 500}}),
        ("event_count", {"condition": {"gt": 5}, "rules": ["fail", "ok"]}),
        ("value_count", {"condition": {"gte": 9, "field": "n"}}),
        ("temporal", {"rules": ["fail", "ok"]}),
        ("temporal_ordered", {"rules": ["fail", "ok", "leave"]}),
        ("value_sum", {"condition": {"field": "n", "gt": 5990}, "rules": ["fail", "ok"]}),
        ("value_avg", {"condition": {"field": "n", "gt": 3.01}, "rules": ["fail", "ok"]}),
        ("value_median", {"condition": {"field": "n", "gt": 3}, "rules": ["fail", "ok"]}),
        ("value_percentile", {"condition": {"field": "n", "lt": 5, "percentile": 80}}),
    ],
)
def test_a_match_late_by_half_a_window_passes_over_none_of_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, more: dict[str, Any]
) -> None:
    plan = plan_of(correlation(kind, timespan="1h", **more))
    hits = [hit("fail", number, number, n=str(number % 7)) for number in range(2000)]
    late = [hit("fail", 1000.5 + n / 50, 5000 + n, n=str(n)) for n in range(20)]
    late.append(hit("ok", 1200.5, 6000, n="1"))
    live = Correlator(plan)
    said = standing(live, hits)
    advanced: list[Entry] = []
    monkeypatch.setattr(Sweep, "advance", lambda _sweep, entry: advanced.append(entry))
    said = standing(live, late, said=said)
    monkeypatch.undo()
    assert not advanced
    assert said == ordered(run(plan, [*hits, *late]))


@settings(max_examples=often(100), deadline=None)
@given(hits=_hits, at=st.integers(0, 25), seed=st.randoms(use_true_random=False))
def test_a_run_saved_and_resumed_fires_the_same(
    hits: list[Hit], at: int, seed: random.Random
) -> None:
    clean = ordered(run(PLAN, hits))
    seed.shuffle(hits)
    first = Correlator(PLAN, lateness=600 * MICROSECONDS)
    said = standing(first, hits[:at])
    resumed = Correlator.resume(PLAN, first.save())
    for one in (resumed, first):
        assert standing(one, hits[at:], said=said) == clean
    assert resumed.save() == first.save()


@settings(max_examples=often(60), deadline=None)
@given(hits=_hits)
def test_letting_go_of_old_entries_changes_nothing(hits: list[Hit]) -> None:
    clean = run(PLAN, hits)
    eager = Correlator(PLAN, lateness=0)
    fired: list[Fired] = []
    for one in sorted(hits, key=lambda one: (one.time, one.record)):
        fired += eager.step(one).fired
        eager = Correlator.resume(PLAN, eager.save())
    assert ordered(fired) == ordered(clean)


def test_a_stream_of_failures_fires_once_and_again_after_a_pause() -> None:
    plan = plan_of(correlation("event_count", condition={"gte": 3}))
    hits = [hit("fail", second, second + 1) for second in range(50)]
    hits += [hit("fail", 500 + second, 500 + second) for second in range(5)]
    assert [one.time // MICROSECONDS for one in run(plan, hits)] == [2, 502]


def test_a_late_match_takes_back_what_no_longer_holds() -> None:
    plan = plan_of(correlation("temporal", rules=["fail", "ok"], condition="fail and not ok"))
    live = Correlator(plan)
    (fired,) = live.step(hit("fail", 30, 1)).fired
    outcome = live.step(hit("ok", 10, 2))
    assert outcome.withdrawn == (fired,)
    assert not outcome.fired


def test_what_a_chain_built_on_is_taken_back_with_it() -> None:
    plan = plan_of(
        correlation("temporal", name="quiet", rules=["fail", "ok"], condition="fail and not ok"),
        correlation("event_count", rules=["quiet"], condition={"gte": 1}),
    )
    live = Correlator(plan)
    assert {one.correlation_id for one in live.step(hit("fail", 30, 1)).fired} == {"quiet", "c1"}
    gone = live.step(hit("ok", 10, 2)).withdrawn
    assert {one.correlation_id for one in gone} == {"quiet", "c1"}


def test_a_match_later_than_allowed_is_counted_and_changes_nothing() -> None:
    plan = plan_of(correlation("event_count", condition={"gte": 2}))
    live = Correlator(plan, lateness=MINUTE)
    live.step(hit("fail", 1000, 1))
    assert not live.step(hit("fail", 990 - 60, 2)).fired
    assert live.late == 1


def test_a_clock_that_runs_ahead_makes_nobody_late() -> None:
    plan = plan_of(correlation("event_count", condition={"gte": 2}))
    live = Correlator(plan, lateness=MINUTE)
    now = 1000 * MICROSECONDS
    live.step(hit("fail", 4e9, 1), now)
    live.step(hit("fail", 990, 2), now)
    assert live.step(hit("fail", 995, 3), now).fired
    assert live.late == 0


def test_without_the_fields_of_its_group_a_match_counts_nowhere() -> None:
    plan = plan_of(correlation("event_count", condition={"gte": 1}))
    assert not run(plan, [Hit("fail", 0, Record("log", 1), {})])


def test_what_fired_names_its_records_in_order_and_its_group_as_written() -> None:
    plan = plan_of(correlation("event_count", condition={"gte": 3}))
    hits = [
        hit("fail", 9, 1, user="TARO"),
        hit("fail", 3, 2, user="Taro"),
        hit("fail", 6, 3, user="taro"),
    ]
    (fired,) = run(plan, hits)
    assert fired.records == (Record("log", 2), Record("log", 3), Record("log", 1))
    assert fired.record == Record("log", 1)
    assert fired.group == {"user": "TARO"}


def test_a_correlation_that_means_something_else_begins_anew() -> None:
    before = plan_of(correlation("event_count", condition={"gte": 3}))
    live = Correlator(before)
    live.step(hit("fail", 1, 1))
    live.step(hit("fail", 2, 2))
    changed = plan_of(correlation("event_count", condition={"gte": 2}))
    resumed = Correlator.resume(changed, live.save())
    assert not resumed.step(hit("fail", 3, 3)).fired


def test_bytes_that_are_no_state_are_refused() -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        Correlator.resume(PLAN, b"\x93garbage")


def test_state_stays_small_over_a_long_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlating, "_SWEEP_EVERY", 50)
    plan = plan_of(correlation("event_count", condition={"gte": 1000}))
    live = Correlator(plan, lateness=MINUTE)
    sizes = []
    for second in range(0, 6000, 3):
        live.step(hit("fail", second, second + 1, user=f"u{second % 7}"))
        sizes.append(len(live.save()))
    assert max(sizes[1000:]) < 2 * max(sizes[100:200])


def test_beyond_the_bound_the_least_used_groups_go_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(correlating, "_SWEEP_EVERY", 10)
    monkeypatch.setattr(correlating, "MOST_ENTRIES", 100)
    plan = plan_of(correlation("event_count", condition={"gte": 1000}))
    live = Correlator(plan)
    for number in range(500):
        live.step(hit("fail", 1, number + 1, user=f"u{number}"))
    assert live.dropped >= 300
