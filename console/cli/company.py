"""`payments company`: what a company decides for all of its clinics."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from console.cli.arguments import identifier
from console.cli.session import current_user, open_transaction
from console.cli.settings import Switch
from console.cli.terminal import print_line

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


class Policy(StrEnum):
    """Who accepts the adjustments of closed months."""

    REVIEW = "review"
    AUTO = "auto"


@app.command(
    "set",
    epilog="Example: payments company set acme --timezone America/Denver\n\n"
    "Example: payments company set acme --adjustments auto",
)
def set_company(
    company: Annotated[str, typer.Argument(metavar="COMPANY", help="The company's id.")],
    *,
    hold_days: Annotated[
        int | None, typer.Option(min=0, max=3650, help="Minimum Days to hold a payment for its own date of service.")
    ] = None,
    dos_first: Annotated[
        Switch | None, typer.Option(help="Whether a payment's own date of service goes first.")
    ] = None,
    adjustments: Annotated[
        Policy | None,
        typer.Option(help="Whether a person accepts the adjustments of closed months, or nobody is asked."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="IANA", help="Where its days begin, e.g. America/Denver.")
    ] = None,
) -> None:
    """Set what a company decides for all of its clinics; what is left out stays. A change stays on record."""
    from payments.journeys import configuring

    wish = configuring.CompanyUpdate(
        identifier(company, "COMPANY"),
        hold_days=hold_days,
        dos_first=None if dos_first is None else dos_first is Switch.ON,
        adjustments=adjustments,
        timezone=timezone,
    )
    with open_transaction() as tx:
        row = configuring.set_company(tx, wish, now=datetime.now(UTC), who=current_user())
    order = "its own date of service first" if row.dos_first else "the oldest balance first"
    print_line(
        f"Company {row.company}: time zone {row.timezone}; payments are held {row.hold_days} days, {order}; "
        f"adjustments of closed months: {row.adjustments}."
    )
