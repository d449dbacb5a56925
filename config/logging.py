"""How every process writes its log: one pipeline for our own events and the libraries' lines; knows no event."""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import LogFormat, Settings

# What stands between `//user:` and `@` of a URL, in whatever text it occurs.
_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)

# Each lists its plugins, or every request, at a level at which others say what matters.
_TALKATIVE = ("alembic.runtime.plugins", "httpx")


# They say again, at length, what our own events say in one line.
_CHATTY = ("celery.app.trace", "celery.worker.strategy", "celery.beat")


def configure_logging(settings: Settings, process_name: str, stream: TextIO | None = None) -> None:
    """Send everything that this process logs to one stream, as JSON or in columns; call it once, at the entry."""
    stream = stream or sys.stdout
    log_format = log_format_of(settings, stream)
    shared = _shared_processors(process_name)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log_format, colours=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_format_of(settings: Settings, stream: TextIO) -> LogFormat:
    """Return the format asked for, else columns for a person at a terminal and JSON for a machine."""
    return settings.log_format or ("columns" if stream.isatty() else "json")


def redact_passwords(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the password in any URL of an event, its traceback included, by three stars."""
    return {key: _redacted(value) for key, value in event.items()}


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return _PASSWORD.sub(r"\g<before>***", value)
    if isinstance(value, dict):
        return {key: _redacted(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_redacted(part) for part in value) if type(value) in (list, tuple) else value
    return value


def _shared_processors(process_name: str) -> list[Processor]:
    def name_the_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process_name)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_the_process,
    ]


def _rendering(log_format: LogFormat, *, colours: bool) -> list[Processor]:
    if log_format == "json":
        return [
            structlog.processors.dict_tracebacks,
            redact_passwords,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        structlog.processors.format_exc_info,
        redact_passwords,
        structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=32),
    ]
