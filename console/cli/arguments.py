"""Parsers and options for command arguments: dates, statuses, reasons, charge types, ids."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from console.reports.output import OutputFormat

if TYPE_CHECKING:
    from payments.contract.event import ChargeType
    from payments.core.outcome import Reason, Status

WAIT_SECONDS_MAX = 7 * 24 * 3600

_Choice = TypeVar("_Choice", bound=StrEnum)


def parse_date(text: str) -> date:
    """Return the date in a text. Raises BadParameter if the text is not a date of the form YYYY-MM-DD."""
    from payments.contract.days import parse_day

    try:
        return parse_day(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_datetime(text: str) -> datetime:
    """Return the date and time in a text. Without an offset, the time is in UTC.

    Raises BadParameter for any other text.
    """
    from payments.contract.days import parse_moment

    try:
        return parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_dollars(text: str) -> Decimal:
    """Return the amount in a text, in dollars. Raises BadParameter for any other text."""
    from payments.contract.money import parse_amount

    try:
        return parse_amount(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_id(text: str) -> int:
    """Return the id of a row, such as an exception.

    Raises BadParameter for any other text, such as `1_7` or ` 17`.
    """
    from console.row_ids import parse_row_id

    try:
        return parse_row_id(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_seconds(text: str | float) -> float:
    """Return a number of seconds.

    Raises BadParameter for a negative, infinite or very large number, or for any other text.
    """
    with contextlib.suppress(ValueError):
        if 0 <= (read := float(text)) <= WAIT_SECONDS_MAX:
            return read
    raise typer.BadParameter(f"{text} is not a number of seconds from 0 to {WAIT_SECONDS_MAX:,}")


FormatOption = Annotated[OutputFormat, typer.Option("--format", help="The output format.")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", min=0, help="Maximum number of rows; 0 is all. Default: 200 in a table, all in JSON and CSV."
    ),
]
RawOption = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="With --format csv: leave text as it is, for programs. Otherwise an apostrophe precedes text that a "
        "spreadsheet would run as a formula.",
    ),
]


def check_order(since: date | None, until: date | None) -> None:
    """Raise BadParameter if a period ends before it begins. The report of such a period would be empty."""
    if since and until and until < since:
        raise typer.BadParameter(f"{until} is before --from {since}", param_hint="'--to'")


def parse_status(text: str) -> Status:
    """Return the status that a text names, such as `Not Sent` or `not-sent`.

    Raises BadParameter if it names no status. The message lists the choices.
    """
    from payments.core.outcome import Status

    return parse_choice(Status, text, "status", "--status")


def parse_reason(text: str) -> Reason:
    """Return the reason code that a text names. It may have hyphens or spaces instead of underscores.

    Raises BadParameter if it names no reason. The message lists the choices.
    """
    from payments.core.outcome import Reason

    return parse_choice(Reason, text, "reason", "--reason")


def parse_charge_types(text: str) -> list[ChargeType]:
    """Return the charge types of a comma-separated text: all types for `all`, none for an empty text.

    Raises BadParameter if a name is not a charge type. The message lists the choices.
    """
    from payments.contract.event import ChargeType

    if _normalized(text) == "all":
        return list(ChargeType)
    return [parse_choice(ChargeType, part, "charge type", "--types") for part in text.split(",") if part.strip()]


def parse_identifier(text: str, hint: str) -> str:
    """Return the id of a clinic or company unchanged. Raises BadParameter if the event contract does not allow the id.

    `hint` names the option in the error.
    """
    from pydantic import TypeAdapter, ValidationError

    from payments.contract.fields import Identifier

    try:
        return TypeAdapter(Identifier).validate_python(text)
    except ValidationError:
        problem = "an id has 1 to 64 printable characters, without white space at its ends"
        raise typer.BadParameter(problem, param_hint=f"'{hint}'") from None


def parse_choice(choices: Iterable[_Choice], text: str, noun: str, hint: str | None = None) -> _Choice:
    """Return the choice that a text names. Case, hyphens, spaces and underscores make no difference.

    `noun` names the kind of choice in the error, and `hint` the option if typer cannot determine it. Raises
    typer.BadParameter if the text names no choice. The message lists all choices.
    """
    choices = list(choices)
    for choice in choices:
        if _normalized(choice) == _normalized(text):
            return choice
    message = f"unknown {noun} {text.strip()!r}; choose from: {', '.join(choices)}"
    raise typer.BadParameter(message, param_hint=f"'{hint}'" if hint else None)


def _normalized(text: str) -> str:
    return text.strip().casefold().replace("-", " ").replace("_", " ").removeprefix("transmission ")
