"""From the catalogue of controls to what each kind of device is asked; pure."""

from collections.abc import Callable

from sekisho.controls.model import Catalogue, Control, Probe
from sekisho.devices.desk import PlanMaker
from sekisho.devices.model import Ownership, Platform
from sekisho.devices.offers import Plan

USUAL_SECONDS = 3600


def make_plan(
    catalogue: Catalogue, platform: Platform, ownership: Ownership, *, agent: bool
) -> Plan:
    """Gather the queries of all controls that apply: check, precondition, and detail.

    Details are asked of company devices only. A precondition that several controls share is asked
    as often as the one that asks most often.
    """
    queries: dict[str, str] = {}
    intervals: dict[str, int] = {}
    for control in catalogue.applying(platform, ownership):
        check = control.find_check(platform)
        probe = check.choose_probe(sekisho_agent=agent) if check is not None else None
        if check is None or probe is None:
            continue
        asked = _queries(control, probe, ownership)
        seconds = max(60, int(check.interval.total_seconds()))
        queries |= asked
        intervals |= {name: min(seconds, intervals.get(name, seconds)) for name in asked}
    return Plan.build(queries, intervals, USUAL_SECONDS)


def plan_maker(current: Callable[[], Catalogue]) -> PlanMaker:
    """Return a maker of plans from whatever catalogue is in force when it is called."""
    return lambda platform, ownership, agent: make_plan(current(), platform, ownership, agent=agent)


def _queries(control: Control, probe: Probe, ownership: Ownership) -> dict[str, str]:
    found = {control.policy_name: probe.sql, probe.ready_name: probe.precondition}
    if probe.detail and ownership is Ownership.COMPANY:
        found[control.detail_name] = probe.detail
    return found
