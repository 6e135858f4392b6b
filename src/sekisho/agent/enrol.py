"""Enrolment: from a kit file to a device that the organisation knows.

Company: one step. Private: the owner reads what will be read and what happens with it, then says
yes; only then a question is answered. The signed list of what will be read comes from the server,
and the server gives it to devices that it knows: so the enrolment itself comes before the owner's
yes. It tells a random number as identifier, the system with its version and the agent's version,
and no serial number, host name, computer name or processor. A no takes it back.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sekisho.agent import keys
from sekisho.agent.builtin import Identity, current_platform
from sekisho.agent.errors import AgentError
from sekisho.agent.helper import delegate, helper_folders
from sekisho.agent.link import Address, Link, LinkError
from sekisho.agent.session import Session, enrol, fetch_config, load_manifest, withdraw
from sekisho.agent.sql import Engine
from sekisho.agent.state import State
from sekisho.agent.tables import tables_for
from sekisho.agent.tables.certificates import offer_own
from sekisho.wire import osquery
from sekisho.wire.errors import MessageError, words
from sekisho.wire.kit import Kit, Ownership
from sekisho.wire.manifest import Manifest

CONSENT_VERSION = "2026-11"
STATE_FILE = "agent.db"
_MEANINGLESS = frozenset("0f-")
_UUID_LENGTH = 36
KIT_NAME = "sekisho-kit.json"
_ARCHIVE_START = b"PK\x03\x04"
_MAX_KIT_BYTES = 1 << 20
_MAX_ARCHIVE_BYTES = 8 << 20

Consent = Callable[[Kit, Manifest], bool]
"""Shows the owner the text and the manifest, and returns whether the owner agrees."""


class EnrolmentError(AgentError):
    """This device cannot be enrolled; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it: where the key lies ("" when the server gives no certificates)."""

    organisation: str
    ownership: Ownership
    host_identifier: str


def default_folder(ownership: Ownership, platform: str) -> Path:
    """Return where the agent keeps its memory: the system's place, or the user's own."""
    home = Path.home()
    if ownership is Ownership.PRIVATE:
        return {
            "windows": home / "AppData/Local/Sekisho",
            "darwin": home / "Library/Application Support/Sekisho",
        }.get(platform, home / ".local/share/sekisho-agent")
    return {
        "windows": Path(home.anchor or "C:/") / "ProgramData/Sekisho",
        "darwin": Path("/Library/Application Support/Sekisho"),
    }.get(platform, Path("/var/lib/sekisho-agent"))


def read_kit(path: Path) -> Kit:
    """Read a kit that has not ended: the JSON file, or the ZIP archive that holds it.

    Raises ``EnrolmentError``.
    """
    try:
        kit = Kit.parse(_read_kit_bytes(path))
    except OSError as error:
        raise EnrolmentError(
            "%(path)s cannot be read: %(why)s", path=path, why=words(error.strerror or str(error))
        ) from error
    except MessageError as error:
        raise EnrolmentError(
            "%(path)s is not a kit: %(why)s. Ask for a new kit", path=path, why=error
        ) from error
    if kit.expires_at.timestamp() <= time.time():
        raise EnrolmentError(
            "%(path)s: the kit ended at %(at)s. Ask for a new kit", path=path, at=kit.expires_at
        )
    return kit


def _read_kit_bytes(path: Path) -> bytes:
    """Return the kit's JSON; no more than the limits is ever held in memory."""
    with path.open("rb") as file:
        found = file.read(_MAX_ARCHIVE_BYTES + 1)
    packed = found.startswith(_ARCHIVE_START)
    most = _MAX_ARCHIVE_BYTES if packed else _MAX_KIT_BYTES
    if len(found) > most:
        raise EnrolmentError(
            "%(path)s is larger than %(most)s bytes, which no kit is. Ask for a new kit",
            path=path, most=most,
        )  # fmt: skip
    return _unpack_kit(path, found) if packed else found


def _unpack_kit(path: Path, archive: bytes) -> bytes:
    """Return the kit inside a ZIP archive, whatever the archive says about its size."""
    import io  # noqa: PLC0415 - the agent that runs for months never reads an archive
    import zipfile  # noqa: PLC0415 - the same

    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened, opened.open(KIT_NAME) as file:
            found = file.read(_MAX_KIT_BYTES + 1)
    except KeyError as error:
        raise EnrolmentError(
            "%(path)s is an archive without %(name)s. Ask for a new kit", path=path, name=KIT_NAME
        ) from error
    except Exception as error:  # zipfile hands on whatever its decoders raise
        raise EnrolmentError(
            "%(path)s is a damaged archive: %(why)s. Ask for a new kit", path=path, why=error
        ) from error
    if len(found) > _MAX_KIT_BYTES:
        raise EnrolmentError(
            "%(path)s is larger than %(most)s bytes, which no kit is. Ask for a new kit",
            path=path, most=_MAX_KIT_BYTES,
        )  # fmt: skip
    return found


