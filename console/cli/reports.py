"""`payments report` and `payments timeline`: what the ledger's reports say, in the columns that are agreed upon."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import arguments
from console.cli.arguments import AsOfOption, FormOption, FromOption, LimitOption, ToOption
from console.cli.printing import show
from console.cli.session import open_transaction
from console.errors import CommandError
from console.reports import layouts
from console.reports.output import OutputFormat, Record

if TYPE_CHECKING:
    from payments.journeys.reporting import FeedRow, FeedSum, TimelineRow

LIMIT_DEFAULT = 200

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.command(
    epilog="Example: payments report claims-feed --status not-sent --from 2026-10-01\n\n"
    "Example: payments report claims-feed --summary\n\n"
    "Example: payments report claims-feed --format csv > feed.csv"
)
def claims_feed(  # noqa: PLR0913 (typer reads each option from a parameter of its own)
    *,
    since: FromOption = None,
    until: ToOption = None,
    status: Annotated[
        str | None, typer.Option(help="`Not Sent`, `Validation Failed`, `Transmission Pending` or `... Successful`.")
    ] = None,
    clinic: Annotated[str | None, typer.Option(help="This clinic only.")] = None,
    as_of: AsOfOption = None,
    summary: Annotated[bool, typer.Option("--summary", metavar="", help="How many, by status and reason.")] = False,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = LIMIT_DEFAULT,
) -> None:
    """Show the Claims Feed: every saved payment in its newest version, and what became of it.

    Days are those on which the payment was saved.
    """
    from payments.journeys import reporting

    arguments.check_order(since, until)
    query = reporting.FeedFilter(
        since=since,
        until=until,
        status=arguments.status_named(status) if status else None,
        clinics=(clinic,) if clinic else None,
        as_of=as_of,
    )
    with open_transaction() as tx:
        if summary:
            show(feed_sums(reporting.claims_feed_sums(tx, query)), layouts.FEED_SUMS, form)
        else:
            show(_feed(reporting.claims_feed(tx, query)), layouts.FEED, form, limit)


def timeline(
    key: Annotated[str, typer.Argument(metavar="KEY", help="clinic/payment/line, as the Claims Feed prints it.")],
    form: FormOption = OutputFormat.TABLE,
) -> None:
    """Show everything that happened to one payment: each try, who or which worker it was, and what came of it."""
    from payments.journeys import reporting

    with open_transaction() as tx:
        happened = reporting.timeline(tx, key)
    if not happened:
        raise CommandError(f"no payment is known as {key}; keys are printed by `payments report claims-feed`")
    show(_timeline(happened), layouts.timeline(key), form)


def feed_sums(sums: Iterable[FeedSum]) -> list[Record]:
    """Return the sums of the Claims Feed as records."""
    return [{"status": each.status, "reason": each.reason, "count": each.count, "total": each.total} for each in sums]


def _feed(rows: Iterable[FeedRow]) -> list[Record]:
    return [row._asdict() | {layouts.KEY: row.payment or row.refused} for row in rows]


def _timeline(rows: Iterable[TimelineRow]) -> list[Record]:
    """Return the steps as records; what went wrong is part of the detail, which is all that some readers look at."""
    return [row._asdict() | {"detail": ": ".join(filter(None, (row.detail.rstrip("."), row.error)))} for row in rows]
