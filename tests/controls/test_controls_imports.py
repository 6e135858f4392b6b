"""Exports brought in, on both databases: preview, apply, stale, outweighed, joined, given up."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.exports.mapping import own_mappings
from sekisho.controls.exports.matching import KnownDevice
from sekisho.controls.exports.model import Import, ImportState, TakenFrom
from sekisho.controls.faults import CatalogueError
from sekisho.controls.model import Platform, Proof, Subject, Verdict, VerdictKind
from sekisho.controls.service import applying, imports
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    StepUpNeededError,
)
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

DISK = "disk-encrypted"
HEAD = "Device name,Serial number,OS,Ownership,Last check-in,Encrypted\n"
KNOWN = [KnownDevice("dev_1", "company", "windows", serial="PF2ABC9", name="MNT-L-0231")]
INTUNE = own_mappings()["intune-devices"]
DAY = 86400


def test_whoever_signed_in_long_ago_brings_nothing_in(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    with database.write(admin) as tx:
        content = f"{HEAD}MNT-L-0231,PF2ABC9,Windows,Company,2026-11-01,True\n".encode()
        made = imports.upload_export(tx, folder=tmp_path, file_name="d.csv", content=content)
        imports.preview_import(tx, made.id, folder=tmp_path, yaml=INTUNE.yaml, known=KNOWN)
    late = replace(admin, authenticated_at=clock.now() - timedelta(minutes=16))
    with pytest.raises(StepUpNeededError), database.write(late) as tx:
        imports.start_import(tx, made.id)


def bring(
    database: Database, admin: Principal, folder: Path, lines: str,
    known: list[KnownDevice] = KNOWN,
) -> Import:  # fmt: skip
    """Bring an export of Intune in, as far as the worker does it."""
    with database.write(admin) as tx:
        made = imports.upload_export(
            tx, folder=folder, file_name="devices.csv", content=(HEAD + lines).encode()
        )
        imports.preview_import(tx, made.id, folder=folder, yaml=INTUNE.yaml, known=known)
        imports.start_import(tx, made.id)
    for _ in range(10):
        with database.write(SYSTEM) as tx:
            if not applying.apply_imports(tx, folder, limit=2):
                break
    with database.read(admin) as tx:
        return imports.require_import(tx, made.id)


def verdict(database: Database, device: str, control: str = DISK) -> Verdict:
    with database.read(SYSTEM) as tx:
        found = controls.list_verdicts(tx, DeviceID(device))
    return next(v for v in found if v.control_id == control)


def enrol(database: Database, laptop: Subject) -> None:
    with database.write(SYSTEM) as tx:
        controls.start_device(tx, laptop)


def test_what_an_export_says_of_an_enrolled_device_counts_from_its_own_time(
    database: Database, admin: Principal, laptop: Subject, clock: FakeClock, tmp_path: Path
) -> None:
    enrol(database, laptop)
    seen = clock.now() - timedelta(days=10)
    done = bring(database, admin, tmp_path, f"X,PF2ABC9,Windows,Corporate,{seen:%Y-%m-%d},True\n")

    found = verdict(database, "dev_1")
    assert (found.kind, found.proof) == (VerdictKind.PASS, Proof.THIRD_PARTY)
    assert found.checked_at == seen
    assert found.expires_at == seen + timedelta(days=14), "ten days are gone already"
    assert (done.state, done.taken_from) == (ImportState.DONE, TakenFrom.ROWS)
    assert not (tmp_path / done.id).exists(), "only its digest is kept"
    clock.advance(seconds=5 * DAY)
    assert verdict(database, "dev_1").kind is VerdictKind.UNKNOWN


def test_the_machine_outweighs_an_export_that_says_otherwise(
    database: Database, admin: Principal, laptop: Subject, replies: Replies, tmp_path: Path
) -> None:
    enrol(database, laptop)
    with database.write(SYSTEM) as tx:
        controls.judge_answers(
            tx, laptop, replies.about(DISK, Platform.WINDOWS, passed=False), tx.now
        )
    bring(database, admin, tmp_path, "X,PF2ABC9,Windows,Corporate,2026-11-23,True\n")

    found = verdict(database, "dev_1")
    assert (found.kind, found.proof) == (VerdictKind.FAIL, Proof.MACHINE)


def test_a_device_that_only_the_export_knows_counts_and_is_unknown_elsewhere(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    lines = (
        "NEW-1,NEW11111,Windows,Corporate,2026-11-23,True\n"
        "NEW-2,NEW22222,macOS,Corporate,2026-11-23,False\n"
        "<script>alert(1)</script>,NEW33333,Windows,Corporate,2026-11-23,\n"
        "iPhone,F4GH5678,iOS,Corporate,2026-11-23,True\n"
        "MacBook,C02XYZ99,macOS,Personal,2026-11-23,True\n"
    )
    done = bring(database, admin, tmp_path, lines)
    assert dict(done.counts) == {"matched": 0, "unmatched": 3, "ambiguous": 0, "left_out": 2}
    with database.read(admin) as tx:
        devices, total = imports.page_imported(tx, "", 50, 0)
        counts = controls.count_verdicts(tx)
        standings = imports.list_imported_standings(tx, devices)
        assert controls.count_standings(tx) == {"fail": 1, "unknown": 2, "pass": 0}
        assert sum(controls.count_standings(tx, imported=False).values()) == 0
        assert imports.count_imported(tx) == total
        kinds = {record.kind for record in evidence.list_records(tx)}
    assert total == 3
    assert counts.by_proof["third_party"] == 2
    assert counts.by_kind["pass"] == 1
    assert counts.by_kind["unknown"] > 50, "what nobody looked at is unknown"
    assert sorted(s.failing for s in standings.values()) == [0, 0, 1]
    assert {"import.uploaded", "import.started", "import.done"} <= kinds

    clock.advance(seconds=20 * DAY)
    with database.read(admin) as tx:
        assert controls.count_verdicts(tx).by_kind["pass"] == 0
        assert sum(controls.count_standings(tx, imported=False).values()) == 0
    clock.advance(seconds=200 * DAY)
    with database.write(SYSTEM) as tx:
        applying.join_imported(tx, [])
        assert imports.page_imported(tx, "", 50, 0)[1] == 0
        assert controls.count_verdicts(tx).total == 0


def test_bringing_the_same_export_again_changes_nothing_and_an_older_one_neither(
    database: Database, admin: Principal, laptop: Subject, tmp_path: Path
) -> None:
    enrol(database, laptop)
    newer = (
        "X,PF2ABC9,Windows,Corporate,2026-11-23,False\n"
        "N,NEW11111,Windows,Corporate,2026-11-23,True\n"
    )
    bring(database, admin, tmp_path, newer)
    bring(database, admin, tmp_path, newer)
    bring(database, admin, tmp_path, newer.replace("11-23", "11-20").replace("False", "True"))

    assert verdict(database, "dev_1").kind is VerdictKind.FAIL
    with database.read(admin) as tx:
        assert imports.page_imported(tx, "", 50, 0)[1] == 1


def test_an_answer_that_is_gone_from_a_newer_export_is_unknown_again(
    database: Database, admin: Principal, laptop: Subject, tmp_path: Path
) -> None:
    enrol(database, laptop)
    bring(database, admin, tmp_path, "X,PF2ABC9,Windows,Corporate,2026-11-22,True\n")
    bring(database, admin, tmp_path, "X,PF2ABC9,Windows,Corporate,2026-11-23,\n")
    assert verdict(database, "dev_1").kind is VerdictKind.UNKNOWN


def test_a_device_that_is_enrolled_later_takes_over_what_the_export_said(
    database: Database, admin: Principal, laptop: Subject, tmp_path: Path
) -> None:
    bring(database, admin, tmp_path, "X,PF2ABC9,Windows,Corporate,2026-11-23,True\n", [])
    enrol(database, laptop)
    with database.write(SYSTEM) as tx:
        assert applying.join_imported(tx, KNOWN) == 1
        assert imports.page_imported(tx, "", 50, 0)[1] == 0
    assert verdict(database, "dev_1").proof is Proof.THIRD_PARTY


def test_a_row_that_could_be_several_waits_for_a_person(
    database: Database, admin: Principal, laptop: Subject, tmp_path: Path
) -> None:
    enrol(database, laptop)
    twins = [KnownDevice(n, "company", "windows", serial="PF2ABC9") for n in ("dev_1", "dev_9")]
    made = bring(database, admin, tmp_path, "X,PF2ABC9,Windows,Corporate,2026-11-23,True\n", twins)
    assert verdict(database, "dev_1").kind is VerdictKind.UNKNOWN
    with database.write(admin) as tx:
        (row,), _ = imports.list_rows(tx, made.id, outcome="ambiguous")
        imports.settle_row(tx, made.id, row.number, "dev_1", twins)
    with database.write(SYSTEM) as tx:
        applying.apply_imports(tx, tmp_path)
    assert verdict(database, "dev_1").kind is VerdictKind.PASS


def test_who_says_when_an_export_was_made_is_kept_with_it(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    yaml = INTUNE.yaml.replace("seen:", "uuid:").replace("Last check-in,", "No such column,")
    content = b"Device name,Serial number,OS,Encrypted\nX,NEW11111,Windows,True\n"
    at = clock.now() - timedelta(days=3)
    with database.write(admin) as tx:
        made = imports.upload_export(tx, folder=tmp_path, file_name="a", content=content)
        shown = imports.preview_import(
            tx, made.id, folder=tmp_path, yaml=yaml, known=[], taken_at=at
        )
        assert (shown.taken_at, shown.taken_from) == (at, TakenFrom.PERSON)
        with pytest.raises(InvalidInputError, match="future"):
            imports.preview_import(
                tx, made.id, folder=tmp_path, yaml=yaml, known=[],
                taken_at=clock.now() + timedelta(days=1),
            )  # fmt: skip
        upload = imports.preview_import(tx, made.id, folder=tmp_path, yaml=yaml, known=[])
        assert upload.taken_from is TakenFrom.UPLOAD


@pytest.mark.parametrize(
    ("yaml", "error"),
    [
        ("id: x", CatalogueError),
        ("- just\n- a list", CatalogueError),
        (INTUNE.yaml.replace("control: disk-encrypted", "control: no-such"), CatalogueError),
        (INTUNE.yaml.replace("column: [Encrypted, 暗号化]", "column: [Other]"), InvalidInputError),
    ],
)
def test_a_mapping_that_says_nothing_of_this_file_is_refused(
    database: Database, admin: Principal, tmp_path: Path, yaml: str, error: type[Exception]
) -> None:
    content = (HEAD + "X,NEW11111,Windows,Corporate,2026-11-23,True\n").encode()
    with database.write(admin) as tx:
        made = imports.upload_export(tx, folder=tmp_path, file_name="a.csv", content=content)
        with pytest.raises(error):
            imports.preview_import(tx, made.id, folder=tmp_path, yaml=yaml, known=[])


def test_a_mapping_that_somebody_made_is_there_the_next_time(
    database: Database, admin: Principal, tmp_path: Path
) -> None:
    content = (HEAD + "X,NEW11111,Windows,Corporate,2026-11-23,True\n").encode()
    mine = INTUNE.yaml.replace("id: intune-devices", "id: our-list")
    with database.write(admin) as tx:
        made = imports.upload_export(tx, folder=tmp_path, file_name="a.csv", content=content)
        imports.preview_import(tx, made.id, folder=tmp_path, yaml=mine, known=[], keep=True)
        assert "our-list" in imports.list_mappings(tx)
        draft = imports.read_draft(tx, tmp_path, made.id)
        assert {m.id for m in draft.fitting} >= {"our-list", "intune-devices"}
        with pytest.raises(ConflictError):
            imports.preview_import(
                tx, made.id, folder=tmp_path, yaml=INTUNE.yaml, known=[], keep=True
            )


def test_an_import_that_is_given_up_leaves_nothing_behind(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "imports"
    content = (HEAD + "X,NEW11111,Windows,Corporate,2026-11-23,True\n").encode()
    with database.write(admin) as tx:
        first = imports.upload_export(
            tx, folder=folder, file_name="../../etc/passwd\x00\n", content=content
        )
        imports.upload_export(tx, folder=folder, file_name="b.csv", content=content)
        assert "/" not in first.file_name
    with database.write(admin) as tx:
        imports.cancel_import(tx, first.id, folder=folder)
        assert len(list(folder.iterdir())) == 2, "not before it is certain"
    assert len(list(folder.iterdir())) == 1
    with database.write(admin) as tx, pytest.raises(ConflictError):
        imports.start_import(tx, first.id)
    clock.advance(seconds=2 * DAY)
    (folder / "stray").write_bytes(b"x")
    with database.write(SYSTEM) as tx:
        assert applying.remove_waiting_files(tx, folder, imports.WAITS) == 2
    assert list(folder.iterdir()) == []


def test_a_file_that_was_changed_on_disk_is_not_brought_in(
    database: Database, admin: Principal, tmp_path: Path
) -> None:
    content = (HEAD + "X,NEW11111,Windows,Corporate,2026-11-23,True\n").encode()
    with database.write(admin) as tx:
        made = imports.upload_export(tx, folder=tmp_path, file_name="a.csv", content=content)
        for words, sort, found in (("A.CSV", "file", 1), ("", "-rows", 1), ("b.csv", "x", 0)):
            assert len(imports.list_imports(tx, search=words, sort=sort)[0]) == found
        (tmp_path / made.id).write_bytes(content.replace(b"True", b"False"))
        with pytest.raises(ConflictError, match="not the one"):
            imports.preview_import(tx, made.id, folder=tmp_path, yaml=INTUNE.yaml, known=[])


def test_whoever_may_only_read_brings_nothing_in(database: Database, tmp_path: Path) -> None:
    reader = Principal(PrincipalKind.PERSON, "per_r", "r", frozenset({"controls.read"}))
    with database.write(reader) as tx:
        assert imports.list_imports(tx) == ([], 0)
        with pytest.raises(NotPermittedError):
            imports.upload_export(tx, folder=tmp_path, file_name="a", content=b"a,b\n1,2\n")


def test_rows_and_devices_of_exports_are_sorted(
    database: Database, admin: Principal, tmp_path: Path
) -> None:
    made = bring(database, admin, tmp_path, (
        "pc-b,S1111111,Windows,Corporate,2026-11-21,True\n"
        "PC-A,S2222222,macOS,Corporate,2026-11-23,True\n"
        "iPhone,F4GH5678,iOS,Corporate,2026-11-22,True\n"
        "pc-c,S3333333,Windows,Corporate,,True\n"
    ))  # fmt: skip

    def rows(sort: str, outcome: str = "") -> list[str]:
        with database.read(admin) as tx:
            return [
                row.name for row in imports.list_rows(tx, made.id, outcome=outcome, sort=sort)[0]
            ]

    def alone(sort: str) -> list[str]:
        with database.read(admin) as tx:
            pages = [imports.page_imported(tx, "pc", 1, offset, sort)[0] for offset in range(3)]
        return [device.name for page in pages for device in page]

    assert rows("line") == rows("no such") == ["pc-b", "PC-A", "iPhone", "pc-c"]
    assert rows("name") == ["iPhone", "PC-A", "pc-b", "pc-c"]
    assert rows("-seen") == ["PC-A", "iPhone", "pc-b", "pc-c"]
    assert rows("outcome")[0] == "iPhone"
    assert rows("-name", outcome="unmatched") == ["pc-c", "pc-b", "PC-A"]
    assert alone("name") == alone("; DROP") == ["PC-A", "pc-b", "pc-c"]
    assert alone("-name") == ["pc-c", "pc-b", "PC-A"]
    assert alone("system") == ["PC-A", "pc-b", "pc-c"]
    assert alone("-seen")[0] == "PC-A"
