"""What our own agent asks beyond osquery's protocol: certificate, consent, manifest, notice.

The device shows its node key as ``Authorization: NodeKey …`` (or in the body, as osquery does)
and acts as itself. Errors have the same shape as in osquery's API.
"""

import asyncio
from typing import Any

import msgspec
from litestar import Response, get, post

from sekisho.devices import protocol
from sekisho.devices.api.exchange import AnyRequest, Exchange, guarded
from sekisho.devices.consent import consent_text
from sekisho.devices.desk import Node
from sekisho.devices.service import certificates, lifecycle, privacy
from sekisho.devices.store import devices as store
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import preferred_language

_encode = msgspec.json.Encoder(order="sorted").encode


@post("/api/agent/certificate", status_code=200)
async def certificate(request: AnyRequest) -> Response[bytes]:
    """Sign the device's certificate request (PKCS #10, its own P-256 key) for seven days."""
    return await guarded(request, _certificate)


@post("/api/agent/consent", status_code=200)
async def consent(request: AnyRequest) -> Response[bytes]:
    """Take the consent that the owner of a private PC gave at its screen."""
    return await guarded(request, _consent)


@post("/api/agent/withdraw", status_code=200)
async def withdraw(request: AnyRequest) -> Response[bytes]:
    """End the enrolment at the owner's word; everything learned from the device is deleted."""
    return await guarded(request, _withdraw)


@post("/api/agent/pause", status_code=200)
async def pause(request: AnyRequest) -> Response[bytes]:
    """Pause (``{"paused": true}``) or go on (``false``)."""
    return await guarded(request, _pause)


@get("/api/agent/manifest")
async def manifest(request: AnyRequest) -> Response[bytes]:
    """Give the signed list of exactly which tables and columns are read on this device."""
    return await guarded(request, _manifest)


@get("/api/agent/notice")
async def notice(request: AnyRequest) -> Response[bytes]:
    """Give what the device shows its user: its state, the consent text, who looked."""
    return await guarded(request, _notice)


async def _certificate(exchange: Exchange) -> bytes:
    message = await exchange.read(protocol.CertificateRequest)
    node = await exchange.authenticate(message)
    authority = exchange.desk.files.authority

    def job(tx: Transaction) -> dict[str, str]:
        issued = certificates.issue_certificate(
            _as_device(tx, node), authority, node.id, message.csr, message.key_storage
        )
        return {
            "certificate_pem": issued.certificate_pem,
            "chain_pem": authority.certificate_pem,
            "serial": issued.serial,
            "not_after": issued.not_after.isoformat(),
        }

    return _encode(await exchange.desk.writer.write(job))


async def _consent(exchange: Exchange) -> bytes:
    message = await exchange.read(protocol.ConsentRequest)
    node = await exchange.authenticate(message)

    def job(tx: Transaction) -> store.RosterEntry | None:
        lifecycle.give_consent(_as_device(tx, node), node.id, message.text_version)
        return store.find_entry(tx, node.id)

    return await _changed(exchange, await exchange.desk.writer.write(job))


async def _withdraw(exchange: Exchange) -> bytes:
    node = await exchange.authenticate(await exchange.read(protocol.NodeRequest))

    def job(tx: Transaction) -> store.RosterEntry | None:
        lifecycle.withdraw_device(_as_device(tx, node), node.id)
        return store.find_entry(tx, node.id)

    return await _changed(exchange, await exchange.desk.writer.write(job))


async def _pause(exchange: Exchange) -> bytes:
    message = await exchange.read(protocol.PauseRequest)
    node = await exchange.authenticate(message)
    act = lifecycle.pause_device if message.paused else lifecycle.resume_device

    def job(tx: Transaction) -> store.RosterEntry | None:
        act(_as_device(tx, node), node.id)
        return store.find_entry(tx, node.id)

    return await _changed(exchange, await exchange.desk.writer.write(job))


async def _manifest(exchange: Exchange) -> bytes:
    node = await exchange.authenticate(protocol.NodeRequest())
    signed = await asyncio.to_thread(exchange.desk.sign_manifest, node)
    return _encode(dict(signed))


async def _notice(exchange: Exchange) -> bytes:
    node = await exchange.authenticate(protocol.NodeRequest())
    language = preferred_language(exchange.header(b"accept-language"))
    return _encode(await asyncio.to_thread(_read_notice, exchange, node, language))


def _read_notice(exchange: Exchange, node: Node, language: str) -> dict[str, Any]:
    with exchange.desk.database.read(node.principal) as tx:
        found = privacy.read_notice(tx, lifecycle.require_device(tx, node.id, "device.self"))
        looks = privacy.list_looks(tx, node.id, 50)
    return {
        "state": found.state.value,
        "consent_needed": found.consent_needed,
        "consent_version": found.consent_version,
        "consent_text": consent_text(language, exchange.desk.files.organisation),
        "looks": [
            {"at": look.at.isoformat(), "who": look.looker_name, "what": look.what,
             "purpose": look.purpose}
            for look in looks
        ],
    }  # fmt: skip


async def _changed(exchange: Exchange, entry: store.RosterEntry | None) -> bytes:
    if entry is not None:
        exchange.desk.refresh(entry)
    return _encode({"state": entry.state.value if entry else "withdrawn"})


def _as_device(tx: Transaction, node: Node) -> Transaction:
    """Let the device be the actor of what it asks for, within the writer's transaction."""
    return Transaction(tx.connection, tx.now, node.principal, tx.committed)


HANDLERS = [certificate, consent, withdraw, pause, manifest, notice]
