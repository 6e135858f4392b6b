"""One device as a page: every verdict with the answer behind it, 30 days, what is read, who looked.

Opening the page is a look at a person's device: it is recorded in the same transaction that
reads it, and shown to that person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls.manifest import manifest_for
from sekisho.controls.model import Catalogue
from sekisho.devices.model import Device, DeviceState, Look, Ownership
from sekisho.devices.service import certificates, inventory, lifecycle, privacy
from sekisho.devices.service import verdicts as telling
from sekisho.devices.web import verdicts
from sekisho.devices.web.access import AccessView, read_access
from sekisho.devices.web.listing import STATE_WORDS
from sekisho.devices.web.people import name_owners
from sekisho.devices.web.verdicts import Change, HistoryLine, VerdictRow
from sekisho.devices.words import KEY_STORAGE_WORDS
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page, say_number
from sekisho.kernel.principal import Principal
from sekisho.ui import charts
from sekisho.ui.charts import Part

MOST_LOOKS = 20
_PLATFORMS = {"windows": "Windows", "darwin": "macOS", "linux": "Linux"}
CHANGED = "control.*"  # of a device: its verdicts, by machine or by somebody's word
PURPOSES = {
    "verdicts": msg("Opened the page of this device"),
    "access": msg("Asked whether this device may come in"),
}


@dataclass(frozen=True, slots=True)
class LookRow:
    """Somebody looked: who, why, when."""

    name: str
    purpose: Text | str
    at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a device has come with what somebody asked it to check again."""

    asked: datetime
    answered: int
    total: int
    bar: Markup

    @property
    def done(self) -> bool:
        """Tell whether every rule that this device can be asked has answered since."""
        return self.answered >= self.total


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What stands behind the open row."""

    version: int
    sql: str
    answer: Text | str
    device_time: datetime | None
    evidence: str
    evidence_name: str
    reason: Text | None
    fix: Sequence[str]
    picture: Markup
    why: object


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Everything the page of one device shows."""

    id: str
    title: str
    owner: str
    ownership: str
    state: str
    state_word: Text
    counts: dict[str, int]
    total: int
    due: datetime | None
    seen: datetime | None
    enrolled: datetime
    progress: Progress | None
    flagged: str
    filter: str
    open: str
    answer: AnswerView | None
    facts: Sequence[tuple[Text, str]]
    key: Text | None
    rows: Sequence[VerdictRow]
    history: Sequence[HistoryLine]
    history_chart: Markup | str
    manifest: Sequence[tuple[str, Sequence[str]]]
    looks: Sequence[LookRow]
    access: AccessView


