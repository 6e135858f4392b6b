"""Private PCs: least is taken, consent comes first, a pause is a pause, withdrawal deletes."""

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from fakes.osqueryd import FailedError, Osqueryd
from sekisho.devices.consent import CONSENT_VERSION, consent_text
from sekisho.devices.kitfiles import KitSite, write_flags
from sekisho.devices.model import DeviceState, KitKind, Ownership, Platform
from sekisho.devices.service import certificates, inventory, privacy
from sekisho.devices.service.manifest import manifest_public_key
from sekisho.devices.store.tables import WORDS
from sekisho.devices.web.device import read_key
from sekisho.devices.words import KEY_STORAGE_WORDS
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.wire.manifest import Manifest, SignedManifest

Client = TestClient[Litestar]

OWNER = Principal(PrincipalKind.PERSON, "per_aoki", "青木", frozenset({"self.read", "self.write"}))
STRANGER = Principal(PrincipalKind.PERSON, "per_x", "誰か", frozenset({"self.read", "self.write"}))
AGENT = "sekisho-agent/0.1"


@pytest.fixture
def private(make_osqueryd: Any, make_kit: Any) -> Osqueryd:
    secret = make_kit(ownership=Ownership.PRIVATE, owner_id=OWNER.id).secret.reveal()
    host: Osqueryd = make_osqueryd(secret=secret, version=AGENT)
    host.enroll()
    return host


def the_device(database: Database) -> Any:
    with database.read(SYSTEM) as tx:
        (device,) = inventory.list_devices(tx).devices
    return device


def agent(client: Client, host: Osqueryd, path: str, **message: object) -> Any:
    headers = {"Authorization": f"NodeKey {host.node_key}"}
    if not message and path in {"manifest", "notice"}:
        return client.get(f"/api/agent/{path}", headers=headers).json()
    return client.post(f"/api/agent/{path}", json=message, headers=headers).json()


def consent(client: Client, host: Osqueryd) -> None:
    reply = agent(client, host, "consent", node_key=host.node_key, text_version=CONSENT_VERSION)
    assert reply == {"state": "active"}


@pytest.mark.usefixtures("private")
def test_names_and_serials_are_dropped_at_the_door(database: Database) -> None:
    device = the_device(database)
    assert (device.serial, device.hostname, device.model) == ("", "", "")
    with database.read(SYSTEM) as tx:
        for record in evidence.list_records(tx):
            assert "SAEKI" not in json.dumps(record.detail)
            assert "JP-0001" not in json.dumps(record.detail)


def test_no_answer_is_taken_before_consent(
    private: Osqueryd, client: Client, judged: Any, database: Database
) -> None:
    assert the_device(database).state is DeviceState.CONSENT
    assert private.read() == {"queries": {}}
    private.pending = {"queries": {"fleet_policy_query_firewall@1": [{"1": "1"}]}}
    assert private.write() == {}
    private.snapshot("pack/sekisho/fleet_policy_query_firewall@1", [{"1": "1"}], 1795395600)
    assert private.log() == {}
    assert judged() == {}
    wrong = agent(client, private, "consent", text_version="2019-01")
    assert "2019-01" in wrong["error"]
    assert agent(client, private, "notice")["consent_needed"] is True
    consent(client, private)
    device = the_device(database)
    assert (device.state, device.consent_version) == (DeviceState.ACTIVE, CONSENT_VERSION)
    assert device.consented_at is not None
    assert private.read()["queries"]


def test_only_yes_and_no_are_asked_and_more_is_refused_and_recorded(
    private: Osqueryd, client: Client, judged: Any, database: Database
) -> None:
    consent(client, private)
    asked = private.read()["queries"]
    assert not any(name.startswith("sekisho_detail_") for name in asked)
    name = "fleet_policy_query_firewall@1"
    private.pending["queries"][name] = [{"name": "Ayumi's Photos", "1": "1"}]
    private.write()
    verdict = judged()["firewall"]
    assert (verdict.kind, verdict.rows) == ("unknown", ())
    assert "status 1" in str(verdict.message)
    assert judged()["rdp-off"].kind == "pass"
    with database.read(SYSTEM) as tx:
        (record,) = evidence.list_records(tx, kind="device.answer_refused")
    assert record.detail is not None
    assert record.detail["queries"] == [name]
    assert "Photos" not in json.dumps(record.detail)


def test_the_address_is_kept_as_a_network_only(
    private: Osqueryd, database: Database, client: Client
) -> None:
    private.config()
    client.app.state["desk"].flush()
    assert the_device(database).address in {"", "127.0.0.0/24"}


