"""Reads what people type after a command: days, statuses, reasons, charge types, ids; a refusal names the choices."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from console.reports.output import OutputFormat

if TYPE_CHECKING:
    from payments.contract.event import ChargeType
    from payments.core.outcome import Reason, Status

WAIT_SECONDS_MAX = 7 * 24 * 3600

_Choice = TypeVar("_Choice", bound=StrEnum)


def day(text: str) -> date:
    """Read a date of business."""
    try:
        if len(text) == len("YYYY-MM-DD"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise typer.BadParameter(f"{text} is not a date such as 2026-10-05")


def moment(text: str) -> datetime:
    """Read a moment; without an offset it is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a time such as 2026-11-02T09:00:00Z") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def seconds(text: str | float) -> float:
    """Read how long to wait; what is no number, and what never ends, is refused."""
    with contextlib.suppress(ValueError):
        if 0 <= (read := float(text)) <= WAIT_SECONDS_MAX:
            return read
    raise typer.BadParameter(f"{text} is not a number of seconds from 0 to {WAIT_SECONDS_MAX:,}")


FormOption = Annotated[OutputFormat, typer.Option("--format", help="A table for people, JSON or CSV for programs.")]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="Rows of a table at most; 0 shows all.")]


def check_order(since: date | None, until: date | None) -> None:
    """Refuse a period that ends before it begins, which would look like an empty report."""
    if since and until and until < since:
        raise typer.BadParameter(f"{until} lies before --from {since}", param_hint="'--to'")


def status_named(text: str) -> Status:
    """Read a status as the report prints it, or in the shell's spelling: `Not Sent` or `not-sent`."""
    from payments.core.outcome import Status

    return choose(Status, text, "status", "--status")


def reason_named(text: str) -> Reason:
    """Read a reason as the report prints it; hyphens and spaces are as good as underscores."""
    from payments.core.outcome import Reason

    return choose(Reason, text, "reason", "--reason")


def charge_types_named(text: str) -> list[ChargeType]:
    """Read charge types separated by commas, or `all` of them; an empty text is none."""
    from payments.contract.event import ChargeType

    if _folded(text) == "all":
        return list(ChargeType)
    return [choose(ChargeType, part, "charge type", "--types") for part in text.split(",") if part.strip()]


def identifier(text: str, hint: str) -> str:
    """Read the id of a clinic or company by the rule of the event contract."""
    from pydantic import TypeAdapter, ValidationError

    from payments.contract.fields import Identifier

    try:
        return TypeAdapter(Identifier).validate_python(text)
    except ValidationError:
        raise typer.BadParameter("an id is text of 1 to 64 printable characters", param_hint=f"'{hint}'") from None


def choose(choices: Iterable[_Choice], text: str, noun: str, hint: str | None = None) -> _Choice:
    """Return the choice that a text names; case, hyphens, spaces and underscores make no difference.

    Raises typer.BadParameter with all choices. `hint` is the option, if typer does not know it.
    """
    choices = list(choices)
    for choice in choices:
        if _folded(choice) == _folded(text):
            return choice
    message = f"no {noun} is called {text.strip()!r}; choose from: {', '.join(choices)}"
    raise typer.BadParameter(message, param_hint=f"'{hint}'" if hint else None)


def _folded(text: str) -> str:
    return text.strip().casefold().replace("-", " ").replace("_", " ").removeprefix("transmission ")
