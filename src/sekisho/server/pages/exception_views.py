"""Exceptions as pages show them: rows with names, one with its chain and history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from sekisho.controls.exceptions import (
    ExceptionState,
    RuleException,
    Scope,
    ScopeKind,
    last_day,
    state_at,
)
from sekisho.controls.model import Catalogue, Localized
from sekisho.controls.service.scopes import name_scopes
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings

STATE_WORDS: Mapping[ExceptionState, Text] = {
    ExceptionState.REQUESTED: msg("Waits for a decision"),
    ExceptionState.APPROVED: msg("In force"),
    ExceptionState.REJECTED: msg("Not approved"),
    ExceptionState.WITHDRAWN: msg("Taken back"),
    ExceptionState.REVOKED: msg("Ended early"),
    ExceptionState.EXPIRED: msg("Over"),
}
KIND_WORDS: Mapping[ScopeKind, Text] = {
    ScopeKind.DEVICE: msg("Device"),
    ScopeKind.PERSON: msg("Person"),
    ScopeKind.GROUP: msg("Group"),
    ScopeKind.UNIT: msg("Unit"),
    ScopeKind.SELECTION: msg("Selection of devices"),
}
ACT_WORDS: Mapping[str, Text] = {
    "exception.requested": msg("Request made"),
    "exception.approved": msg("Approved"),
    "exception.rejected": msg("Not approved"),
    "exception.withdrawn": msg("Taken back"),
    "exception.reminded": msg("Reminded of the end"),
    "exception.revoked": msg("Ended early"),
    "exception.expired": msg("Ended on its day"),
    "exception.imported": msg("Taken over from paper"),
}
_MARKS = {ExceptionState.REQUESTED: "unknown", ExceptionState.APPROVED: "exempt"}
_MOST_RECORDS = 100


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One exception as a line; ``last`` is the last day on which it holds."""

    id: str
    control: str
    title: Localized
    severity: str
    kind_word: Text
    target: str
    address: str
    ownership: str
    state: str
    state_word: Text
    mark: str
    until: datetime
    last: datetime
    began: datetime
    renewals: int
    requester: str
    devices: int
    late: bool


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One record about an exception; ``number`` is its address in the evidence, "" if unseen."""

    at: datetime
    words: Text
    who: str
    because: str
    number: str


def zone_of(settings: Settings) -> tzinfo | None:
    """Return the zone in which days are meant; None is this machine's."""
    return ZoneInfo(settings.time_zone) if settings.time_zone else None


def make_rows(
    tx: Transaction,
    catalogue: Catalogue,
    found: Sequence[RuleException],
    devices: Mapping[str, int],
) -> list[ExceptionRow]:
    """Make the lines of a list."""
    names = name_targets(tx, [each.scope for each in found])
    return [
        _row(tx, catalogue, each, names.get(each.scope, ""), devices.get(each.id, 0))
        for each in found
    ]


def name_targets(tx: Transaction, scopes: Sequence[Scope]) -> dict[Scope, str]:
    """Return the names of whoever and whatever exceptions are for."""
    names = dict(name_scopes(tx, scopes))
    wanted = [scope for scope in scopes if scope.kind is ScopeKind.DEVICE]
    titles = title_devices(tx, [scope.id for scope in wanted])
    return names | {scope: titles.get(scope.id, f"… {scope.id[-6:]}") for scope in wanted}


def title_devices(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of devices; a name tells nothing that an exception does not tell."""
    if not ids:
        return {}
    own = replace(tx, principal=SYSTEM)
    narrow = DeviceFilter(only=sorted(set(ids)))
    found = inventory.list_devices(own, narrow, limit=inventory.MOST_PER_PAGE)
    return {device.id: device.title for device in found.devices}


def _row(
    tx: Transaction, catalogue: Catalogue, exception: RuleException, target: str, devices: int
) -> ExceptionRow:
    control = catalogue.controls.get(exception.control_id)
    known: Localized = {"ja": exception.control_id, "en": exception.control_id}
    state = state_at(exception, tx.now)
    ownership = exception.scope.ownership
    return ExceptionRow(
        id=exception.id,
        control=exception.control_id,
        title=control.title if control is not None else known,
        severity=exception.severity.value,
        kind_word=KIND_WORDS[exception.scope.kind],
        target=target,
        address=_address(exception.scope),
        ownership=ownership.value if ownership is not None else "",
        state=state.value,
        state_word=STATE_WORDS[state],
        mark=_MARKS.get(state, ""),
        until=exception.until,
        last=last_day(exception.until),
        began=exception.began_at,
        renewals=exception.renewals,
        requester=exception.requester,
        devices=devices,
        late=state is ExceptionState.REQUESTED and exception.until <= tx.now,
    )


def _address(scope: Scope) -> str:
    addresses = {ScopeKind.DEVICE: "/devices/", ScopeKind.PERSON: "/people/"}
    return addresses[scope.kind] + scope.id if scope.kind in addresses else ""


def read_history(tx: Transaction, exception: RuleException) -> list[HistoryRow]:
    """Return what the evidence says of an exception, the latest first.

    Whoever may see the exception may see its history; the records themselves need more.
    """
    own = replace(tx, principal=SYSTEM)
    records = evidence.list_records(
        own, kind="exception.*", subject=f"exception:{exception.id}", limit=_MOST_RECORDS
    )
    seen = tx.principal.allows("evidence.read")
    names = name_scopes(
        tx,
        [
            Scope(ScopeKind.PERSON, record.actor.removeprefix("person:"))
            for record in records
            if record.actor.startswith("person:")
        ],
    )
    by_id = {f"person:{scope.id}": name for scope, name in names.items()}
    return [
        HistoryRow(
            record.at,
            ACT_WORDS.get(record.kind, msg("Changed")),
            by_id.get(record.actor, "Sekisho"),
            str((record.detail or {}).get("because", "")),
            str(record.seq or record.id) if seen else "",
        )
        for record in records
    ]