@get("/devices/{device_id:str}", sync_to_thread=True)
def show_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    language: NamedDependency[str],
    device_id: FromPath[str],
    *,
    verdict: FromQuery[str] = "",
    open_row: Annotated[str, QueryParameter(name="open")] = "",
) -> Page:
    """Show one device, and record that somebody looked. Needs ``devices.read``."""
    principal.require_reach("devices.read")
    with database.write(principal) as tx:
        privacy.record_look(tx, device_id, "verdicts")
    with database.read(principal) as tx:
        view = read_device(tx, catalogue, device_id, language, Choice(verdict, open_row))
        writes = lifecycle.has_right(tx, inventory.get_device(tx, device_id), "devices.write")
    return Page("devices/device.html", {
        "view": view, "may_check": writes and view.state == DeviceState.ACTIVE,
        "may_remove": writes and view.state != DeviceState.WITHDRAWN,
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address chooses: a verdict to list alone, and the row to open ("-" for none)."""

    verdict: str = ""
    open_row: str = ""


def read_device(
    tx: Transaction, catalogue: Catalogue, device_id: str, language: str, choice: Choice
) -> DeviceView:
    """Gather the page of one device from its verdicts, the evidence and the looks."""
    device = inventory.get_device(tx, device_id)
    every = read_rows(tx, catalogue, device, language)
    rows = [row for row in every if choice.verdict in {"", row.outcome}]
    opened = _opened(rows, choice.open_row)
    lines, chart = read_history(tx, catalogue, device, language)
    return DeviceView(
        id=device.id,
        title=device.title,
        owner=name_owners(tx, [device]).get(device.owner_id or "", ""),
        ownership=device.ownership.value,
        state=device.state.value,
        state_word=STATE_WORDS[device.state],
        counts=verdicts.count_outcomes(every),
        total=len(every),
        due=min((row.due for row in every if row.due and row.due > tx.now), default=None),
        seen=device.seen_at,
        enrolled=device.enrolled_at,
        progress=read_progress(device, every, tx.now),
        flagged=device.flagged,
        filter=choice.verdict,
        open=opened.control if opened else "",
        answer=_answer(tx, device, opened) if opened else None,
        facts=describe(device),
        key=read_key(tx, device_id),
        rows=rows,
        history=lines,
        history_chart=chart,
        manifest=read_manifest(catalogue, device),
        looks=read_looks(tx, device_id),
        access=read_access(tx, catalogue, device_id),
    )


def read_key(tx: Transaction, device_id: str) -> Text | None:
    """Return where the key of the latest certificate lies, as the device says; None without one."""
    latest = next(iter(certificates.list_certificates(tx, device_id)), None)
    return KEY_STORAGE_WORDS.get(latest.key_storage) if latest is not None else None


def read_rows(
    tx: Transaction, catalogue: Catalogue, device: Device, language: str
) -> list[VerdictRow]:
    """Return every verdict of a device as rows, worst first."""
    client = verdicts.Client(device.is_agent, device.ownership is Ownership.PRIVATE)
    found = telling.list_device_verdicts(tx, device.id)
    return verdicts.arrange_verdicts(catalogue, found, device.platform, language, client)


def read_progress(device: Device, rows: Sequence[VerdictRow], now: datetime) -> Progress | None:
    """Count the rules that answered since somebody asked to check now; None if nobody did."""
    until = device.check_now_until
    if until is None or until <= now:
        return None
    asked = until - lifecycle.CHECK_NOW
    able = [row for row in rows if row.sql]
    answered = sum(row.at is not None and row.at >= asked for row in able)
    bar = charts.draw_bar([Part("f-left", answered), Part("f-track", len(able) - answered)],
                          len(able))  # fmt: skip
    return Progress(asked, answered, len(able), bar)


def _opened(rows: Sequence[VerdictRow], wanted: str) -> VerdictRow | None:
    """Return the open row: the one asked for, else the first if it needs somebody."""
    if wanted:
        return next((row for row in rows if row.control == wanted), None)
    return rows[0] if rows and rows[0].outcome == "fail" else None


def _answer(tx: Transaction, device: Device, row: VerdictRow) -> AnswerView:
    number, name = _find_record(tx, device, row)
    return AnswerView(
        row.version, row.sql, row.answer, row.device_time, number, name, row.reason, row.fix,
        row.picture, row.why,
    )  # fmt: skip


def _find_record(tx: Transaction, device: Device, row: VerdictRow) -> tuple[str, str]:
    """Return the evidence record of this verdict: its address and its name, "" if unseen."""
    if not tx.principal.allows("evidence.read"):
        return "", ""
    found = evidence.list_records(
        tx, kind=CHANGED, subject=f"device:{device.id}", search=row.control, limit=1
    )
    if not found:
        return "", ""
    record = found[0]
    name = say_number(record.seq) if record.seq else f"…{record.id[-6:]}"
    return str(record.seq or record.id), name


def read_history(
    tx: Transaction, catalogue: Catalogue, device: Device, language: str
) -> tuple[Sequence[HistoryLine], Markup | str]:
    """Return the last 30 days of the rules that changed or did not pass."""
    changes: dict[str, list[Change]] = {}
    for change in telling.list_device_changes(tx, device, verdicts.DAYS):
        turn = Change(change.at.astimezone(), change.before or "", change.after)
        changes.setdefault(change.control_id, []).append(turn)
    for verdict in telling.list_device_verdicts(tx, device.id):
        still = Change(verdict.since.astimezone(), "", verdict.kind.value)
        changes.setdefault(verdict.control_id, [still])
    today = tx.now.astimezone().date()
    begin = device.enrolled_at.astimezone().date()
    traces = {
        control: verdicts.trace_days(turns, today, begin) for control, turns in changes.items()
    }
    titles = {str(control.id): control.title for control in catalogue.controls.values()}
    return verdicts.draw_strip(titles, traces, today, language)


def describe(device: Device) -> list[tuple[Text, str]]:
    """Return what is known of the machine; a private one has told no names and serials."""
    system = f"{device.os_name} {device.os_version}".strip()
    system = system or _PLATFORMS.get(device.platform.value, "")
    facts = [(msg("System"), system), (msg("Agent"), device.agent_version)]
    if device.ownership is Ownership.COMPANY:
        facts = [
            (msg("Model"), device.model), *facts,
            (msg("Serial number"), device.serial), (msg("Network"), device.address),
        ]  # fmt: skip
    return [(name, value) for name, value in facts if value]


def read_manifest(catalogue: Catalogue, device: Device) -> list[tuple[str, Sequence[str]]]:
    """Return the tables and columns that are read on this device, from the queries themselves.

    A device that waits for consent shows them too: its owner decides with the list at hand.
    """
    if device.state is DeviceState.WITHDRAWN:
        return []
    reads = manifest_for(
        catalogue, device.platform, device.ownership, sekisho_agent=device.is_agent
    )
    return group_reads(reads)


def group_reads(reads: Iterable[tuple[str, str]]) -> list[tuple[str, Sequence[str]]]:
    """Group (table, column) pairs by table, both in alphabetical order."""
    tables: dict[str, list[str]] = {}
    for table, column in sorted(reads):
        columns = tables.setdefault(table, [])
        if column:  # a query that only counts rows reads the table and none of its columns
            columns.append(column)
    return list(tables.items())


def read_looks(tx: Transaction, device_id: str) -> list[LookRow]:
    """Return who looked at a device, latest first."""
    return [_look(look) for look in privacy.list_looks(tx, device_id, MOST_LOOKS)]


def _look(look: Look) -> LookRow:
    purpose = look.purpose or PURPOSES.get(look.what, look.what)
    return LookRow(look.looker_name or look.looker, purpose, look.at)


@post("/devices/{device_id:str}/check", sync_to_thread=True)
def check_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> Redirect:
    """Ask a device everything again at its next word."""
    with database.write(principal) as tx:
        lifecycle.require_right(tx, device_id, "devices.write")
        lifecycle.check_now(tx, device_id)
        state["desk"].follow(tx, device_id)
    return Redirect(f"/devices/{device_id}", status_code=303)


@post("/devices/{device_id:str}/remove", sync_to_thread=True)
def remove_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Withdraw a device once its name was typed."""
    with database.write(principal) as tx:
        device = lifecycle.require_right(tx, device_id, "devices.write")
        if data.get("confirm", "").strip() != device.title:
            raise InvalidInputError(
                msg("“%(got)s” is not the name of this device (%(name)s); nothing was removed.",
                    got=data.get("confirm", "")[:60], name=device.title),
                hint=msg("Go back and type the name exactly."),
            )  # fmt: skip
        lifecycle.withdraw_device(tx, device_id)
        state["desk"].follow(tx, device_id)
    return Redirect("/devices", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [show_device, check_device, remove_device]
