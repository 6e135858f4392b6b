"""Files of a company device: ordered with a reason, approved by another, downloaded on record."""

import base64
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pages.conftest import Town
from sekisho.devices.model import Device
from sekisho.devices.protocol import CarveBegin, CarveBlock
from sekisho.devices.service import carves
from sekisho.devices.web.files import PER_PAGE
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices

ORDER = {"path": "/var/log/it's.log", "reason": "案件12の<調査>", "limit": "2"}
CONTENT = b"what the log says" * 100


@pytest.fixture
def other(town: Town) -> dict[str, str]:
    """The browser of a second security person."""
    return town.sign_in(town.add_person("三浦 圭", Role.SECURITY))


def send(town: Town, address: str, who: dict[str, str], **form: str) -> Any:
    return town.client().post(address, headers=who, data=form, follow_redirects=False)


def order(town: Town, device: Device, who: dict[str, str]) -> str:
    answer = send(town, f"/devices/{device.id}/files", who, **ORDER)
    assert answer.status_code == 303, answer.text
    with town.house.database.read(SYSTEM) as tx:
        return carves.list_carves(tx, device.id)[0].id


def bring_in(town: Town, device: Device, folder: Path) -> None:
    """The device sends what it was asked for, as osqueryd does."""
    begin = CarveBegin(block_count=1, block_size=5000, carve_size=len(CONTENT), carve_id="g-1")
    with town.house.database.write(SYSTEM) as tx:
        session = carves.begin_carve(tx, device.id, begin)
        assert isinstance(session, str)

        block = CarveBlock(session_id=session, data=base64.b64encode(CONTENT).decode())
        shelf = town.house.settings.data / "artefacts"
        assert carves.accept_block(tx, folder, shelf, device.id, block)


def test_two_persons_bring_a_file_in_and_the_download_is_recorded(
    town: Town, guard: dict[str, str], other: dict[str, str], tmp_path: Path
) -> None:
    device = town.enrol("laptop")
    made = order(town, device, guard)
    page = town.client().get(f"/devices/{device.id}/files", headers=guard).text
    assert "案件12の&lt;調査&gt;" in page
    assert "ほかの人の承認待ち" in page
    assert f"/devices/files/{made}/approve" not in page, "nobody approves their own order"
    assert send(town, f"/devices/files/{made}/approve", guard).status_code == 403

    assert f"/devices/files/{made}/approve" in (
        town.client().get("/devices/files", headers=other).text
    )
    assert send(town, f"/devices/files/{made}/approve", other).status_code == 303
    bring_in(town, device, tmp_path / "blocks")

    assert "受け取り済み" in town.client().get("/devices/files", headers=guard).text
    answer = town.client().get(f"/devices/files/{made}/content", headers=guard)
    assert answer.content == CONTENT
    assert answer.headers["content-disposition"].startswith("attachment")
    with town.house.database.read(SYSTEM) as tx:
        told = evidence.list_records(tx, subject=f"device:{device.id}")
    (opened,) = [record for record in told if record.kind == "evidence.artifact_opened"]
    assert opened.detail is not None
    assert opened.detail["purpose"] == ORDER["reason"]
    kinds = {record.kind for record in told}
    assert {"device.carve_requested", "device.carve_approved", "device.carve_done"} <= kinds


def test_the_list_is_searched_narrowed_sorted_and_cut_into_pages(
    town: Town, guard: dict[str, str], other: dict[str, str]
) -> None:
    device = town.enrol("laptop")
    far = town.enrol("faraway")
    made = [order(town, device, guard) for _ in range(PER_PAGE + 1)]
    last = send(town, f"/devices/{far.id}/files", guard, **{**ORDER, "path": "/zz/50%_last"})
    assert last.status_code == 303
    assert send(town, f"/devices/files/{made[0]}/end", other).status_code == 303

    def page(**asked: str) -> str:
        answer = town.client().get("/devices/files", headers=guard, params=asked)
        assert answer.status_code == 200
        return str(answer.text)

    assert page().count('<tr class="row">') == PER_PAGE
    assert page(page="2").count('<tr class="row">') == 2
    assert "/zz/50%_last" in page(sort="-path").split("</tr>")[1]
    assert "/zz/50%_last" not in page(sort="path")
    assert page(q="50%_").count('<tr class="row">') == 1
    assert page(q="faraway").count('<tr class="row">') == 1
    assert page(status="ended").count('<tr class="row">') == 1
    assert "<script>" not in page(q="<script>")
    assert "条件に合う依頼はありません" in page(q="nothing of the kind")
    assert page(sort="no such column", status="nor this").count('<tr class="row">') == PER_PAGE
    own = town.client().get(f"/devices/{far.id}/files", headers=guard).text
    assert own.count('<tr class="row">') == 1


