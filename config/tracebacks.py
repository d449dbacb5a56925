"""How an error is written to a log: what kind it is and where it came from, and none of the values it came upon.

A traceback with its local variables, the parameters of a statement or the row that a database quotes would carry a
patient's name into the log.
"""

import sys
import traceback
from collections.abc import Iterator
from typing import TypedDict

from structlog.typing import EventDict, WrappedLogger

_MESSAGE_CHARACTERS_MAX = 300
_FRAMES_MAX = 30


class Told(TypedDict):
    """One error of a chain, the outermost first."""

    error: str
    message: str
    frames: list[str]


def tell_errors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what was raised by what may be told of it, as the field `exception`."""
    if error := _raised(event.pop("exc_info", None)):
        event["exception"] = told(error)
    return event


def as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write what is told of an error in lines, for people."""
    if isinstance(found := event.get("exception"), list):
        event["exception"] = "\n".join(line for each in found for line in _lines(each))
    return event


def told(error: BaseException) -> list[Told]:
    """Return what may be told of an error, and of those that led to it."""
    return [Told(error=_name(each), message=_first_line(each), frames=_frames(each)) for each in _chain(error)]


def _raised(given: object) -> BaseException | None:
    """Return the error of an `exc_info` as logging takes it: the error itself, its triple, or true for the present."""
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
    return sys.exc_info()[1]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _first_line(error: BaseException) -> str:
    """Return the first line: those after it may quote the statement, its parameters, or the row that was refused."""
    return str(error).strip().partition("\n")[0][:_MESSAGE_CHARACTERS_MAX]


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    return [f"{each.filename}:{each.lineno} {each.name}" for each in frames]


def _lines(each: Told) -> Iterator[str]:
    yield f"{each['error']}: {each['message']}"
    yield from (f"    {frame}" for frame in each["frames"])
