"""Carves: files of a company device, by an order of two persons, as osquery uploads them.

One person asks, another approves; only then is the device asked. The upload has a session of 256
random bits that is bound to the device, ends after an hour and takes blocks in order. What came
in becomes an artefact of the evidence. Private PCs are never asked, and refused if they try.
"""

import base64
import binascii
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sekisho.devices.model import (
    Carve,
    CarveFilter,
    CarvePage,
    CarveState,
    DeviceState,
    Ownership,
)
from sekisho.devices.protocol import CARVE_PREFIX, CarveBegin, CarveBlock, read_integer
from sekisho.devices.service.lifecycle import require_right
from sekisho.devices.service.telling import tell_order
from sekisho.devices.store import carves as store
from sekisho.devices.store import devices as device_store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    TooLargeError,
)
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import digest_token, new_id, new_token
from sekisho.kernel.principal import SYSTEM

LARGEST_CARVE = 256 << 20
LARGEST_BLOCK = 2 << 20
SESSION_LIFE = timedelta(hours=1)
ORDER_LIFE = timedelta(days=1)
LONGEST_PATH = 1000
MOST_PER_PAGE = 200
SORTS = frozenset({"requested_at", "path", "state"})


def request_carve(
    tx: Transaction, device_id: str, path: str, reason: str, max_bytes: int = LARGEST_CARVE
) -> Carve:
    """Ask for the files that match ``path`` (osquery's LIKE pattern); somebody else approves.

    Needs ``devices.write``. Raises NotPermittedError for a private PC.
    """
    device = require_right(tx, device_id, "devices.write")
    if device.ownership is not Ownership.COMPANY:
        raise NotPermittedError(msg("No files are ever fetched from a private PC."))
    if device.state is not DeviceState.ACTIVE:
        raise ConflictError(msg("%(device)s is not active.", device=device.title))
    _check_order(path, reason, max_bytes)
    carve = Carve(
        id=new_id("crv"), device_id=device.id, path=path, reason=reason,
        state=CarveState.REQUESTED, requested_by=_who(tx), requested_at=tx.now,
        approved_by=None, max_bytes=max_bytes, carve_guid=None, session_digest=None,
        session_ends_at=None, block_count=0, block_size=0, carve_size=0, received_blocks=0,
        artifact=None, note="",
    )  # fmt: skip
    store.insert_carve(tx, carve)
    _record(tx, "device.carve_requested", carve, {"path": path, "reason": reason})
    tell_order(tx, device, carve)
    return carve


def approve_carve(tx: Transaction, carve_id: str) -> Carve:
    """Approve an order of somebody else; then ask the device ``carve_question``.

    Needs ``devices.approve``, proved recently. Raises NotPermittedError for one's own order and
    ConflictError for one that does not wait or is older than a day.
    """
    tx.principal.require("devices.approve")
    tx.principal.require_fresh(tx.now)
    carve = get_carve(tx, carve_id)
    if is_own(tx, carve):
        raise NotPermittedError(
            msg("An order is approved by another person than the one who made it."),
            hint=msg("Ask a colleague with the right to approve."),
        )
    if carve.state is not CarveState.REQUESTED or tx.now > carve.requested_at + ORDER_LIFE:
        raise ConflictError(msg("This order does not wait for approval any more."))
    store.update_carve(
        tx, carve_id, state=CarveState.APPROVED, approved_by=_who(tx),
        approved_at=tx.now,
    )  # fmt: skip
    _record(tx, "device.carve_approved", carve, {"requested_by": carve.requested_by})
    return get_carve(tx, carve_id)


def end_carve(tx: Transaction, carve_id: str) -> Carve:
    """Refuse an order (``devices.approve``), or take back one's own; nothing more comes in.

    Raises ConflictError for an order that has ended already.
    """
    carve = get_carve(tx, carve_id)
    own = is_own(tx, carve)
    if not own:
        tx.principal.require("devices.approve")
    if carve.state in {CarveState.DONE, CarveState.REFUSED}:
        raise ConflictError(msg("This order has ended already."))
    _refuse(tx, carve, msg("It was taken back.") if own else msg("It was refused."))
    return get_carve(tx, carve_id)


def get_carve(tx: Transaction, carve_id: str) -> Carve:
    """Return one order. Needs ``devices.read``; raises NotFoundError."""
    tx.principal.require("devices.read")
    carve = store.find_carve(tx, id=carve_id)
    if carve is None:
        raise NotFoundError(msg("There is no order %(id)s.", id=carve_id))
    return carve


def list_carves(tx: Transaction, device_id: str = "") -> list[Carve]:
    """Return orders, latest first. Needs ``devices.read``."""
    tx.principal.require("devices.read")
    return store.list_carves(tx, device_id)


