"""How every process writes its log: one pipeline for our own events and the libraries' lines; knows no event."""

import logging
import re
import sys
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import LogFormat, Settings
from config.tracebacks import as_text, tell_errors

# What stands between `//user:` and `@` of a URL, in whatever text it occurs.
_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]+(?=@)", re.IGNORECASE)

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
    # Python would print the whole message of an error that ends us, and with it what a database quotes of a row.
    sys.excepthook = _tell_the_end
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_warnings_alone(stream: TextIO) -> None:
    """Have our own events from a warning on written to a stream, for a person who typed a command."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *_rendering("columns", colours=stream.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


def _tell_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).critical("ended by an error", exc_info=error)


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
            tell_errors,
            redact_passwords,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        tell_errors,
        as_text,
        redact_passwords,
        structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=32),
    ]
