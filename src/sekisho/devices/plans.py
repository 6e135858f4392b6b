"""From the catalogue of controls to what each kind of device is asked; pure."""

from collections.abc import Callable

from sekisho.controls.model import Catalogue, Control, Probe
from sekisho.controls.service import control_queries
from sekisho.devices.desk import PlanMaker
from sekisho.devices.model import Ownership, Platform
from sekisho.devices.offers import Plan

USUAL_SECONDS = 3600
SHORTEST_SECONDS = 60


def make_plan(
    catalogue: Catalogue, platform: Platform, ownership: Ownership, *, agent: bool
) -> Plan:
    """Gather the queries of all controls that apply: check, precondition, and detail.

    A check goes out with its precondition and its detail; a precondition that several controls
    share is asked as often as the one that asks most often.
    """
    queries: dict[str, str] = {}
    intervals: dict[str, int] = {}
    partners: dict[str, list[str]] = {}
    for control in catalogue.applying(platform, ownership):
        probe = _probe(control, platform, ownership, agent=agent)
        check = control.find_check(platform)
        if check is None or probe is None:
            continue
        asked = control_queries(control, probe, ownership)
        seconds = max(SHORTEST_SECONDS, int(check.interval.total_seconds()))
        queries |= asked
        intervals |= {name: min(seconds, intervals.get(name, seconds)) for name in asked}
        partners[control.policy_name] = [name for name in asked if name != control.policy_name]
    return Plan.build(queries, intervals, USUAL_SECONDS, partners)


def plan_maker(current: Callable[[], Catalogue]) -> PlanMaker:
    """Return a maker of plans from whatever catalogue is in force when it is called."""
    return lambda platform, ownership, agent: make_plan(current(), platform, ownership, agent=agent)


def _probe(
    control: Control, platform: Platform, ownership: Ownership, *, agent: bool
) -> Probe | None:
    check = control.find_check(platform)
    if check is None:
        return None
    return check.choose_probe(sekisho_agent=agent, private=ownership is Ownership.PRIVATE)
