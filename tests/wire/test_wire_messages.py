"""Kits and manifests: what is written is read again, and every fault names its field."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.wire.errors import MessageError
from sekisho.wire.kit import Kit, Ownership
from sekisho.wire.manifest import Manifest, SignedManifest

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
KIT = Kit(
    kit_id="kit_1",
    organisation="株式会社サンプル",
    server_url="https://sekisho.example.jp:8443",
    ca_pem=PEM,
    secret="s3cret",
    ownership=Ownership.PRIVATE,
    manifest_key="AAAA",
    expires_at=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
)


def test_a_kit_is_read_as_it_was_written() -> None:
    assert Kit.parse(KIT.to_json()) == KIT


def test_a_kit_does_not_show_its_secret() -> None:
    assert "s3cret" not in repr(KIT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"format": True}, "true or false"),
        ({"kit_id": ""}, "“kit_id”"),
        ({"secret": None}, "“secret”"),
        ({"secret": 5}, "“secret”"),
        ({"server_url": "http://x"}, "expected https"),
        ({"server_url": "https://"}, "expected https"),
        ({"server_url": "https://x/path"}, "no path"),
        ({"server_url": "https://u@x"}, "no path"),
        ({"server_url": "https://x:99999"}, "expected https"),
        ({"ca_pem": "nothing"}, "no certificate"),
        ({"ownership": "mine"}, "“company” or “private”"),
        ({"expires_at": "tomorrow"}, "expected a time"),
        ({"expires_at": "2027-01-01T00:00:00"}, "with its zone"),
    ],
)
def test_a_wrong_kit_is_refused_by_the_field(change: dict[str, object], message: str) -> None:
    wrong = json.dumps(json.loads(KIT.to_json()) | change)

    with pytest.raises(MessageError, match=message):
        Kit.parse(wrong)


@pytest.mark.parametrize("raw", [b"", b"[]", b"nonsense", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(MessageError, match="expected one JSON object"):
        Kit.parse(raw)


NAMES = st.text(min_size=1, max_size=10)


@given(st.sets(st.tuples(NAMES, st.text(max_size=10))), st.dictionaries(NAMES, NAMES, max_size=4))
def test_a_manifest_is_read_as_it_was_written(
    reads: set[tuple[str, str]], queries: dict[str, str]
) -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    manifest = Manifest("組織", Ownership.COMPANY, at, frozenset(reads), queries)

    assert Manifest.parse(manifest.to_payload()) == manifest


def test_payload_and_signature_make_the_digest() -> None:
    one, other = SignedManifest("{}", "a"), SignedManifest("{}", "b")

    assert one.digest() != other.digest()
    assert SignedManifest.parse(one.to_message()) == one


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA"])
def test_a_signature_of_another_length_is_refused(signature: str) -> None:
    with pytest.raises(MessageError):
        SignedManifest("{}", signature).signature_bytes()


@pytest.mark.parametrize(
    "tables", [{"users": "uid"}, {"users": [1]}, {"users": None}, ["users"], "users"]
)
def test_a_manifest_with_wrong_tables_is_refused(tables: object) -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    good = Manifest("o", Ownership.COMPANY, at, frozenset({("users", "uid")}), {})
    wrong = json.dumps(json.loads(good.to_payload()) | {"tables": tables})

    with pytest.raises(MessageError, match=r"users|tables"):
        Manifest.parse(wrong)