def test_a_pause_stops_questions_and_only_the_owner_ends_it(
    private: Osqueryd, client: Client, judged: Any, database: Database
) -> None:
    consent(client, private)
    private.read()
    assert agent(client, private, "pause", paused=True) == {"state": "paused"}
    assert private.write() == {}
    assert judged() == {}
    assert private.read() == {"queries": {}}
    device = the_device(database)
    refused = client.post(f"/api/devices/{device.id}/resume")
    assert refused.status_code == 403
    assert agent(client, private, "pause", paused=False) == {"state": "active"}


def test_every_look_at_a_persons_device_is_recorded_and_shown_to_them(
    private: Osqueryd, client: Client, database: Database, clock: Any
) -> None:
    device = the_device(database)
    for _ in range(2):
        assert client.get(f"/api/devices/{device.id}/verdicts").status_code == 200
    clock.advance(minutes=16)
    client.get(f"/api/devices/{device.id}/verdicts")
    client.app.state["principal"] = OWNER
    assert client.get(f"/api/devices/{device.id}").status_code == 200
    looks = client.get(f"/api/devices/{device.id}/looks").json()
    assert [(look["who"], look["what"]) for look in looks] == [("佐伯 航", "verdicts")] * 2
    assert [each["who"] for each in agent(client, private, "notice")["looks"]] == ["佐伯 航"] * 2
    with database.read(SYSTEM) as tx:
        assert len(evidence.list_records(tx, kind="device.looked_at")) == 2


@pytest.mark.usefixtures("private")
def test_strangers_do_not_learn_that_a_device_is_there(client: Client, database: Database) -> None:
    device = the_device(database)
    client.app.state["principal"] = STRANGER
    for path in ("", "/verdicts", "/looks", "/certificates"):
        assert client.get(f"/api/devices/{device.id}{path}").status_code == 404
    for act in ("withdraw", "pause", "resume", "check-now"):
        assert client.post(f"/api/devices/{device.id}/{act}").status_code == 404
    assert client.get("/api/devices").status_code == 403
    assert client.post(f"/api/devices/{device.id}/approve").status_code == 403


def test_withdrawal_in_one_click_deletes_and_leaves_the_least(
    private: Osqueryd, client: Client, database: Database
) -> None:
    consent(client, private)
    private.read()
    private.write()
    device = the_device(database)
    key = ec.generate_private_key(ec.SECP256R1())
    serial = agent(client, private, "certificate", csr=request_pem(key))["serial"]
    client.get(f"/api/devices/{device.id}")
    client.app.state["principal"] = OWNER
    assert client.post(f"/api/devices/{device.id}/withdraw").status_code == 200
    with pytest.raises(FailedError, match="node_invalid"):
        private.config()
    with database.read(SYSTEM) as tx:
        left = evidence.list_records(tx, subject=f"device:{device.id}")
        assert [record.kind for record in left if record.detail is not None] == ["device.withdrawn"]
        assert privacy.list_looks(tx, device.id) == []
        assert certificates.find_certificate_holder(tx, serial, tx.now) is None
        assert certificates.list_certificates(tx, device.id) == []
        assert inventory.list_devices(tx).total == 0
        assert [row.words.split() for row in tx.rows(select(WORDS))] == [[device.id.casefold()]]
    assert client.post(f"/api/devices/{device.id}/withdraw").status_code == 404


def test_the_manifest_is_computed_from_the_sql_signed_and_stays_the_same(
    private: Osqueryd, client: Client, database: Database, box: Any, clock: Any
) -> None:
    message = private.config()["sekisho_manifest"]
    clock.advance(days=2)
    assert private.config()["sekisho_manifest"] == message
    assert agent(client, private, "manifest") == message
    signed = SignedManifest.parse(message)
    with database.write(SYSTEM) as tx:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(manifest_public_key(tx, box)))
    key.verify(signed.signature_bytes(), signed.signed_bytes())
    manifest = Manifest.parse(signed.payload)
    assert manifest.ownership is Ownership.PRIVATE
    assert ("os_version", "name") in manifest.reads
    assert {table for table, _ in manifest.reads} <= {"os_version", "osquery_info"}


def test_no_private_pc_is_ever_carved(
    private: Osqueryd, client: Client, database: Database
) -> None:
    consent(client, private)
    device = the_device(database)
    order = {"path": "/etc/passwd", "reason": "?"}
    assert client.post(f"/api/devices/{device.id}/carves", json=order).status_code == 403
    with pytest.raises(FailedError, match="No files were asked"):
        private.carve("guid", b"x", 1)


def test_osqueryd_on_a_private_pc_has_no_other_tables(client: Client) -> None:
    made = client.post("/api/devices/kits", json={"ownership": "private"}).json()
    flags = made["files"]["windows/osquery.flags"]
    (allowed,) = [line for line in flags.splitlines() if line.startswith("--enable_tables=")]
    assert "os_version" in allowed
    assert "processes" not in allowed
    assert "--disable_carver=true" in flags
    assert "--host_identifier=instance" in flags
    assert json.loads(made["files"]["sekisho-kit.json"])["secret"] == made["secret"]
    assert made["secret"] not in client.get("/api/devices/kits").text


