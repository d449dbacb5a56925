"""`payments company`: the settings of a company, which apply to all of its clinics."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import confirming
from console.cli.arguments import FormatOption, RawOption, parse_dollars, parse_identifier
from console.cli.confirmation import YesOption
from console.cli.printing import Output, show
from console.cli.session import current_user, default_timezone, open_transaction
from console.cli.settings import Switch
from console.cli.terminal import print_line
from console.plurals import plural
from console.reports.companies import COMPANIES, company_records
from console.reports.output import OutputFormat
from console.reports.unconfirmed import UNCONFIRMED, unconfirmed_records
from payments.core.scope import EVERYTHING
from payments.core.service_level import BUSINESS_DAYS_MAX

if TYPE_CHECKING:
    from payments.journeys.configuring import CompanyRow

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

CompanyArgument = Annotated[str, typer.Argument(metavar="COMPANY", help="The company's id.")]
HoldDaysOption = Annotated[
    int | None,
    typer.Option(min=0, max=3650, help="Days until a payment may go to charges of another date of service (rule 4)."),
]
RefundLimitOption = Annotated[
    Decimal | None,
    typer.Option(
        parser=parse_dollars,
        metavar="AMOUNT",
        help="Refunds above this amount need the approval of another person. 0.00: all of them.",
    ),
]


class AdjustmentPolicy(StrEnum):
    """How adjustments of closed months are accepted: after a biller's review, or automatically."""

    REVIEW = "review"
    AUTO = "auto"


@app.command(
    "set",
    epilog="Example: payments company set acme --timezone America/Denver\n\n"
    "Example: payments company set acme --adjustments auto",
)
def set_company(  # noqa: PLR0913 (each parameter is an option)
    company: CompanyArgument,
    *,
    hold_days: HoldDaysOption = None,
    dos_first: Annotated[Switch | None, typer.Option(help="Apply a payment to its own date of service first.")] = None,
    adjustments: Annotated[
        AdjustmentPolicy | None,
        typer.Option(help="Changes to closed months: `review` by a biller, or accepted automatically (`auto`)."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="IANA", help="Time zone of the company's days, e.g. America/Denver.")
    ] = None,
    exception_days: Annotated[
        int | None,
        typer.Option(min=1, max=BUSINESS_DAYS_MAX, help="Business days until an exception is due (rule D6)."),
    ] = None,
    refund_limit: RefundLimitOption = None,
) -> None:
    """Change the settings of a company. Omitted options change nothing. A change confirms the company."""
    from payments.journeys import configuring

    update = configuring.CompanyUpdate(
        parse_identifier(company, "COMPANY"),
        hold_days=hold_days,
        dos_first=None if dos_first is None else dos_first is Switch.ON,
        adjustments=adjustments,
        timezone=timezone,
        exception_days=exception_days,
        refund_limit=refund_limit,
    )
    with open_transaction() as tx:
        row = configuring.set_company(
            tx, update, now=datetime.now(UTC), who=current_user(), default_timezone=default_timezone()
        )
    print_line(_summary(row))


def _summary(row: CompanyRow) -> str:
    first = "own date of service first" if row.dos_first else "oldest balance first"
    return (
        f"Company {row.company}: time zone {row.timezone}; "
        f"payments go to other dates of service after {plural(row.hold_days, 'day')}; {first}; "
        f"adjustments of closed months: {row.adjustments}; exceptions are due in {row.exception_days} business days; "
        f"refunds above {row.refund_limit:,} need an approval."
    )


@app.command("list", epilog="Example: payments company list\n\nExample: payments company list --unconfirmed")
def list_companies(
    *,
    unconfirmed: Annotated[
        bool,
        typer.Option(
            "--unconfirmed", help="List unconfirmed companies, clinics and patients, and retired ones, instead."
        ),
    ] = False,
    company: Annotated[str | None, typer.Option(help="Only this company.")] = None,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """List the companies that are not retired, with their settings.

    With --unconfirmed, list the unconfirmed and the retired companies, clinics and patients instead.
    """
    from payments.journeys import configuring
    from payments.journeys.confirming import list_unconfirmed

    output, scope = Output(output_format, is_raw=raw), EVERYTHING.narrowed_to_company(company)
    output.check()
    with open_transaction() as tx:
        if unconfirmed:
            records, report = unconfirmed_records(list_unconfirmed(tx, scope)), UNCONFIRMED
        else:
            records, report = company_records(configuring.list_companies(tx, scope)), COMPANIES
    show(records, report, output)


@app.command("confirm", epilog="Example: payments company confirm acme")
def confirm_company(company: CompanyArgument) -> None:
    """Confirm a company that was added by an event or retired by a user. The confirmation is recorded."""
    confirming.confirm(company)


@app.command("retire", epilog="Example: payments company retire acmee")
def retire_company(company: CompanyArgument, *, yes: YesOption = False) -> None:
    """Retire an empty company, for example one with a mistyped id. Its later events are Not Sent.

    The retirement is recorded.
    """
    confirming.retire(company, yes=yes)
