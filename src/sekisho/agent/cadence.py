"""When the agent does what: a pure plan of next times, back-offs and acceleration.

All times are seconds of one clock that also runs while the computer sleeps. A step that failed n
times in a row comes again after n² seconds, up to its cap (osquery's back-off).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

ACCELERATED_SECONDS = 5.0
SPLAY = 0.1


class Step(IntEnum):
    """What can be due, in the order in which it is done."""

    ENROL = 1
    CONFIG = 2
    WATCH = 3
    WORK = 4
    SCHEDULE = 5
    WRITE = 6
    LOG = 7
    CERTIFICATE = 8


INTERVALS: Mapping[Step, float] = {
    Step.ENROL: 0.0,
    Step.CONFIG: 300.0,
    Step.WATCH: 5.0,
    Step.WORK: 60.0,
    Step.SCHEDULE: 15.0,
    Step.WRITE: 60.0,
    Step.LOG: 10.0,
    Step.CERTIFICATE: 3_600.0,
}
"""Usual seconds between two runs of a step; the server may change WORK's."""

CAPS: Mapping[Step, float] = dict.fromkeys(Step, 300.0) | {
    Step.ENROL: 600.0,
    Step.LOG: 3_600.0,
    Step.CERTIFICATE: 3_600.0,
    Step.WORK: 60.0,
    Step.WRITE: 60.0,
}
_LOCAL = frozenset({Step.WATCH, Step.SCHEDULE})


@dataclass(frozen=True, slots=True)
class Plan:
    """Next time of each step, failures in a row, and until when the server wants us quickly."""

    enrolled: bool
    next_at: Mapping[Step, float]
    splay: float = 0.0
    failures: Mapping[Step, int] = field(default_factory=dict)
    work_interval: float = INTERVALS[Step.WORK]
    accelerated_until: float = 0.0


def start(now: float, *, enrolled: bool, splay: float) -> Plan:
    """Make the first plan: everything is due at once; ``splay`` is this device's -1…1."""
    return Plan(enrolled, dict.fromkeys(Step, now), splay)


def list_due(plan: Plan, now: float) -> tuple[Step, ...]:
    """Return what to do now, in order; before enrolment only ENROL and what is local."""
    steps = (_LOCAL if not plan.enrolled else set(Step)) - {Step.ENROL}
    if not plan.enrolled:
        steps = steps | {Step.ENROL}
    return tuple(sorted(step for step in steps if plan.next_at[step] <= now))


def find_wake(plan: Plan) -> float:
    """Return when something is due next."""
    steps = set(Step) - {Step.ENROL} if plan.enrolled else _LOCAL | {Step.ENROL}
    return min(plan.next_at[step] for step in steps)


def succeed(plan: Plan, step: Step, now: float) -> Plan:
    """Note a success; the step comes again after its interval, spread by the splay."""
    failures = {name: count for name, count in plan.failures.items() if name is not step}
    if step is Step.ENROL:
        return replace(start(now, enrolled=True, splay=plan.splay), failures=failures)
    return replace(_at(plan, step, now + _interval(plan, step, now)), failures=failures)


def fail(plan: Plan, step: Step, now: float) -> Plan:
    """Note a failure; the step comes again after n² seconds."""
    count = plan.failures.get(step, 0) + 1
    wait = min(float(count * count), CAPS[step])
    return replace(_at(plan, step, now + wait), failures={**plan.failures, step: count})


def lose_enrolment(plan: Plan, now: float) -> Plan:
    """Note that the server does not know us; failures of ENROL so far still slow us down."""
    count = plan.failures.get(Step.ENROL, 0)
    wait = min(float(count * count), CAPS[Step.ENROL])
    return replace(_at(plan, Step.ENROL, now + wait), enrolled=False)


def rest(plan: Plan, now: float) -> Plan:
    """Put everything that is due off by a few seconds: the device is paused."""
    later = now + ACCELERATED_SECONDS
    return replace(plan, next_at={step: max(at, later) for step, at in plan.next_at.items()})


def hurry(plan: Plan, step: Step, now: float) -> Plan:
    """Make a step due at once."""
    return _at(plan, step, now)


def accelerate(plan: Plan, seconds: int, now: float) -> Plan:
    """Come back for work every 5 s until ``seconds`` from now."""
    until = max(plan.accelerated_until, now + seconds) if seconds else plan.accelerated_until
    return replace(plan, accelerated_until=until)


def _interval(plan: Plan, step: Step, now: float) -> float:
    if step is not Step.WORK:
        return (
            INTERVALS[step] * (1 + SPLAY * plan.splay) if step is Step.CONFIG else INTERVALS[step]
        )
    if now < plan.accelerated_until:
        return ACCELERATED_SECONDS
    return plan.work_interval * (1 + SPLAY * plan.splay)


def _at(plan: Plan, step: Step, when: float) -> Plan:
    return replace(plan, next_at={**plan.next_at, step: when})
