"""Uploads and updates on their way into the library: read by the worker, looked at, taken over.

Reading thousands of rules takes seconds of a processor, so the web process only keeps the bytes;
the worker reads them and writes down what would change, and the person who brought them decides.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sekisho.detection.library import Origin, Plan, Source
from sekisho.detection.model import RuleFault
from sekisho.detection.service import importing
from sekisho.detection.sources.fetching import Fetcher, check_address
from sekisho.detection.store import sources
from sekisho.detection.store import staged as store
from sekisho.detection.store.sources import pack_text, unpack_text
from sekisho.detection.store.staged import Staged, State
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, NotFoundError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import SYSTEM

_NAMED = 100
_KEPT = timedelta(days=2)
_UPDATED_EVERY = timedelta(days=1)


def stage_upload(
    tx: Transaction, *, name: str, source_id: str, file_name: str, content: bytes
) -> Staged:
    """Keep an upload until the worker has read it (``detection.write``)."""
    source = _source(tx, name, source_id)
    return _stage(tx, source, file_name, content)


def stage_address(tx: Transaction, *, name: str, address: str, automatic: bool) -> Staged:
    """Ask for rules from an address, as a new source (``detection.write``)."""
    tx.principal.require("detection.write")
    plain = importing.check_name(tx, name)
    source = importing.new_source(plain, address=check_address(address), automatic=automatic)
    return _stage(tx, source, "", b"")


def stage_update(tx: Transaction, source_id: str) -> Staged:
    """Ask for what the address of a source holds now (``detection.write``)."""
    source = _source(tx, "", source_id)
    if source.origin is not Origin.ADDRESS:
        raise ConflictError(
            msg("“%(name)s” came from files and has no address.", name=source.name),
            hint=msg("Upload the new files instead."),
        )
    return _stage(tx, source, "", b"")


def _source(tx: Transaction, name: str, source_id: str) -> Source:
    tx.principal.require("detection.write")
    if source_id:
        return importing.find_removable(tx, source_id)
    return importing.new_source(importing.check_name(tx, name))


def _stage(
    tx: Transaction, source: Source, file_name: str, content: bytes,
    state: State = State.WAITING, etag: str = "",
) -> Staged:  # fmt: skip
    staged = Staged(
        new_id("stg"), source.id, source.name, source.address, source.automatic, state,
        tx.principal.id, tx.now, file_name[-200:], etag, {},
    )  # fmt: skip
    store.insert_staged(tx, staged, content)
    return staged


def list_staged(tx: Transaction) -> list[Staged]:
    """List what is on its way in (``detection.read``)."""
    tx.principal.require("detection.read")
    return store.list_staged(tx)


def get_staged(tx: Transaction, staged_id: str) -> Staged:
    """Return an upload on its way in (``detection.read``); raise NotFoundError."""
    tx.principal.require("detection.read")
    found = store.find_staged(tx, staged_id)
    if found is None:
        raise NotFoundError(
            msg("This upload is no longer waiting."),
            hint=msg("It was taken over or discarded; see the list of sources."),
        )
    return found


def approve_staged(tx: Transaction, staged_id: str) -> None:
    """Take over what an upload would change (``detection.write``); raise ConflictError."""
    tx.principal.require("detection.write")
    found = get_staged(tx, staged_id)
    if found.state is not State.READY:
        raise ConflictError(
            msg("This upload cannot be taken over as it is."),
            hint=msg("Wait until it has been read, or discard it."),
        )
    store.set_state(tx, staged_id, State.APPROVED, found.said)


def discard_staged(tx: Transaction, staged_id: str) -> None:
    """Forget an upload; the rules in force stay (``detection.write``)."""
    tx.principal.require("detection.write")
    get_staged(tx, staged_id)
    store.delete_staged(tx, staged_id)


def turn_staged(database: Database, fetcher: Fetcher) -> int:
    """Read the uploads that wait and take over those approved; return how many were handled."""
    with database.read(SYSTEM) as tx:
        due = store.list_staged(tx, State.WAITING, State.APPROVED)
    for staged in due:
        try:
            _handle(database, fetcher, staged)
        except SekishoError as error:
            _fail(database, staged, error)
    return len(due)


def _handle(database: Database, fetcher: Fetcher, staged: Staged) -> None:
    source, name, content = _content(database, fetcher, staged)
    prepared = importing.prepare_files(database, SYSTEM, source, name, content)
    with database.write(SYSTEM) as tx:
        now = store.find_staged(tx, staged.id)
        if now is None:  # discarded meanwhile
            return
        if now.state is State.APPROVED:
            importing.take_over(tx, prepared)
            store.delete_staged(tx, staged.id)
        else:
            store.set_state(tx, staged.id, State.READY, describe_plan(prepared.plan))


def _content(database: Database, fetcher: Fetcher, staged: Staged) -> tuple[Source, str, bytes]:
    with database.read(SYSTEM) as tx:
        content = store.read_content(tx, staged.id)
        source = sources.find_source(tx, staged.source_id) or Source(
            staged.source_id, staged.name, Origin.ADDRESS if staged.address else Origin.FILES, 0,
            staged.address, staged.automatic,
        )  # fmt: skip
    source = replace(source, etag=staged.etag) if staged.etag else source
    if content or not staged.address:
        return source, staged.file_name, content
    fetched = fetcher.fetch(staged.address, "")
    with database.write(SYSTEM) as tx:  # what is looked at is what will be taken over
        store.keep_content(tx, staged.id, fetched.name, fetched.content or b"", fetched.etag)
    return replace(source, etag=fetched.etag), fetched.name, fetched.content or b""


def _fail(database: Database, staged: Staged, error: SekishoError) -> None:
    said = {"message": _packed(error.message), "hint": _packed(error.hint)}
    with database.write(SYSTEM) as tx:
        if store.find_staged(tx, staged.id):
            store.set_state(tx, staged.id, State.FAILED, said)
        if sources.find_source(tx, staged.source_id):
            trouble = error.message if isinstance(error.message, Text) else Text(error.message)
            sources.note_check(tx, staged.source_id, tx.now, trouble)


def _packed(text: Text | str) -> dict[str, object] | None:
    return pack_text(text if isinstance(text, Text) else Text(str(text)))


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON: the numbers, and the first hundred of each by name."""
    named = {
        kind: [[id_, plan.titles.get(id_, "")] for id_ in getattr(plan, kind)[:_NAMED]]
        for kind in ("added", "changed", "removed", "lost")
    }
    counts = {kind: len(getattr(plan, kind)) for kind in ("added", "changed", "removed", "lost")}
    return {
        "counts": counts | {"kept": plan.kept, "faults": len(plan.faults)},
        "named": named,
        "faults": [_pack_fault(fault) for fault in plan.faults[:_NAMED]],
    }


