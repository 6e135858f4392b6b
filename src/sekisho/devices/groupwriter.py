"""One thread that writes for many requests: a group commit.

Each job is a function of the transaction. Jobs that wait together run in one transaction; a
request is answered only after the transaction that holds its job has been committed. If a job
fails, everything is rolled back and each job is tried again alone, so that one bad device cannot
fail the others. The queue is bounded: a full one refuses at once, and the client, which keeps
what it could not deliver, comes again.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import SYSTEM

QUEUE_LIMIT: Final = 4096
BATCH_LIMIT: Final = 32  # jobs; the first waits for the last, at 2 to 4 ms each
PATIENCE_SECONDS: Final = 14.0  # below the 16 s after which osqueryd gives a request up

T = TypeVar("T")
Job = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Entry:
    job: Job
    future: "Future[Any]"
    until: float


@dataclass(slots=True)
class WriterStatistics:
    """What the writer did since its start (for metrics)."""

    jobs: int = 0
    commits: int = 0
    retried_alone: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)


class GroupWriter:
    """Runs jobs in batches on its own thread."""

    def __init__(
        self,
        database: Database,
        *,
        queue_limit: int = QUEUE_LIMIT,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._patience = patience
        self._opened = False
        self._queue: queue.Queue[_Entry | None] = queue.Queue(queue_limit)
        self._thread = threading.Thread(target=self._run, name="device-writer", daemon=True)
        self._closing = threading.Event()
        self.statistics = WriterStatistics()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Write what is queued and stop; later jobs are refused."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def submit(self, job: Callable[[Transaction], T]) -> "Future[T]":
        """Queue a job; raise UnavailableError at once if the queue is full or closed."""
        if self._closing.is_set():
            raise self._busy()
        future: Future[T] = Future()
        try:
            self._queue.put_nowait(_Entry(job, future, time.monotonic() + self._patience))
        except queue.Full as full:
            raise self._busy() from full
        return future

    def _busy(self) -> UnavailableError:
        self.statistics.refused += 1
        return UnavailableError(
            msg("busy: too many results are waiting to be written."),
            hint=msg("Keep the results and send them again; nothing was taken."),
        )

    async def write(self, job: Callable[[Transaction], T]) -> T:
        """Queue a job and wait until it has been committed."""
        return await asyncio.wrap_future(self.submit(job))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            stop = self._fill(batch)
            self._write_batch(batch)
            if stop:
                break

    def _fill(self, batch: list[_Entry]) -> bool:
        """Take what else waits; tell whether the end mark was among it."""
        while len(batch) < BATCH_LIMIT:
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return False
            if entry is None:
                return True
            batch.append(entry)
        return False

    def _write_batch(self, batch: list[_Entry]) -> None:
        live = [entry for entry in batch if self._is_awaited(entry)]
        if not live:
            return
        try:
            self._commit(live)
        except Exception as error:  # noqa: BLE001 - whatever a job raises belongs to its request
            if len(live) == 1 or not self._opened:  # a closed database is nobody's own fault
                for entry in live:
                    entry.future.set_exception(error)
                return
            self.statistics.retried_alone += len(live)
            for entry in live:
                self._write_alone(entry)

    def _write_alone(self, entry: _Entry) -> None:
        try:
            self._commit([entry])
        except Exception as error:  # noqa: BLE001 - as above
            entry.future.set_exception(error)

    def _commit(self, entries: list[_Entry]) -> None:
        self._opened = False
        with self._database.write(SYSTEM) as tx:
            self._opened = True
            results = [entry.job(tx) for entry in entries]
        self.statistics.commits += 1
        self.statistics.jobs += len(entries)
        for entry, result in zip(entries, results, strict=True):
            entry.future.set_result(result)

    def _is_awaited(self, entry: _Entry) -> bool:
        """Drop jobs whose client is about to give up: it sends the same again anyway.

        They are told so. A cancelled future would end the request without an answer of ours, and
        osqueryd takes a body that it cannot read for success.
        """
        if not entry.future.set_running_or_notify_cancel():
            return False
        if time.monotonic() > entry.until:
            entry.future.set_exception(self._busy())
            return False
        return True
