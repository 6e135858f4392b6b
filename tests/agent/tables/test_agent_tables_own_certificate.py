"""The certificate that the agent itself holds is among the certificates, wherever it is kept."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from sekisho.agent.table import Column, Table, Where
from sekisho.agent.tables.certificates import OWN_CERTIFICATE, offer_own
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox


def _others(_where: Where) -> Iterator[Mapping[str, object]]:
    yield {"common_name": "other", "path": "/etc/ssl/other.pem"}


TABLES = {"certificates": Table("certificates", (Column("common_name", "TEXT"),), _others)}


def test_nothing_is_added_before_there_is_one(tmp_path: Path) -> None:
    rows = list(offer_own(TABLES, tmp_path)["certificates"].rows({}))

    assert [row["common_name"] for row in rows] == ["other"]


def test_the_agents_own_certificate_comes_first(tmp_path: Path) -> None:
    authority = CertificateAuthority.load_or_create(
        tmp_path / "ca", SecretBox(bytes(32)), "港", datetime(2026, 11, 24, tzinfo=UTC)
    )
    issued = authority.issue_server(["dev.example"], datetime(2026, 11, 24, tzinfo=UTC))
    (tmp_path / OWN_CERTIFICATE).write_text(issued.certificate_pem)

    rows = list(offer_own(TABLES, tmp_path)["certificates"].rows({}))

    assert [row["common_name"] for row in rows] == ["dev.example", "other"]
    assert "Sekisho CA" in str(rows[0]["issuer"])


def test_a_system_without_the_table_stays_without(tmp_path: Path) -> None:
    assert offer_own({}, tmp_path) == {}
