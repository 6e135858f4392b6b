"""Structured logs: one event a line, as text for a person or as JSON for a collector."""

import logging
import sys
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import Processor

_HIDDEN = ("secret", "token", "password", "node_key", "cookie", "authorization")


_LARGEST_LOG = 10 << 20  # bytes; a larger log is put aside at the next start


def open_log(data: Path) -> TextIO:
    """Open the log file of an installation that was started in a terminal, to add to it.

    Only its owner may read it. The one before it stays as ``sekisho.log.1``.
    """
    path = data / "sekisho.log"
    if path.is_file() and path.stat().st_size > _LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    return path.open("a", encoding="utf-8", buffering=1)


def configure_logs(form: str, process: str, file: TextIO | None = None) -> None:
    """Write logs in ``form`` (``text`` or ``json``), each line naming ``process``.

    They go to stderr; or all to ``file``, and then only what is wrong to stderr too, in short.
    """
    stream = file or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
        *([tell_trouble] if file else []),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(message)s")


def tell_trouble(
    _logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say a warning or an error on the terminal too, in one line; the file has the rest."""
    if method in {"warning", "error", "exception", "critical"}:
        facts = {name: event[name] for name in ("name", "code", "why") if name in event}
        known = ", ".join(f"{name} {value}" for name, value in facts.items())
        sys.stderr.write(f"sekisho: {event['event']}{f' ({known})' if known else ''}\n")
    return event


def hide_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace the value of every key that names a secret."""
    for name in event:
        if any(part in name.lower() for part in _HIDDEN):
            event[name] = "***"
    return event
