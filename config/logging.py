"""Configure the log of a process: one structlog pipeline for the project's events and the libraries' messages."""

import logging
import re
import sys
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.service_links import DISABLING_HINT
from config.setting_types import LogFormat
from config.settings import Settings
from config.tracebacks import render_as_text, summarize_errors

# The password between `//user:` and `@` of a URL, anywhere in a text.
_PASSWORD_IN_URL_PATTERN = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]+(?=@)", re.IGNORECASE)

# They log plugins, or every request, at level info.
_LOGGERS_VERBOSE_AT_INFO = ("alembic.runtime.plugins", "httpx")

# They repeat in many words what the events of GuardedTask say in one line.
_REDUNDANT_LOGGERS = ("celery.app.trace", "celery.worker.strategy", "celery.beat")


def configure_logging(settings: Settings, process_name: str, stream: TextIO | None = None) -> None:
    """Write the log of this process to one stream, as JSON or in columns. Call this function once, at process start.

    `stream` defaults to stdout.
    """
    stream = stream or sys.stdout
    log_format = resolve_log_format(settings, stream)
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
                *_renderers(log_format, colours=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # Python would print the whole message of an uncaught error, and with it what PostgreSQL quotes of a row.
    sys.excepthook = _log_uncaught_error
    logging.captureWarnings(capture=True)
    for name in _REDUNDANT_LOGGERS:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    for name in _LOGGERS_VERBOSE_AT_INFO:
        logging.getLogger(name).setLevel(logging.WARNING)
    warn_of_service_links(settings)


def log_warnings_only(stream: TextIO) -> None:
    """Write only events of level warning and above to the stream. For commands."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *_renderers("columns", colours=stream.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


def warn_of_service_links(settings: Settings) -> None:
    """Log a warning that names the ignored variables of Kubernetes, with a hint on disabling these variables."""
    if settings.service_links:
        structlog.get_logger(__name__).warning(
            "service_links_ignored", variables=", ".join(settings.service_links), hint=DISABLING_HINT
        )


def _log_uncaught_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).critical("process_crashed", exc_info=error)


def resolve_log_format(settings: Settings, stream: TextIO) -> LogFormat:
    """Return the configured log format. The default is columns for a terminal and JSON otherwise."""
    return settings.log_format or ("columns" if stream.isatty() else "json")


def redact_passwords(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the password in each URL of an event with three asterisks. This is a structlog processor."""
    return {key: _redacted(value) for key, value in event.items()}


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return _PASSWORD_IN_URL_PATTERN.sub(r"\g<before>***", value)
    if isinstance(value, dict):
        return {key: _redacted(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_redacted(part) for part in value) if type(value) in (list, tuple) else value
    return value


def _shared_processors(process_name: str) -> list[Processor]:
    def add_process_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process_name)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_process_name,
    ]


def _renderers(log_format: LogFormat, *, colours: bool) -> list[Processor]:
    if log_format == "json":
        return [
            summarize_errors,
            redact_passwords,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        summarize_errors,
        render_as_text,
        redact_passwords,
        structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=32),
    ]