def test_who_may_approve_is_told(town: Town, guard: dict[str, str], other: dict[str, str]) -> None:
    device = town.enrol("laptop")
    order(town, device, guard)
    notices.hand_out(town.house.database, ZoneInfo("Asia/Tokyo"))
    inbox = town.client().get("/my/notices", headers=other).text
    assert "ファイル取得が承認を待っています" in inbox
    assert "案件12の&lt;調査&gt;" in inbox


def test_an_order_is_refused_or_taken_back(
    town: Town, guard: dict[str, str], other: dict[str, str]
) -> None:
    device = town.enrol("laptop")
    for who, note in ((other, "却下されました。"), (guard, "依頼した人が取り下げました。")):
        made = order(town, device, guard)
        assert send(town, f"/devices/files/{made}/end", who).status_code == 303
        assert note in town.client().get(f"/devices/{device.id}/files", headers=guard).text
        assert send(town, f"/devices/files/{made}/end", who).status_code == 409
        assert send(town, f"/devices/files/{made}/approve", other).status_code == 409
        assert town.client().get(f"/devices/files/{made}/content", headers=who).status_code == 409


def test_files_of_a_private_pc_are_never_ordered(town: Town, guard: dict[str, str]) -> None:
    owner = town.add_person("高橋 遥", Role.TELEWORKER)
    device = town.enrol("own", owner=owner, ownership="private")
    assert town.client().get(f"/devices/{device.id}/files", headers=guard).status_code == 403
    assert send(town, f"/devices/{device.id}/files", guard, **ORDER).status_code == 403
    assert town.client().get(f"/devices/{device.id}/files/flags", headers=guard).status_code == 403
    assert "/files" not in town.client().get(f"/devices/{device.id}", headers=guard).text


@pytest.mark.parametrize(
    "change",
    [{"path": "relative"}, {"path": ""}, {"reason": " "}, {"limit": "many"}, {"limit": "999"},
     {"limit": "0"}, {"limit": "１"}],
)  # fmt: skip
def test_a_mistake_brings_the_form_back(
    town: Town, guard: dict[str, str], change: dict[str, str]
) -> None:
    device = town.enrol("laptop")
    answer = send(town, f"/devices/{device.id}/files", guard, **{**ORDER, **change})
    assert answer.status_code == 400
    assert "notice bad" in answer.text
    assert "まだありません" in answer.text


def test_only_who_may_orders_and_opens(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("laptop")
    made = order(town, device, guard)
    reader = town.sign_in(town.add_person("監査人", Role.AUDITOR))
    worker = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    for who in (reader, worker):
        assert send(town, f"/devices/{device.id}/files", who, **ORDER).status_code in {403, 404}
        assert send(town, f"/devices/files/{made}/approve", who).status_code in {403, 404}
        assert send(town, f"/devices/files/{made}/end", who).status_code in {403, 404}
        answer = town.client().get(f"/devices/files/{made}/content", headers=who)
        assert answer.status_code in {403, 404}
    assert town.client().get("/devices/files", headers=worker).status_code in {403, 404}


def test_the_flag_file_for_an_incident_lets_a_device_send_files(
    town: Town, guard: dict[str, str]
) -> None:
    device = town.enrol("laptop")
    answer = town.client().get(f"/devices/{device.id}/files/flags", headers=guard)
    assert "--disable_carver=false" in answer.text
    assert "/api/osquery/carve/begin" in answer.text
