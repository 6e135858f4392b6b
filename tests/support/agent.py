"""What the agent's tests build with: kits, signed manifests, and small tables of their own."""

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization

from fakes.osquery_server import SECRET, OsqueryServer
from sekisho.agent.session import Session
from sekisho.agent.table import Column, Row, Table, Unreadable, Where
from sekisho.wire.kit import Kit, Ownership
from sekisho.wire.manifest import Manifest, SignedManifest

MakeSession = Callable[..., Session]


def make_kit(server: OsqueryServer, ownership: Ownership = Ownership.COMPANY) -> Kit:
    key = server.signing_key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    return Kit(
        kit_id="kit_1",
        organisation="Example Corp",
        server_url=server.url,
        ca_pem=server.authority.pem,
        secret=SECRET,
        ownership=ownership,
        manifest_key=base64.b64encode(key).decode(),
        expires_at=dt.datetime(2036, 1, 1, tzinfo=dt.UTC),
    )


def sign(
    server: OsqueryServer,
    reads: Iterable[tuple[str, str]],
    ownership: Ownership = Ownership.PRIVATE,
    **queries: str,
) -> SignedManifest:
    manifest = Manifest(
        "Example Corp",
        ownership,
        dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        frozenset(reads),
        queries,
    )
    unsigned = SignedManifest(manifest.to_payload(), "")
    signature = server.signing_key.sign(unsigned.signed_bytes())
    return SignedManifest(unsigned.payload, base64.b64encode(signature).decode())


def table(
    name: str, columns: Mapping[str, str], rows: Iterable[Row], pushed: Iterable[str] = ()
) -> Table:
    kept = list(rows)
    made = tuple(Column(*pair) for pair in columns.items())
    return Table(name, made, lambda _where: kept, frozenset(pushed))


def sample_tables() -> dict[str, Table]:
    """os_version as on Linux, a list of people, and a table that cannot be read."""

    def refuse(_where: Where) -> Iterable[Row]:
        raise Unreadable("permission denied")

    made = [
        table(
            "os_version",
            {"name": "TEXT", "version": "TEXT", "major": "INTEGER", "platform": "TEXT"},
            [{"name": "Debian", "version": "12.4", "major": "12", "platform": "debian"}],
        ),
        table(
            "users",
            {"uid": "BIGINT", "username": "TEXT"},
            [{"uid": 0, "username": "root"}, {"uid": 1000, "username": "hanako"}],
        ),
        Table("locked", (Column("secret"),), refuse),
        table(
            "system_info",
            {"uuid": "TEXT", "hostname": "TEXT", "hardware_serial": "TEXT"},
            [{"uuid": "4C4C4544-0042-1234", "hostname": "hanako-pc", "hardware_serial": "S1"}],
        ),
    ]
    return {one.name: one for one in made}


def kept_results(session: Session) -> dict[str, Any]:
    return {name: json.loads(body) for name, body in session.state.list_results().items()}
