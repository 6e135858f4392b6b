"""The typed client against a running server: every address once, and what goes wrong."""

import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from msgspec.structs import replace as replace_struct

from fakes.osqueryd import Osqueryd
from sekisho.access.model import ResourceKind
from sekisho.access.published import PolicyView, Proposal, ResourceView, UpstreamView
from sekisho.client import (
    access,
    acts,
    controls,
    detection,
    devices,
    evidence,
    findings,
    kits,
    notices,
    reports,
)
from sekisho.client import client as whole
from sekisho.client.client import Client
from sekisho.devices.api.shapes import CarveOrder, DeviceChange, KitRequest
from sekisho.evidence.api import Erasure
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service.people import add_person
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    SekishoError,
    UnauthenticatedError,
    UnavailableError,
)
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import Secret, SecretBox
from sekisho.kernel.settings import load_settings
from sekisho.notices.api import Again
from support.running import Running, running_up
from support.visiting import Post, public_client

# Devices speak these, not people; a browser takes the account's own addresses.
LEFT_OUT = ("/api/agent/", "/api/osquery/")
SECURITY = (
    "devices.read", "devices.write", "devices.approve", "controls.read", "controls.write",
    "findings.read", "findings.write", "evidence.read",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Town:
    """A running server, one device in it, and how to get tokens."""

    up: Running
    host: Osqueryd
    device_id: str

    def token(self, *scopes: str, life: timedelta = timedelta(days=1)) -> Secret:
        """Make a person with every right, and a token of theirs."""
        database = Database(load_settings(self.up.data, {}).database, SystemClock())
        try:
            with database.write(SYSTEM) as tx:
                known = len(identity.list_people(tx))
                person = add_person(
                    tx, name="API", email=f"api{known}@example.jp", language="en",
                    roles=(Role.ADMIN, Role.SECURITY), state=PersonState.ACTIVE,
                )  # fmt: skip
                own = Principal(PrincipalKind.PERSON, person.id, "API", frozenset({"*"}),
                                session_id="s", authenticated_at=tx.now)  # fmt: skip
                _, secret = identity.make_token(
                    replace(tx, principal=own), label="test", scopes=scopes, ends_at=tx.now + life
                )
        finally:
            database.close()
        return Secret(secret)

    def client(self, *scopes: str) -> Client:
        return Client(self.up.url, self.token(*scopes or SECURITY))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("client")
    with running_up(folder / "data", "--no-device") as up, public_client(up) as wire:
        bare = Town(up, Osqueryd(Post(wire), ""), "")
        with bare.client() as client:
            made = client.kits.create(KitRequest(label="laptop", max_devices=1))
            host = Osqueryd(Post(wire), made.secret)
            host.enroll()
            asked = host.read()["queries"]
            disk = next(name for name in asked if "disk-encrypted" in name)
            host.pending["queries"][disk] = []
            host.write()
            (device,) = client.devices.list().devices
            yield replace(bare, host=host, device_id=device.id)


def test_devices_verdicts_and_looks_are_read(town: Town) -> None:
    with town.client() as client:
        page = client.devices.list(search="PC-SAEKI")
        assert page.total == 1
        assert page.devices[0].hostname == "PC-SAEKI"
        assert client.devices.list(search="nobody").total == 0
        assert sum(client.devices.count().by_state.values()) >= 1
        detail = client.devices.get(town.device_id)
        assert detail.device.serial == "JP-0001"
        assert detail.certificates == []
        verdicts = {one.control: one for one in client.devices.verdicts(town.device_id)}
        assert verdicts["disk-encrypted"].verdict == "fail"
        assert verdicts["disk-encrypted"].first_failed_at is not None
        assert {one.verdict for one in verdicts.values()} >= {"pass", "fail"}
        assert client.devices.certificates(town.device_id) == ()
        assert client.devices.looks(town.device_id) is not None


def test_a_device_is_changed_paused_and_asked_again(town: Town) -> None:
    with town.client() as client:
        changed = client.devices.change(town.device_id, DeviceChange(label="受付の PC"))
        assert changed.label == "受付の PC"
        assert client.devices.pause(town.device_id).state == "paused"
        assert client.devices.resume(town.device_id).state == "active"
        assert client.devices.check_now(town.device_id).check_now_until is not None
        assert town.host.read()["accelerate"] > 0
        client.devices.revoke_certificates(town.device_id)
        with pytest.raises(ConflictError):
            client.devices.approve(town.device_id)
        with pytest.raises(SekishoError):
            client.devices.consent(town.device_id, "2026-11")


def test_kits_are_made_listed_and_ended(town: Town) -> None:
    with town.client() as client:
        made = client.kits.create(KitRequest(kind="group", max_devices=3, label="営業部"))
        assert made.secret not in str(client.kits.list())
        assert json.loads(made.files["sekisho-kit.json"])["secret"] == made.secret
        client.kits.revoke(made.kit.id)
        (found,) = [kit for kit in client.kits.list() if kit.id == made.kit.id]
        assert found.state == "revoked"
        with pytest.raises(InvalidInputError):
            client.kits.create(KitRequest(max_devices=0))


def test_files_are_ordered_and_not_approved_by_the_same_person(town: Town) -> None:
    with town.client() as first, town.client() as second:
        order = first.files.order(town.device_id, CarveOrder("/var/log/x", "案件12"))
        assert [one.id for one in first.files.list(town.device_id)] == [order.id]
        with pytest.raises(NotPermittedError, match="another person"):
            first.files.approve(order.id)
        assert second.files.approve(order.id).state == "approved"
        town.host.pending = {}
        assert f"sekisho_carve_{order.id}" in town.host.read()["queries"]
        town.host.pending = {}


def test_controls_are_read_and_linted(town: Town) -> None:
    own = files("sekisho").joinpath("content/controls/disk-encrypted.yaml").read_text("utf-8")
    with town.client() as client:
        names = [one.id for one in client.controls.list()]
        assert "disk-encrypted" in names
        assert client.controls.get("disk-encrypted").statement["ja"]
        assert client.controls.lint(own).faults == []
        (fault, *_) = client.controls.lint(own.replace("severity: ", "severity: x")).faults
        assert own.splitlines()[fault.line - 1].startswith("severity:")
        with pytest.raises(NotFoundError):
            client.controls.get("../devices")


def test_findings_are_read_and_given_to_somebody(town: Town) -> None:
    with town.client() as client:
        found = client.findings.list(severity="critical").findings
        (disk,) = [one for one in found if "disk-encrypted" in one.key]
        assert disk.subject == f"device:{town.device_id}"
        assert client.findings.assign(disk.id, None).owner is None
        with pytest.raises(NotFoundError):
            client.findings.assign("fnd_nobody", None)


def test_notices_are_read(town: Town) -> None:
    with town.client("self.read", "notices.read") as client:
        kinds = {notice.kind for notice in client.notices.list().notices}
        assert kinds <= {"device.files_asked"}  # of the person whose token it is
        assert client.notices.queue(status="dead").total == 0
        assert client.notices.queue(page=1).deliveries == []
        with pytest.raises(NotPermittedError):  # a matter for persons
            client.notices.send_again(Again())


def test_reports_are_read(town: Town) -> None:
    with town.client("cases.read") as client:
        assert client.reports.list(kind="lost").reports == []
        assert client.reports.list(search="nobody").total == 0
        with pytest.raises(InvalidInputError):
            client.reports.list(status="lost")
        with pytest.raises(NotFoundError):
            client.reports.get("rep_nobody")
    with town.client("devices.read") as client, pytest.raises(NotPermittedError):
        client.reports.list()


def test_whether_a_device_may_come_in_is_told(town: Town) -> None:
    with town.client() as client:
        state = client.devices.access(town.device_id)
        assert state.device == town.device_id
        assert state.kind == "unknown"  # nobody said anything about backups
        assert ("disk-encrypted", "fail") in {(why.control, why.verdict) for why in state.reasons}
        assert state.computed_at < state.valid_until
        with pytest.raises(NotFoundError):
            client.devices.access("dev_nobody")
        with pytest.raises(NotFoundError):
            client.devices.access_of_person("per_nobody")


def test_resources_are_published_and_policies_proposed(town: Town) -> None:
    wiki = ResourceView(
        kind=ResourceKind.HTTP, public_host="wiki.example.jp", name_ja="社内Wiki",
        upstreams=[UpstreamView("10.0.0.5", 443, tls=True)], most_mfa_minutes=60,
    )  # fmt: skip
    everybody = PolicyView(
        "everybody", '@id("everybody") permit(principal, action, resource);', title_en="All"
    )
    with town.client("access.read", "access.write") as client:
        made = client.access.put_resource("wiki", wiki)
        assert (made.key, made.version, made.most_mfa_minutes) == ("wiki", 1, 60)
        changed = client.access.put_resource("wiki", replace_struct(wiki, note="n"), version=1)
        assert (changed.id, changed.version, changed.note) == (made.id, 2, "n")
        with pytest.raises(ConflictError):
            client.access.put_resource("wiki", wiki, version=1)
        with pytest.raises(InvalidInputError):
            client.access.put_resource("Wiki!", wiki)
        assert client.access.get_resource("wiki") == changed
        assert changed in client.access.list_resources().resources
        now = client.access.show_policies().number
        asked = client.access.propose_policies(Proposal([everybody], now, "first"))
        assert asked.state == "waiting"  # for another person than the one whose token it is
        assert asked.policies == [everybody]
        assert client.access.list_versions().versions[0] == asked
        assert client.access.show_policies().number == now
        client.access.remove_resource("wiki")
        with pytest.raises(NotFoundError):
            client.access.get_resource("wiki")


def test_evidence_is_read_and_signed(town: Town) -> None:
    with town.client() as client:
        page = client.evidence.records(kind="device.enrolled", limit=1)
        (enrolled,) = page.records
        assert client.evidence.record(enrolled.id).detail == enrolled.detail
        assert client.evidence.state().sealed_at is not None
        written = client.evidence.write_checkpoint()
        assert written.key_id in {key.id for key in client.evidence.signing_keys()}
        lines = client.evidence.checkpoints().splitlines()
        assert all(json.loads(line) for line in lines)
        assert lines
        with pytest.raises(NotPermittedError):  # no token may do that, only a person
            client.evidence.erase(Erasure("no longer needed", records=[enrolled.id]))


def test_a_wrong_ended_or_narrow_token_is_told_apart(town: Town) -> None:
    with Client(town.up.url, Secret("sekisho_nobody")) as client:
        with pytest.raises(UnauthenticatedError) as told:
            client.devices.list()
        assert str(told.value.message)
    with Client(town.up.url, town.token("devices.read", life=timedelta(seconds=2))) as client:
        assert client.devices.list().total >= 1
        _wait_for(client.devices.list, UnauthenticatedError)
    with town.client("devices.read") as client:
        assert client.devices.list().total >= 1
        with pytest.raises(NotPermittedError):
            client.evidence.state()
        with pytest.raises(NotPermittedError):
            client.kits.create(KitRequest())


def _wait_for(ask: Callable[[], object], kind: type[Exception]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            ask()
        except kind:
            return
        time.sleep(0.3)
    pytest.fail(f"{kind.__name__} never came")


def test_an_id_cannot_lead_to_another_address(town: Town) -> None:
    with town.client() as client:
        for name in ("../../evidence/state", "x?y=1", "a/b", "%2e%2e", "é漢"):
            with pytest.raises(SekishoError) as told:
                client.devices.get(name)
            assert not isinstance(told.value, UnavailableError)


def test_no_server_and_no_server_of_ours_are_said(town: Town, tmp_path: Path) -> None:
    token = town.token("devices.read")
    with (
        Client("http://127.0.0.1:9", token) as client,
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"),
    ):
        client.devices.list()
    box = SecretBox(bytes(32))
    CertificateAuthority.load_or_create(tmp_path / "ca", box, "other", SystemClock().now())
    with (
        Client(town.up.public_url, token, tmp_path / "ca" / "ca.pem") as client,
        pytest.raises(UnavailableError, match="certificate"),
    ):
        client.devices.list()
    with (
        Client(town.up.public_url, token) as client,
        pytest.raises(UnavailableError, match="certificate"),
    ):
        client.devices.list()
    with Client(town.up.public_url, token, town.up.data / "ca" / "ca.pem") as client:
        with pytest.raises(SekishoError) as told:
            client.devices.list()  # the listener of devices serves no such address
        assert not isinstance(told.value, UnavailableError)


@pytest.mark.parametrize("content", [None, b"", b"no PEM"])
def test_a_ca_file_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"ca\.pem"):
        Client("https://127.0.0.1:1", Secret("x"), path)


def test_every_documented_address_has_a_method(town: Town) -> None:
    """Add a method for a new address to the client, or its prefix to ``LEFT_OUT``."""
    headers = {"Authorization": f"Bearer {town.token(*SECURITY).reveal()}"}
    document = httpx.get(f"{town.up.url}/api/schema/openapi.json", headers=headers).json()
    documented = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        if path.startswith("/api/") and not path.startswith(LEFT_OUT)
        for method in methods
    }
    assert len(documented) > 25
    assert _asked_by_the_client() == documented


def _asked_by_the_client() -> set[tuple[str, str]]:
    """Read from its source which method and address each function of the client asks."""
    modules: tuple[ModuleType, ...] = (
        access, acts, controls, detection, devices, evidence, findings, kits, notices, reports,
        whole,
    )  # fmt: skip
    kinds: list[Any] = [
        kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]  # fmt: skip
    asked = set()
    for kind in kinds:
        for name, function in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                source = inspect.getsource(function)
                (method,) = re.findall(r'"(GET|POST|PUT|DELETE|PATCH)"', source)
                (path,) = re.findall(r'"(/api/[^"]+)"', source)
                asked.add((method, path))
    return asked
