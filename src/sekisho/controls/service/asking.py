"""What a device is asked: the queries of the controls that are due. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sekisho.controls.model import Catalogue, Check, Control, Probe
from sekisho.kernel.ids import ControlID
from sekisho.wire.kit import Ownership


def due_queries(
    catalogue: Catalogue,
    platform: str,
    ownership: str,
    asked_at: Mapping[ControlID, datetime],
    now: datetime,
    *,
    sekisho_agent: bool,
) -> dict[str, str]:
    """Return name → SQL of every control due at ``now``, names sorted.

    A control is due if it was never asked, or its interval is over, or was asked in the future
    (the clock was set back). A check always goes out together with its precondition.
    """
    queries: dict[str, str] = {}
    for control in catalogue.applying(platform, ownership):
        check, probe = _question(control, platform, ownership, sekisho_agent=sekisho_agent)
        if check is None or probe is None:
            continue
        asked = asked_at.get(control.id)
        if asked is None or not timedelta(0) <= now - asked < check.interval:
            queries |= control_queries(control, probe, ownership)
    return dict(sorted(queries.items()))


def control_queries(control: Control, probe: Probe, ownership: str) -> dict[str, str]:
    """Return name → SQL of one control; details are asked of company devices only."""
    queries = {control.policy_name: probe.sql, probe.ready_name: probe.precondition}
    if probe.detail and ownership == Ownership.COMPANY:
        queries[control.detail_name] = probe.detail
    return queries


def _question(
    control: Control, platform: str, ownership: str, *, sekisho_agent: bool
) -> tuple[Check | None, Probe | None]:
    check = control.find_check(platform)
    if check is None:
        return None, None
    private = ownership == Ownership.PRIVATE
    return check, check.choose_probe(sekisho_agent=sekisho_agent, private=private)