def open_session(state: State, language: str = "") -> Session:
    """Open everything a remembered device needs; raises ``EnrolmentError`` when there is none.

    ``language`` is that of the person who waits, if one does: the server answers in it.
    """
    stored = state.get("kit")
    if not stored:
        raise EnrolmentError(
            "%(path)s knows of no enrolment; run: sekisho agent enroll KIT", path=state.path
        )
    kit = Kit.parse(stored)
    platform = current_platform()
    link = Link(Address(kit.server_url, kit.ca_pem, state.get("proxy"), language, kit.public_trust))
    return Session(state, make_engine(state, kit, platform), link, kit, platform, keys.run_verify)


def make_engine(state: State, kit: Kit, platform: str) -> Engine:
    """Make the SQL over this computer's tables; a service also asks the users' helpers."""
    tables = offer_own(tables_for(platform), state.path.parent)
    company = kit.ownership is Ownership.COMPANY
    if company:
        tables = delegate(tables, helper_folders)
    identity = Identity(
        platform,
        state.get("instance_id"),
        state.get("host_identifier") if company else "",
        int(time.time()),
    )
    return Engine(tables, identity)


def prepare_state(state: State, kit: Kit, proxy: str) -> None:
    """Remember the kit and who this device will be; a retry keeps the same identifier."""
    instance = state.get("instance_id") or make_identifier()
    state.put(kit=kit.to_json(), proxy=proxy, instance_id=instance, paused="")
    if not state.get("host_identifier"):
        state.put(host_identifier=choose_identifier(kit.ownership, instance, read_hardware_uuid()))


def make_identifier() -> str:
    """Make a random identifier in the form of a UUID version 4 (RFC 9562)."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def choose_identifier(ownership: Ownership, instance: str, hardware_uuid: str) -> str:
    """Take the hardware's UUID on company devices when it is a real one, else the random one."""
    uuid = hardware_uuid.strip()
    real = len(uuid) == _UUID_LENGTH and not frozenset(uuid.lower()) <= _MEANINGLESS
    return uuid if ownership is Ownership.COMPANY and real else instance


def read_hardware_uuid() -> str:
    """Return the computer's UUID as ``system_info`` tells it, or ""."""
    platform = current_platform()
    engine = Engine(tables_for(platform), Identity(platform))
    found = engine.run("SELECT uuid FROM system_info")
    return found.rows[0]["uuid"] if found.rows else ""


def enrol_device(session: Session, consent: Consent) -> Enrolled:
    """Enrol, and on a private device ask the owner; refusing leaves nothing behind.

    Raises ``EnrolmentError`` when the owner refuses or no signed manifest came, and what
    ``Link.post`` raises.
    """
    if not session.node_key:
        enrol(session)
    fetch_config(session)
    if session.kit.ownership is Ownership.PRIVATE:
        _ask_owner(session, consent)
    return Enrolled(
        session.kit.organisation,
        session.kit.ownership,
        session.state.get("host_identifier"),
    )


def _ask_owner(session: Session, consent: Consent) -> None:
    offered = load_manifest(session.state, "offered")
    if offered is None:
        raise EnrolmentError(
            "the server sent no signed manifest, so nobody can tell what would be read; "
            "nothing was approved. Ask the organisation and enrol again"
        )
    if not consent(session.kit, offered):
        _take_back(session)
        session.state.erase()
        raise EnrolmentError("not agreed: this device stays unknown and nothing is kept here")
    session.link.post(
        osquery.CONSENT,
        {
            "node_key": session.node_key,
            "text_version": CONSENT_VERSION,
            "accepted_at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        },
        node_key=session.node_key,
    )
    approve(session.state)


def _take_back(session: Session) -> None:
    """Let the server forget this device too; the kit stays good for an owner who thinks again."""
    try:
        withdraw(session)
    except (LinkError, MessageError, osquery.NodeInvalidError, osquery.ServerRefusedError):
        return  # the server knows nothing but a random number and a system's version


def approve(state: State) -> Manifest:
    """Approve the manifest that the organisation signed last; raises ``EnrolmentError``."""
    offered = load_manifest(state, "offered")
    if offered is None:
        raise EnrolmentError("there is no signed manifest to approve; run the agent first")
    state.put(manifest_approved=state.get("manifest_offered"))
    return offered