def test_an_incident_kit_may_carve_but_never_on_a_private_pc(client: Client) -> None:
    made = client.app.state["desk"].files
    site = KitSite("o", "https://h:8443", made.authority.certificate_pem, "")
    company = write_flags(site, Ownership.COMPANY, Platform.LINUX, (), carve=True)
    private = write_flags(site, Ownership.PRIVATE, Platform.LINUX, (), carve=True)
    assert "--carver_start_endpoint=/api/osquery/carve/begin" in company
    assert "--tls_hostname=h:8443" in company
    assert "carver_start_endpoint" not in private


def test_the_consent_text_exists_in_both_languages() -> None:
    for language in ("ja", "en"):
        text = consent_text(language, "試験商事")
        assert "試験商事" in text
        assert CONSENT_VERSION in text
        assert "{" not in text


def request_pem(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anything")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def test_a_certificate_is_for_a_week_for_one_device_and_can_be_revoked(
    make_osqueryd: Any, client: Client, database: Database, clock: Any, files: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    key = ec.generate_private_key(ec.SECP256R1())
    reply = agent(client, host, "certificate", node_key=host.node_key, csr=request_pem(key))
    certificate = x509.load_pem_x509_certificate(reply["certificate_pem"].encode())
    certificate.verify_directly_issued_by(files.authority.certificate)
    assert (certificate.not_valid_after_utc - clock.now()).days == 7
    device = the_device(database)
    with database.read(SYSTEM) as tx:
        serial = reply["serial"]
        assert certificates.find_certificate_holder(tx, serial, clock.now()) == device.id
    other = make_osqueryd(host_identifier="other", serial="JP-2")
    other.enroll()
    stolen = agent(client, other, "certificate", csr=request_pem(key))
    assert "another device" in stolen["error"]
    assert "P-256" in agent(client, host, "certificate", csr="-----BEGIN")["error"]
    assert client.delete(f"/api/devices/{device.id}/certificates").status_code == 204
    with database.read(SYSTEM) as tx:
        assert certificates.find_certificate_holder(tx, serial, clock.now()) is None


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        *(("tpm", "tpm"), ("cng", "cng"), ("keychain", "keychain"), ("file", "file")),
        *(("", ""), ("a vault under the sea", "")),
    ],
)
def test_where_the_key_lies_is_kept_as_the_device_says_it(
    make_osqueryd: Any, client: Client, database: Database, said: str, kept: str
) -> None:
    host = make_osqueryd()
    host.enroll()
    key = ec.generate_private_key(ec.SECP256R1())

    agent(client, host, "certificate", csr=request_pem(key), key_storage=said)

    device = the_device(database)
    with database.read(SYSTEM) as tx:
        assert [one.key_storage for one in certificates.list_certificates(tx, device.id)] == [kept]
        shown = read_key(tx, device.id)
    assert shown == KEY_STORAGE_WORDS.get(kept)


def test_certificates_are_forgotten_ninety_days_after_their_end(
    make_osqueryd: Any, client: Client, database: Database, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    for days in (0, 7 + 89, 2):  # the first ends after seven days
        clock.advance(days=days)
        key = ec.generate_private_key(ec.SECP256R1())
        if days != 2:
            agent(client, host, "certificate", csr=request_pem(key))
        device = the_device(database)
        with database.write(SYSTEM) as tx:
            assert certificates.forget_ended_certificates(tx) == (days == 2)
    with database.read(SYSTEM) as tx:
        assert len(certificates.list_certificates(tx, device.id)) == 1


def test_a_withdrawn_company_devices_certificates_are_revoked_and_stay_known(
    make_osqueryd: Any, client: Client, database: Database
) -> None:
    host = make_osqueryd()
    host.enroll()
    key = ec.generate_private_key(ec.SECP256R1())
    serial = agent(client, host, "certificate", csr=request_pem(key))["serial"]
    device = the_device(database)

    assert client.post(f"/api/devices/{device.id}/withdraw").status_code == 200

    with database.read(SYSTEM) as tx:
        assert certificates.find_certificate_holder(tx, serial, tx.now) is None
        (kept,) = certificates.list_certificates(tx, device.id)
        assert kept.serial == serial
        assert kept.revoked_at == tx.now


def test_a_device_that_waits_gets_no_certificate(
    make_osqueryd: Any, make_kit: Any, client: Client
) -> None:
    host = make_osqueryd(secret=make_kit(KitKind.GROUP).secret.reveal())
    host.enroll()
    key = ec.generate_private_key(ec.SECP256R1())
    assert (
        "waiting for approval" in agent(client, host, "certificate", csr=request_pem(key))["error"]
    )
