"""Reading verdicts and figures; whatever has grown old is told as what it is by now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sekisho.controls import engine
from sekisho.controls.exports.model import IMPORTED_PREFIX
from sekisho.controls.model import Severity, Verdict, VerdictKind
from sekisho.controls.service.judging import catalogue_in_force
from sekisho.controls.store import figures, verdicts
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

KEEP_DAYS = 400
_WEIGHTS = {Severity.CRITICAL: 8, Severity.HIGH: 4, Severity.MEDIUM: 2, Severity.LOW: 1}


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How many verdicts there are of each kind, and how those that are known were proven."""

    by_kind: Mapping[str, int]
    by_proof: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return the number of verdicts."""
        return sum(self.by_kind.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """How many verdicts of each kind one device has."""

    passing: int
    failing: int
    unknown: int
    exempt: int

    @property
    def worst(self) -> str:
        """Return ``fail``, ``unknown`` or ``pass``: the worst verdict decides."""
        if self.failing:
            return VerdictKind.FAIL.value
        return VerdictKind.UNKNOWN.value if self.unknown else VerdictKind.PASS.value


@dataclass(frozen=True, slots=True)
class ControlStatus:
    """One control over all devices: how many verdicts of each kind."""

    control_id: ControlID
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return the number of devices the control applies to."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class TrendDay:
    """The verdicts of one day (``2026-11-23``): by kind, and known ones by how they were proven."""

    day: str
    by_kind: Mapping[str, int]
    by_proof: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """How everything stood at the end of one day.

    ``devices`` counts devices by their worst verdict; it is empty for a day that was stored
    before they were counted.
    """

    verdicts: VerdictCounts
    by_control: Mapping[ControlID, Mapping[str, int]]
    devices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One turn in the history of a device."""

    at: datetime
    control_id: ControlID
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class DeviceVerdict:
    """One device in the list of a control."""

    device_id: DeviceID
    since: datetime
    received_at: datetime | None
    fix_by: datetime | None


def list_verdicts(tx: Transaction, device_id: DeviceID) -> list[Verdict]:
    """Return what is known about one device now, by control; never a stale pass as a pass."""
    exemptions = verdicts.find_exemptions(tx, device_id)
    stored = verdicts.find_verdicts(tx, device_id)
    return [engine.settle(stored[key], exemptions.get(key), tx.now) for key in sorted(stored)]


def list_changes(tx: Transaction, device_id: DeviceID, days: int = 30) -> list[Change]:
    """Return the history of one device over the last days, oldest first."""
    since = tx.now - timedelta(days=days)
    return [
        Change(row.at, ControlID(row.control_id), row.before, row.after)
        for row in verdicts.list_changes(tx, device_id, since)
    ]


def count_verdicts(tx: Transaction) -> VerdictCounts:
    """Count all verdicts by kind, and those that are known by how they were proven."""
    kinds, proofs = _sum_up(figures.read_counts(tx, tx.now))
    return VerdictCounts(kinds, proofs)


def list_controls_status(tx: Transaction) -> list[ControlStatus]:
    """Return every control in force with its counts, the worst first.

    Worst is by failing devices times severity, then by unknown ones.
    """
    found: dict[str, Counter[str]] = {}
    for (control, kind, _), number in figures.read_counts(tx, tx.now).items():
        found.setdefault(control, Counter())[kind] += number
    controls = catalogue_in_force().controls
    statuses = [
        ControlStatus(control_id, _filled(found.get(control_id, Counter())))
        for control_id in controls
    ]

    def badness(status: ControlStatus) -> tuple[int, int, str]:
        weight = _WEIGHTS[controls[status.control_id].severity]
        return (-status.counts["fail"] * weight, -status.counts["unknown"], status.control_id)

    return sorted(statuses, key=badness)


def list_trend(tx: Transaction, days: int = 30, control_id: str = "") -> list[TrendDay]:
    """Return the figures of the last ``days`` days, oldest first; days without any are left out."""
    first = (tx.now - timedelta(days=days - 1)).date().isoformat()
    by_day: dict[str, Counter[figures.Figure]] = {}
    for row in figures.list_days(tx, first, control_id):
        by_day.setdefault(row.day, Counter())["", row.kind, row.proof] += int(row.number)
    return [TrendDay(day, *_sum_up(counts)) for day, counts in by_day.items()]


def read_day(tx: Transaction, days_ago: int) -> DayFigures | None:
    """Return all figures of one day, so that they can be held against today's; None if unknown."""
    stored = figures.read_day(tx, (tx.now - timedelta(days=days_ago)).date().isoformat())
    if not stored:
        return None
    devices = {kind: n for (control, kind, _), n in stored.items() if control == figures.DEVICES}
    verdicts = {figure: n for figure, n in stored.items() if figure[0] != figures.DEVICES}
    by_control: dict[ControlID, Counter[str]] = {}
    for (control, kind, _), number in verdicts.items():
        by_control.setdefault(ControlID(control), Counter())[kind] += number
    filled = {control: _filled(kinds) for control, kinds in by_control.items()}
    return DayFigures(VerdictCounts(*_sum_up(verdicts)), filled, devices)


