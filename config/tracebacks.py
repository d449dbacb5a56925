"""Summarize an error for the log: its class, the first line of its message and its stack frames.

The summary omits local variables, statement parameters and rows that PostgreSQL quotes, because they could contain a
patient's name.
"""

import sys
import traceback
from collections.abc import Iterator
from typing import TypedDict

from structlog.typing import EventDict, WrappedLogger

_MESSAGE_CHARACTERS_MAX = 300
_FRAMES_MAX = 30


class ErrorSummary(TypedDict):
    """The summary of one error in a chain of causes."""

    error: str
    message: str
    frames: list[str]


def summarize_errors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` of an event by summaries in the field `exception`. This is a structlog processor."""
    if error := _resolve_exc_info(event.pop("exc_info", None)):
        event["exception"] = summarize(error)
    return event


def render_as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Render the summaries in the field `exception` as lines of text. This is a structlog processor."""
    if isinstance(found := event.get("exception"), list):
        event["exception"] = "\n".join(line for each in found for line in _summary_lines(each))
    return event


def summarize(error: BaseException) -> list[ErrorSummary]:
    """Return summaries of an error and of its causes, starting with the error itself."""
    return [
        ErrorSummary(error=_class_name(each), message=_first_line(each), frames=_stack_frames(each))
        for each in _error_chain(error)
    ]


def _resolve_exc_info(given: object) -> BaseException | None:
    """Return the error that `exc_info` means: an error, a triple, or True for the error that is being handled."""
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
    return sys.exc_info()[1]


def _error_chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's message. Later lines may quote statements, parameters or rows."""
    return str(error).strip().partition("\n")[0][:_MESSAGE_CHARACTERS_MAX]


def _stack_frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    return [f"{each.filename}:{each.lineno} {each.name}" for each in frames]


def _summary_lines(summary: ErrorSummary) -> Iterator[str]:
    yield f"{summary['error']}: {summary['message']}"
    yield from (f"    {frame}" for frame in summary["frames"])
