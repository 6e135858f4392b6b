"""Structured logs: one event a line, as text for a person or as JSON for a collector."""

import logging
import sys

import structlog
from structlog.typing import Processor

_HIDDEN = ("secret", "token", "password", "node_key", "cookie", "authorization")


def configure_logs(form: str, process: str) -> None:
    """Write logs to stderr in ``form`` (``text`` or ``json``), each line naming ``process``."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")


def hide_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace the value of every key that names a secret."""
    for name in event:
        if any(part in name.lower() for part in _HIDDEN):
            event[name] = "***"
    return event
