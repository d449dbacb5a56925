"""`payments report claims-feed` and `payments timeline`."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from console.cli.parameters import chosen_scope, report_command
from console.cli.printing import Output, show
from console.cli.session import open_report, open_transaction
from console.cli.tables import Totals
from console.errors import CommandError
from console.reports.claims_feed import (
    CLAIMS_FEED,
    CLAIMS_FEED_SUMS,
    ClaimsFeedParameters,
    feed_records,
    feed_sum_records,
)
from console.reports.timeline import TimelineParameters, timeline_records, timeline_report
from payments.core.scope import EVERYTHING

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.command(
    epilog="Example: payments report claims-feed --status not-sent --from 2026-10-01\n\n"
    "Example: payments report claims-feed --summary\n\n"
    "Example: payments report claims-feed --format csv > feed.csv"
)
@report_command(ClaimsFeedParameters)
def claims_feed(
    parameters: ClaimsFeedParameters,
    output: Output,
    *,
    summary: Annotated[
        bool, typer.Option("--summary", metavar="", help="Show counts and amounts by status and reason.")
    ] = False,
) -> None:
    """Show the Claims Feed: the newest version of every saved payment, with its status.

    Days are the dates on which payments were saved.
    """
    from payments.journeys import reporting

    def totals() -> Totals:
        sums = reporting.claims_feed_sums(tx, query)
        return Totals(sum(each.count for each in sums), sum((each.total for each in sums), Decimal("0.00")))

    with open_report() as tx:
        query = parameters.query(chosen_scope(tx, parameters))
        if summary:
            show(feed_sum_records(reporting.claims_feed_sums(tx, query)), CLAIMS_FEED_SUMS, output)
        else:
            show(feed_records(reporting.claims_feed(tx, query)), CLAIMS_FEED, output, totals)


@report_command(TimelineParameters)
def timeline(parameters: TimelineParameters, output: Output) -> None:
    """Show the history of one payment: each attempt with its user or worker and its result."""
    from payments.journeys import reporting

    key = parameters.payment
    with open_transaction() as tx:
        events = reporting.timeline(tx, key, EVERYTHING.narrowed_to_company(parameters.company))
    if not events:
        raise CommandError(f"there is no payment {key}; `payments report claims-feed` prints the keys")
    show(timeline_records(events), timeline_report(key), output)