def write_trend(tx: Transaction) -> None:
    """Store today's figures as they are now (UTC days); the day's last ones stay."""
    counts = figures.read_counts(tx, tx.now)
    for worst, number in count_standings(tx).items():
        counts[figures.DEVICES, worst, ""] = number
    figures.write_day(tx, tx.now.date().isoformat(), counts)
    figures.forget_days(tx, (tx.now - timedelta(days=KEEP_DAYS)).date().isoformat())


def list_standings(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, Standing]:
    """Return how these devices stand."""
    rows = figures.list_standings(tx, device_ids)
    found = {}
    for row in rows:
        overdue = row.next_expiry_at is not None and row.next_expiry_at <= tx.now
        found[row.device_id] = (
            _stand(list_verdicts(tx, row.device_id))
            if overdue
            else Standing(row.passing, row.failing, row.unknown, row.exempt)
        )
    return found


def count_standings(
    tx: Transaction, people: Any = None, *, imported: bool = True
) -> dict[str, int]:
    """Count devices by their worst verdict: ``fail``, ``unknown``, ``pass``.

    ``people`` is a query for the ids of persons whose devices alone are counted. Devices that only
    an export knows count like all others, unless ``imported`` is False.
    """
    counts = figures.count_settled_standings(tx, tx.now, people, imported=imported)
    overdue = _overdue(tx)
    counted = overdue if people is None else figures.list_owned(tx, list(overdue), people)
    for device_id in counted:
        if imported or not device_id.startswith(IMPORTED_PREFIX):
            counts[overdue[DeviceID(device_id)].worst] += 1
    return counts


def select_devices_standing(tx: Transaction, worst: str) -> Any:
    """Return the query for devices whose worst verdict is ``fail``, ``unknown`` or ``pass``."""
    settled = figures.select_settled_devices(tx.now, worst)
    late = [d for d, standing in _overdue(tx).items() if standing.worst == worst]
    return settled.union_all(figures.select_listed(late)) if late else settled


def list_devices_standing(tx: Transaction, worst: str) -> list[DeviceID]:
    """Return the devices whose worst verdict is ``fail``, ``unknown`` or ``pass``."""
    return [DeviceID(row.device_id) for row in tx.rows(select_devices_standing(tx, worst))]


def list_devices_with(tx: Transaction, kind: str) -> list[DeviceID]:
    """Return the devices with at least one such verdict; for ``pass``, with nothing worse."""
    field_of = {"fail": "failing", "unknown": "unknown", "exempt": "exempt"}
    if kind not in field_of:
        return list_devices_standing(tx, kind)
    settled = [row.device_id for row in figures.list_settled_devices_with(tx, tx.now, kind)]
    overdue = _overdue(tx).items()
    return settled + [d for d, standing in overdue if getattr(standing, field_of[kind])]


def list_control_devices(
    tx: Transaction, control_id: str, kind: VerdictKind, *, limit: int = 100, offset: int = 0
) -> list[DeviceVerdict]:
    """Return devices on which one control says ``kind`` now, longest standing first."""
    tx.principal.require("controls.read")
    rows = figures.list_devices_of_control(tx, control_id, kind.value, tx.now, limit, offset)
    return [
        DeviceVerdict(DeviceID(row.device_id), row.since, row.received_at, row.fix_by)
        for row in rows
    ]


def _overdue(tx: Transaction) -> dict[DeviceID, Standing]:
    """Return how the devices stand that changed by mere time and were not written yet."""
    return {
        row.device_id: Standing(
            int(row.passing), int(row.failing), int(row.unknown), int(row.exempt)
        )
        for row in figures.list_overdue_standings(tx, tx.now)
    }


def _stand(found: Sequence[Verdict]) -> Standing:
    kinds = Counter(verdict.kind for verdict in found)
    return Standing(
        kinds[VerdictKind.PASS],
        kinds[VerdictKind.FAIL],
        kinds[VerdictKind.UNKNOWN],
        kinds[VerdictKind.EXEMPT],
    )


def _sum_up(counts: Mapping[figures.Figure, int]) -> tuple[dict[str, int], dict[str, int]]:
    kinds: Counter[str] = Counter()
    proofs: Counter[str] = Counter()
    for (_, kind, proof), number in counts.items():
        kinds[kind] += number
        if kind != VerdictKind.UNKNOWN.value:
            proofs[proof] += number
    return _filled(kinds), dict(proofs)


def _filled(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind.value: counts.get(kind.value, 0) for kind in VerdictKind}