def page_carves(
    tx: Transaction,
    narrow: CarveFilter,
    *,
    sort: str = "requested_at",
    descending: bool = True,
    offset: int = 0,
    limit: int = 50,
) -> CarvePage:
    """Return a page of orders that match, sorted by one of ``SORTS``. Needs ``devices.read``."""
    tx.principal.require("devices.read")
    if sort not in SORTS or offset < 0 or not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidInputError(
            msg("%(got)s orders by “%(sort)s” were asked for; 1 to %(most)s by one of %(names)s "
                "are expected.", got=limit, sort=sort, most=MOST_PER_PAGE,
                names=", ".join(sorted(SORTS)))
        )  # fmt: skip
    found = store.page_carves(
        tx, narrow, sort=sort, descending=descending, offset=offset, limit=limit
    )
    return CarvePage(*found)


def is_own(tx: Transaction, carve: Carve) -> bool:
    """Tell whether whoever asks made this order, signed in or with a token of theirs."""
    return carve.requested_by in {_who(tx), tx.principal.reference}


def _who(tx: Transaction) -> str:
    """Return whose act this is: a token acts for its person, who stays one person with it."""
    person = tx.principal.person_id
    return f"person:{person}" if person else tx.principal.reference


def carve_question(carve: Carve) -> tuple[str, str]:
    """Return name and SQL of the query that starts an approved carve."""
    path = carve.path.replace("'", "''")
    return f"{CARVE_PREFIX}{carve.id}", f"SELECT * FROM carves WHERE path LIKE '{path}' AND carve=1"  # noqa: S608 - quotes are doubled; osquery has no parameters


def list_open_questions(tx: Transaction) -> list[tuple[str, str, str]]:
    """Return (device, name, SQL) of the approved orders that no device has taken up yet."""
    waiting = store.list_carves(tx, state=CarveState.APPROVED)
    return [
        (carve.device_id, *carve_question(carve)) for carve in waiting if carve.carve_guid is None
    ]


def note_guid(tx: Transaction, device_id: str, carve_id: str, guid: str) -> None:
    """Note under which guid a device will send the files of an order (its query's row says it)."""
    carve = store.find_carve(tx, id=carve_id, device_id=device_id)
    if carve is None or carve.state is not CarveState.APPROVED or carve.carve_guid is not None:
        return
    if guid:
        store.update_carve(tx, carve_id, carve_guid=guid)
        return
    _refuse(tx, carve, msg("The device found no such file, or cannot send files."))


def begin_carve(tx: Transaction, device_id: str, message: CarveBegin) -> str | TooLargeError:
    """Open the upload of an approved order and return its session.

    More bytes than were approved end the order, which is to be committed: that error is returned.
    Raises NotPermittedError without an order for it and InvalidInputError for sizes that do not
    fit together.
    """
    device = device_store.find_device(tx, device_id)
    carve = _awaited(tx, device_id, message.carve_id)
    if device is None or device.ownership is not Ownership.COMPANY or carve is None:
        raise NotPermittedError(msg("No files were asked of this device under this carve_id."))
    size, block, count = _sizes(message)
    if size > carve.max_bytes:
        _refuse(tx, carve, msg("The device wanted to send more bytes than were approved."))
        return TooLargeError(
            msg("%(got)s bytes are announced; at most %(limit)s were approved.",
                got=size, limit=carve.max_bytes)
        )  # fmt: skip
    session = new_token()
    store.update_carve(
        tx, carve.id, state=CarveState.RECEIVING, carve_guid=message.carve_id,
        session_digest=digest_token(session), session_ends_at=tx.now + SESSION_LIFE,
        block_count=count, block_size=block, carve_size=size, received_blocks=0,
    )  # fmt: skip
    _record(tx, "device.carve_begun", carve, {"bytes": size, "blocks": count})
    return session


def accept_block(
    tx: Transaction, folder: Path, shelf: Path, device_id: str | None, message: CarveBlock
) -> bool:
    """Take one block; tell whether the file is complete (then it is an artefact).

    ``device_id`` is who asks, if the request says so; it must be the one the session is for. A
    block that comes again after a lost reply is fine. Raises a SekishoError for anything else;
    the caller answers it with something that is not JSON, which stops the client.
    """
    carve = store.find_carve(tx, session_digest=digest_token(message.session_id))
    if (
        carve is None
        or carve.state is not CarveState.RECEIVING
        or carve.session_ends_at is None
        or tx.now >= carve.session_ends_at
        or device_id not in {None, carve.device_id}
    ):
        raise NotPermittedError(msg("This upload is not open."))
    number = read_integer(message.block_id, 0, carve.block_count - 1)
    content = _content(message.data)
    if number is None or number > carve.received_blocks:
        raise InvalidInputError(msg("Block %(want)s is expected next.", want=carve.received_blocks))
    if len(content) != _expected_size(carve, number):
        raise InvalidInputError(
            msg("Block %(number)s has %(got)s bytes; %(want)s are expected.",
                number=number, got=len(content), want=_expected_size(carve, number))
        )  # fmt: skip
    if number < carve.received_blocks:
        return False
    _write_block(folder / carve.id, number, content)
    store.update_carve(tx, carve.id, received_blocks=number + 1)
    if number + 1 < carve.block_count:
        return False
    _finish(tx, carve, folder / carve.id, shelf)
    return True


