"""Enrolment: kits, identifiers, the owner's consent, keys and certificates."""

import base64
import datetime as dt
import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.osquery_server import OsqueryServer
from sekisho.agent import certificate, enrol, keys
from sekisho.agent.enrol import EnrolmentError
from sekisho.agent.session import fetch_config
from sekisho.agent.state import State
from sekisho.wire.errors import MessageError
from sekisho.wire.kit import Kit, Ownership
from sekisho.wire.manifest import Manifest, SignedManifest
from support.agent import MakeSession, make_kit, sign


def test_an_ended_kit_is_refused(server: OsqueryServer, tmp_path: Path) -> None:
    kit = make_kit(server).to_json().replace("2036", "2016")
    path = tmp_path / "kit.json"
    path.write_text(kit)

    with pytest.raises(EnrolmentError, match="Ask for a new kit"):
        enrol.read_kit(path)
    with pytest.raises(EnrolmentError, match="cannot be read"):
        enrol.read_kit(tmp_path / "none")
    path.write_text("{}")
    with pytest.raises(EnrolmentError, match="format"):
        enrol.read_kit(path)


def _pack(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_the_archive_of_a_kit_is_read_as_it_was_handed_out(
    server: OsqueryServer, tmp_path: Path
) -> None:
    kit = make_kit(server)
    path = tmp_path / "sekisho-kit.zip"
    path.write_bytes(_pack({"README.md": b"#", "sekisho-kit.json": kit.to_json().encode()}))

    assert enrol.read_kit(path) == kit


_GOOD = _pack({"sekisho-kit.json": b"{}" * 200})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_pack({"other.json": b"{}"}), "an archive without sekisho-kit.json"),
        (_pack({"sekisho-kit.json": b"{"}), "is not a kit"),
        (_pack({"sekisho-kit.json": b" " * (1 << 21)}), "larger than 1048576 bytes"),
        (_GOOD[:60], "damaged archive"),
        (_GOOD.replace(b"\xab", b"\xac", 1), "damaged archive|is not a kit"),
        (_GOOD[:30] + bytes(20) + _GOOD[50:], "damaged archive|without sekisho-kit.json"),
        (b"PK\x03\x04" + bytes(9 << 20), "larger than 8388608 bytes"),
        (b" " * (1 << 21), "larger than 1048576 bytes"),
        (b"", "is not a kit"),
        (b"\xff\xfe\x00", "is not a kit"),
    ],
    ids=[
        "other",
        "torn-json",
        "large",
        "cut",
        "changed",
        "holed",
        "bomb",
        "spaces",
        "empty",
        "rubbish",
    ],
)
def test_what_is_no_kit_is_refused_with_its_reason(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "kit"
    path.write_bytes(content)

    with pytest.raises(EnrolmentError, match=said):
        enrol.read_kit(path)


@settings(deadline=None)
@example(where=len(_GOOD) - 4, what=1)  # the directory would begin before the file
@given(where=st.integers(0, len(_GOOD) - 1), what=st.integers(0, 255))
def test_a_changed_byte_in_an_archive_is_an_enrolment_error(where: int, what: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kit.zip"
        path.write_bytes(_GOOD[:where] + bytes([what]) + _GOOD[where + 1 :])

        with pytest.raises(EnrolmentError):
            enrol.read_kit(path)


@pytest.mark.parametrize(
    ("ownership", "hardware", "taken"),
    [
        (Ownership.COMPANY, "4C4C4544-0042-3510-8051-B4C04F4D4E32", True),
        (Ownership.PRIVATE, "4C4C4544-0042-3510-8051-B4C04F4D4E32", False),
        (Ownership.COMPANY, "00000000-0000-0000-0000-000000000000", False),
        (Ownership.COMPANY, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", False),
        (Ownership.COMPANY, "-1", False),
        (Ownership.COMPANY, "", False),
    ],
)
def test_only_a_company_device_with_a_real_uuid_is_known_by_it(
    ownership: Ownership, hardware: str, taken: bool
) -> None:
    chosen = enrol.choose_identifier(ownership, "random", hardware)

    assert chosen == (hardware if taken else "random")


def test_random_identifiers_are_uuids_and_differ() -> None:
    made = {enrol.make_identifier() for _ in range(50)}

    assert len(made) == 50
    assert all(len(one) == 36 and one[14] == "4" and one[19] in "89ab" for one in made)


def test_a_retry_keeps_the_identifier(server: OsqueryServer, tmp_path: Path) -> None:
    state = State(tmp_path / "a.db")
    kit = make_kit(server, Ownership.PRIVATE)

    enrol.prepare_state(state, kit, "")
    first = state.get("host_identifier")
    enrol.prepare_state(state, kit, "")

    assert state.get("host_identifier") == first


def test_the_owner_reads_the_manifest_and_agrees(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session(Ownership.PRIVATE)
    signed = sign(server, [("os_version", "major")])
    server.behaviour.config["sekisho_manifest"] = signed.to_message()
    seen: list[Manifest] = []

    def consent(_kit: Kit, manifest: Manifest) -> bool:
        seen.append(manifest)
        return True

    enrol.enrol_device(session, consent)

    assert seen[0].reads == {("os_version", "major")}
    assert server.taken.consents[0]["text_version"] == enrol.CONSENT_VERSION
    assert dt.datetime.fromisoformat(server.taken.consents[0]["accepted_at"]).tzinfo is not None
    assert session.gate().approved == {("os_version", "major")}


def test_who_refuses_is_forgotten(server: OsqueryServer, make_session: MakeSession) -> None:
    session = make_session(Ownership.PRIVATE)
    server.behaviour.config["sekisho_manifest"] = sign(server, [("users", "uid")]).to_message()

    with pytest.raises(EnrolmentError, match="not agreed"):
        enrol.enrol_device(session, lambda _kit, _manifest: False)

    assert server.taken.consents == []
    assert session.state.get("node_key") == ""
    assert session.state.get("kit") == ""


def test_without_a_signed_manifest_nothing_is_approved(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session(Ownership.PRIVATE)

    with pytest.raises(EnrolmentError, match="no signed manifest"):
        enrol.enrol_device(session, lambda _kit, _manifest: True)

    assert session.gate().approved == frozenset()
    assert server.taken.consents == []


def test_a_wider_manifest_waits_for_the_owner(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session(Ownership.PRIVATE)
    first = sign(server, [("os_version", "major")])
    server.behaviour.config["sekisho_manifest"] = first.to_message()
    enrol.enrol_device(session, lambda _kit, _manifest: True)
    wider = sign(server, [("os_version", "major"), ("users", "uid")])
    server.behaviour.config["sekisho_manifest"] = wider.to_message()

    fetch_config(session)
    assert session.gate().approved == {("os_version", "major")}
    assert ("users", "uid") in session.gate().offered
    enrol.approve(session.state)

    assert ("users", "uid") in session.gate().approved


def test_the_device_gets_a_certificate_for_its_own_key(make_session: MakeSession) -> None:
    session = make_session()
    enrol.enrol_device(session, lambda _kit, _manifest: True)

    certificate.request_certificate(session)

    folder = session.state.path.parent
    key = load_pem_private_key((folder / keys.KEY).read_bytes(), None)
    issued = x509.load_pem_x509_certificate((folder / certificate.CERTIFICATE).read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert issued.public_key() == key.public_key()
    assert (folder / keys.KEY).stat().st_mode & 0o777 == 0o600
    assert session.state.get("key_storage") in {"file", "tpm"}
    assert not certificate.renew_if_due(session)


def test_a_certificate_that_has_ended_is_refused_and_the_old_key_stays(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    enrol.enrol_device(session, lambda _kit, _manifest: True)
    certificate.request_certificate(session)
    folder = session.state.path.parent
    before = (folder / keys.KEY).read_bytes()
    server.behaviour.certificate_days = 0

    with pytest.raises(MessageError, match="has ended"):
        certificate.request_certificate(session)

    assert (folder / keys.KEY).read_bytes() == before


@pytest.mark.parametrize(("now", "due"), [(0, False), (199, False), (200, True), (301, True)])
def test_a_certificate_is_renewed_at_two_thirds_of_its_life(now: float, due: bool) -> None:
    assert certificate.is_renewal_due(0, 300, now) is due


@given(st.binary(min_size=64, max_size=64), st.text(max_size=40))
def test_no_other_signature_is_taken_for_the_organisations(raw: bytes, payload: str) -> None:
    key = base64.b64encode(_KEY.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(raw).decode()

    assert not keys.is_signed(SignedManifest(payload, signature), key)


def test_signatures_are_bound_to_their_purpose_and_checked_in_a_process_of_their_own() -> None:
    key = base64.b64encode(_KEY.public_key().public_bytes_raw()).decode()
    payload = "{}"
    good = SignedManifest(payload, "")
    signed = base64.b64encode(_KEY.sign(good.signed_bytes())).decode()
    bare = base64.b64encode(_KEY.sign(payload.encode())).decode()

    assert keys.run_verify(SignedManifest(payload, signed), key)
    assert not keys.run_verify(SignedManifest(payload, bare), key)
    assert not keys.run_verify(SignedManifest(payload, signed), "AAAA")
    assert not keys.run_verify(SignedManifest(payload + " ", signed), key)


_KEY = Ed25519PrivateKey.generate()