def _pack_fault(fault: RuleFault) -> list[Any]:
    said = [pack_text(text) for text in (fault.got, fault.expected, fault.fix)]
    return [fault.file, fault.line, *said]


def unpack_faults(said: dict[str, Any]) -> list[RuleFault]:
    """Return the faults of a described plan."""
    found = []
    for file, line, *texts in said.get("faults", ()):
        got, expected, fix = (unpack_text(text) or Text("") for text in texts)
        found.append(RuleFault(file, line, got, expected, fix))
    return found


def update_sources(database: Database, fetcher: Fetcher) -> int:
    """Look for updates of the sources that want it, once a day each; return how many changed."""
    with database.write(SYSTEM) as tx:
        store.delete_older(tx, tx.now - _KEPT)
        due = [s for s in sources.list_sources(tx) if _is_due(tx, s)]
        for source in due:  # before asking, so that a source that hangs is not asked every turn
            sources.note_check(tx, source.id, tx.now, source.trouble)
    return sum(_update(database, fetcher, source) for source in due)


def _is_due(tx: Transaction, source: Source) -> bool:
    wanted = source.origin is Origin.ADDRESS and source.automatic
    return wanted and (source.checked_at is None or source.checked_at <= tx.now - _UPDATED_EVERY)


def _update(database: Database, fetcher: Fetcher, source: Source) -> bool:
    try:
        fetched = fetcher.fetch(source.address, source.etag)
    except SekishoError as error:
        trouble = error.message if isinstance(error.message, Text) else Text(str(error.message))
        with database.write(SYSTEM) as tx:
            sources.note_check(tx, source.id, tx.now, trouble)
        return False
    with database.write(SYSTEM) as tx:
        sources.note_check(tx, source.id, tx.now, None)
        if fetched.content is not None:
            _stage(tx, source, fetched.name, fetched.content, State.APPROVED, fetched.etag)
    return fetched.content is not None
