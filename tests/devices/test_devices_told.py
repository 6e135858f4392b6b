"""Owners are told when a device fails, before its date, at its end, and when all is fine."""

from datetime import UTC, datetime, timedelta

import pytest

from devices.conftest import make_control
from sekisho.controls.access import AccessKind, AccessReason, AccessState, Bar
from sekisho.controls.model import VerdictKind
from sekisho.devices.told import Owned, Stage, Told, next_told, write_notice
from sekisho.kernel.i18n import Text
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.notices.engine.wording import say
from sekisho.notices.model import Kind, Urgency

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CONTROL = make_control("screen-lock")
DEVICE = Owned(DeviceID("dev_1"), "per_1", "MNT-L-0231")


def _state(
    kind: AccessKind, days: float | None = None, *, bar: Bar | None = None,
    rules: tuple[str, ...] = ("screen-lock",), unknown: tuple[str, ...] = (),
) -> AccessState:  # fmt: skip
    """A state in which ``rules`` stand as said and ``unknown`` ones are unknown."""
    fix_by = None if days is None else NOW + timedelta(days=days)
    verdict = VerdictKind.EXEMPT if kind is FINE else VerdictKind.FAIL
    found = [AccessReason(kind, ControlID(r), verdict, until=fix_by, bar=bar) for r in rules]
    found += [AccessReason(AccessKind.UNKNOWN, ControlID(r), VerdictKind.UNKNOWN) for r in unknown]
    worst = max((reason.kind for reason in found), key=lambda k: k.rank, default=FINE)
    return AccessState(DEVICE.id, worst, tuple(found), NOW, NOW + timedelta(hours=1), fix_by)


FIX, FINE, ENDED = AccessKind.FIX_BY, AccessKind.FINE, AccessKind.NOT_ALLOWED
LOCK, BOTH = frozenset({"screen-lock"}), frozenset({"screen-lock", "firewall"})


def _fails(stage: Stage = Stage.FAILS, days: float = 7, rules: frozenset[str] = LOCK) -> Told:
    return Told(stage, NOW + timedelta(days=days), rules)


@pytest.mark.parametrize(
    ("state", "before", "expected"),
    [
        (_state(FINE), Told(), None),
        (_state(FIX, 7), Told(), Stage.FAILS),
        (_state(FIX, 7, unknown=("firewall",)), Told(), Stage.FAILS),
        (_state(FIX), Told(), Stage.FAILS),
        (_state(FIX, 7), _fails(), None),
        (_state(FIX, 9), _fails(rules=BOTH), None),
        (_state(FIX, 9, rules=("screen-lock", "firewall")), _fails(), Stage.FAILS),
        (_state(FIX, 3), _fails(days=3), Stage.THREE_DAYS),
        (_state(FIX, 1), _fails(Stage.THREE_DAYS, 1), Stage.ONE_DAY),
        (_state(FIX, 0.5), Told(), Stage.ONE_DAY),
        (_state(ENDED), _fails(Stage.ONE_DAY, 0), Stage.ENDED),
        (_state(ENDED), Told(Stage.ENDED, None, LOCK), None),
        (_state(FINE), Told(Stage.ENDED, None, LOCK), Stage.QUIET),
        (_state(FINE, rules=(), unknown=("firewall",)), _fails(), Stage.QUIET),
        (_state(FINE, rules=(), unknown=("screen-lock",)), _fails(), None),
        (_state(FIX, 7), Told(Stage.ENDED, None, LOCK), Stage.FAILS),
        (_state(ENDED, bar=Bar.WITHDRAWN), Told(), None),
        (_state(ENDED, bar=Bar.DISABLED), Told(), None),
        (_state(AccessKind.UNKNOWN, bar=Bar.PAUSED), _fails(), None),
    ],
)
def test_what_is_told_next(state: AccessState, before: Told, expected: Stage | None) -> None:
    fresh = next_told(state, before, NOW)
    assert (fresh.stage if fresh else None) == expected
    if fresh is not None:
        assert next_told(state, fresh, NOW) is None


@pytest.mark.parametrize(
    ("state", "kind", "urgency", "title"),
    [
        (_state(FIX, 7), Kind.DEVICE_FAILS, Urgency.NORMAL,
         "MNT-L-0231：2026-12-01 (火) 00:00までに直してください"),
        (_state(FIX, 3), Kind.DEVICE_FIX_BY, Urgency.NORMAL,
         "MNT-L-0231：2026-11-27 (金) 00:00までに直してください"),
        (_state(FIX, 1), Kind.DEVICE_FIX_BY, Urgency.URGENT,
         "MNT-L-0231：2026-11-25 (水) 00:00までに直してください"),
        (_state(ENDED), Kind.DEVICE_ENDED, Urgency.URGENT,
         "MNT-L-0231は、直すまで業務に使えません"),
        (_state(FIX), Kind.DEVICE_FAILS, Urgency.NORMAL, "MNT-L-0231に直すことがあります"),
    ],
)  # fmt: skip
def test_how_it_is_said(state: AccessState, kind: Kind, urgency: Urgency, title: str) -> None:
    fresh = next_told(state, Told(), NOW)
    assert fresh is not None
    notice = write_notice(DEVICE, state, fresh, {CONTROL.id: CONTROL})
    assert (notice.kind, notice.urgency, notice.link) == (kind, urgency, "/my/devices/dev_1")
    assert isinstance(notice.title, Text)
    assert say(notice.title, "ja", UTC) == title
    assert f"「{CONTROL.title['ja']}」" in say(notice.body, "ja", UTC)