def end_old_carves(tx: Transaction, folder: Path) -> int:
    """End orders and uploads that ran out of time (worker, every 10 minutes); return how many."""
    ended = 0
    for state in (CarveState.REQUESTED, CarveState.APPROVED, CarveState.RECEIVING):
        for carve in store.list_carves(tx, state=state):
            end = carve.session_ends_at or carve.requested_at + 2 * ORDER_LIFE
            if tx.now >= end:
                _refuse(tx, carve, msg("It ran out of time."))
                shutil.rmtree(folder / carve.id, ignore_errors=True)
                ended += 1
    return ended


def _awaited(tx: Transaction, device_id: str, guid: str) -> Carve | None:
    """Return the approved order this upload is for: by its guid, or the one without a guid yet.

    The device may begin before the answer of its query arrives; both come from the same device.
    """
    if not guid:
        return None
    known = store.find_carve(tx, device_id=device_id, carve_guid=guid)
    if known is not None:
        return known if known.state in {CarveState.APPROVED, CarveState.RECEIVING} else None
    waiting = store.list_carves(tx, device_id, CarveState.APPROVED)
    return next((carve for carve in waiting if carve.carve_guid is None), None)


def _sizes(message: CarveBegin) -> tuple[int, int, int]:
    size = read_integer(message.carve_size, 1, 1 << 50)
    block = read_integer(message.block_size, 1, LARGEST_BLOCK)
    count = read_integer(message.block_count, 1, 1 << 31)
    if size is None or block is None or count != -(-size // block):
        raise InvalidInputError(
            msg("carve_size, block_size and block_count do not fit together (block_size is at "
                "most %(most)s).", most=LARGEST_BLOCK),
            hint=msg("Set --carver_block_size=300000."),
        )  # fmt: skip
    return size, block, count


def _content(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(msg("The block is not base64.")) from error


def _expected_size(carve: Carve, number: int) -> int:
    last = number == carve.block_count - 1
    return carve.carve_size - number * carve.block_size if last else carve.block_size


def _write_block(folder: Path, number: int, content: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{number}.new"
    draft.write_bytes(content)
    draft.replace(folder / f"{number}.block")


def _finish(tx: Transaction, carve: Carve, folder: Path, shelf: Path) -> None:
    content = b"".join(
        (folder / f"{number}.block").read_bytes() for number in range(carve.block_count)
    )
    packed = content.startswith(b"\x28\xb5\x2f\xfd")  # zstd's magic number, RFC 8878 3.1.1
    digest = evidence.store_artifact(
        replace(tx, principal=SYSTEM),
        shelf=shelf,
        name=f"{carve.id}.tar{'.zst' if packed else ''}",
        media_type="application/zstd" if packed else "application/x-tar",
        content=content,
        subject=f"device:{carve.device_id}",
        most=LARGEST_CARVE,
    )
    store.update_carve(tx, carve.id, state=CarveState.DONE, artifact=digest)
    _record(tx, "device.carve_done", carve, {"artifact": digest, "bytes": len(content)})
    tx.after_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def _refuse(tx: Transaction, carve: Carve, note: Text) -> None:
    """End an order; its note is kept in English, which is the id of the sentence."""
    store.update_carve(tx, carve.id, state=CarveState.REFUSED, note=str(note))
    _record(tx, "device.carve_refused", carve, {"note": str(note)})


def _check_order(path: str, reason: str, max_bytes: int) -> None:
    absolute = path.startswith("/") or path[1:3] == ":\\"
    if not absolute or len(path) > LONGEST_PATH or not path.isprintable():
        raise InvalidInputError(
            msg("The path must be absolute, printable and at most %(most)s characters long.",
                most=LONGEST_PATH),
            hint=msg("For example /var/log/auth.log or C:\\Windows\\System32\\config\\%."),
        )  # fmt: skip
    if not reason.strip():
        raise InvalidInputError(msg("Say why these files are needed; the approver reads it."))
    if not 1 <= max_bytes <= LARGEST_CARVE:
        raise InvalidInputError(msg("A carve has 1 to %(most)s bytes.", most=LARGEST_CARVE))


def _record(tx: Transaction, kind: str, carve: Carve, detail: dict[str, object]) -> None:
    evidence.record(
        tx, kind=kind, subject=f"device:{carve.device_id}", detail={"order": carve.id, **detail}
    )
