"""What is kept about a person is either gone when they leave, or kept for a reason that is said.

Every column that names a person stands in one of the two lists below; a new one fails until
somebody has decided which. Of those in ``ENDS`` a row of the leaver is written first.
"""

import re
import sqlite3
from typing import Any

from sqlalchemy import Boolean, select

from pages.conftest import Town
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.identity.model import Role
from sekisho.kernel.db import metadata
from sekisho.kernel.principal import SYSTEM
from sekisho.server.leaving import end_person

_NAMES = re.compile(
    r"(^|(?<!fix)_)(person|owner|reporter|author|handler|submitted|reviewed|by|actor|requester|settler|ender|looker|decider"
    r"|email|manager)(_id|_name)?$"
)
ENDS = {
    "control_statements": ("person_id",), "control_subjects": ("person_id",),
    "devices": ("owner_id",), "findings": ("owner",), "selfcheck_answers": ("person_id",),
    "selfcheck_invitations": ("person_id",), "worklist_defaults": ("person_id",),
    "worklist_sheets": ("actor",), "worklist_views": ("owner_id",),
    "identity_ceremonies": ("person_id",), "identity_group_members": ("person_id",),
    "identity_links": ("person_id",), "identity_person_roles": ("person_id",),
    "identity_recovery_codes": ("person_id",), "identity_sessions": ("person_id",),
    "identity_subjects": ("person_id", "email"), "identity_totp": ("person_id",),
    "identity_unit_roles": ("person_id",), "notice_channels": ("person_id",),
    "notice_inbox": ("person_id",), "notice_preferences": ("person_id",),
    "notice_deliveries": ("person_id",),
}  # fmt: skip
# Who did what stays with what was done: it is the organisation's record, not the person's matter.
STAYS = {
    "decided by them": (
        "access_orders.asked_by", "access_orders.decider", "access_policies.author",
        "access_policies.decider", "access_requests.decider", "access_whatifs.asked_by",
        "control_documents.submitted_by", "control_documents.submitted_name",
        "control_documents.reviewed_by", "control_documents.reviewed_name",
        "control_exceptions.settled_by", "control_exceptions.settler",
        "control_exceptions.ended_by", "control_exceptions.ender", "detection_staged.by",
        "detection_suppressions.by", "detection_tunings.by", "device_carves.approved_by",
        "device_carves.requested_by", "device_kits.created_by", "finding_notes.author",
        "finding_notes.author_name", "identity_bans.created_by", "identity_links.created_by",
        "identity_recoveries.requested_by", "identity_requirements.changed_by",
        "identity_rosters.created_by", "import_mappings.changed_by", "imports.person_id",
        "imports.person_name", "selfcheck_schedules.created_by", "worklist_acts.actor",
        "worklist_acts.actor_name", "worklist_acts.person_id", "worklist_acts.undone_by",
        "worklist_views.owner_name", "case_reports.handler_id",
    ),
    "a look at a device, owed to its owner": ("device_looks.looker", "device_looks.looker_name"),
    "ended, and kept as what was asked": (
        "access_requests.person_id", "control_exceptions.requested_by",
        "control_exceptions.requester", "device_kits.owner_id", "identity_passkeys.person_id",
        "identity_tokens.person_id", "identity_recoveries.person_id",
        "identity_recovery_votes.person_id",
    ),
    "kept for a time of its own": (
        "access_decisions.person_id", "access_sessions.person_id", "case_messages.author_id",
        "case_reports.reporter_id",
    ),
    "what the organisation's device manager says": (
        "import_rows.email", "import_rows.matched_by", "imported_devices.email",
        "imported_devices.person_id",
    ),
    "the person's own row: that they left, so that nobody else becomes them": (
        "identity_people.email", "identity_people.former_email", "identity_people.manager_id",
    ),
    "evidence, erased on its own page by whoever may": (
        "evidence_payloads.person", "evidence_records.actor",
    ),
}  # fmt: skip
_MEANT = {
    "proof": "self", "state": "active", "status": "open", "severity": 2, "kind": "compliance",
    "ownership": "company", "platform": "linux", "said": "pass", "answer": "yes",
    "role": "manager", "method": "passkey", "title": '{"ja":"x","en":"x"}', "listing": "devices",
    "device_id": "dev_x",
}  # fmt: skip


def test_whoever_adds_a_column_about_people_says_what_becomes_of_it() -> None:
    found = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if _NAMES.search(column.name) and not isinstance(column.type, Boolean)
    }
    told = [f"{table}.{column}" for table, columns in ENDS.items() for column in columns]
    told += [column for columns in STAYS.values() for column in columns]
    assert (found - set(told), set(told) - found, len(told)) == (set(), set(), len(found))


def _value(column: Any, number: int) -> object:
    name, kind = column.name, str(column.type).split("(")[0]
    if name in _MEANT:
        return _MEANT[name]
    if name.endswith(("_at", "_until")) or kind == "DATETIME":
        return "2026-11-24 00:00:00.000000"
    simple = {"INTEGER": number, "BIGINT": number, "BOOLEAN": 1, "BLOB": b"x"}
    return simple.get(kind, f"x{number}" if kind == "VARCHAR" else "{}")


def _write_rows(town: Town, person: str) -> None:
    """Write a row of the person into each table of ENDS, past the rooms and their keys."""
    path = town.house.database.engine.url.database
    assert path is not None
    with sqlite3.connect(path) as raw:
        for number, (table, columns) in enumerate(ENDS.items()):
            row = {c.name: _value(c, number) for c in metadata.tables[table].c}
            row |= dict.fromkeys(columns, person)
            row |= {"id": "dev_x"} if table == "devices" else {}
            row |= {"actor": f"person:{person}"} if "actor" in columns else {}
            row |= {"role": "", "unit_id": ""} if table == "worklist_views" else {}
            row |= {"used_at": None} if table == "identity_links" else {}
            marks = ", ".join("?" * len(row))
            wanted = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - our names
            raw.execute(wanted, list(row.values()))
    raw.close()


def test_what_ends_is_gone_and_replies_are_erased_from_the_records(town: Town) -> None:
    town.add_person("佐伯 航", Role.ADMIN)
    aya = town.add_person("森下 彩", Role.TELEWORKER)
    told = NewRecord("selfcheck.answered", "selfcheck:telework", {"replies": {"disk": "no"}}, aya)
    with town.house.database.write(SYSTEM) as tx:
        evidence.record_many(tx, [told])
    _write_rows(town, aya)

    with town.house.database.write(SYSTEM) as tx:
        end_person(tx, aya, "退職")
        left = [
            f"{table}.{column}"
            for table, columns in ENDS.items()
            for column in columns
            for value in tx.execute(select(metadata.tables[table].c[column])).scalars()
            if value and aya in value
        ]
        evidence.seal_records(tx)
        kept = evidence.list_records(tx, kind="selfcheck.answered")
    assert left == []
    assert [(record.detail, bool(record.erased_by)) for record in kept] == [(None, True)]
