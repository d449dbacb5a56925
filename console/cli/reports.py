"""`payments report claims-feed`, `payments search` and `payments timeline`."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from console.cli.parameters import chosen_filter, report_command
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
from console.reports.not_in_billing import NOT_IN_BILLING_REPORT, NotInBillingParameters, unposted_records
from console.reports.search import SEARCH, SearchParameters, search_records
from console.reports.timeline import TimelineParameters, timeline_records, timeline_report
from console.reports.trends import TRENDS, TrendsParameters, trend_records, with_period
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
    summary: Annotated[bool, typer.Option("--summary", help="Show counts and amounts by status and reason.")] = False,
) -> None:
    """Show the Claims Feed: the newest version of every saved payment, with its status.

    Days are the dates on which payments were saved.
    """
    from payments.journeys import reporting

    def totals() -> Totals:
        sums = reporting.claims_feed_sums(tx, query)
        return Totals(sum(each.count for each in sums), sum((each.total for each in sums), Decimal("0.00")))

    with open_report() as tx:
        query = chosen_filter(tx, parameters)
        if summary:
            show(feed_sum_records(reporting.claims_feed_sums(tx, query)), CLAIMS_FEED_SUMS, output)
        else:
            sort = CLAIMS_FEED.sort_of(parameters) if parameters.sort else None
            show(feed_records(reporting.claims_feed(tx, query, sort)), CLAIMS_FEED, output, totals)


@app.command(
    epilog="Example: payments report not-in-billing --company acme\n\n"
    "Example: payments report claims-feed --posted not_in_billing"
)
@report_command(NotInBillingParameters)
def not_in_billing(parameters: NotInBillingParameters, output: Output) -> None:
    """Show the payments that are not fully in Billing, by cause: number, amounts and the oldest.

    Days are the dates on which payments were saved. Internal Payments stay in the EMR and are not counted.
    """
    from payments.journeys import reporting

    with open_report() as tx:
        sums = reporting.not_in_billing(tx, chosen_filter(tx, parameters))
        show(unposted_records(sums, datetime.now(UTC)), NOT_IN_BILLING_REPORT, output)


@app.command(epilog="Example: payments report trends --group-by clinic --from 2026-10-01")
@report_command(TrendsParameters)
def trends(parameters: TrendsParameters, output: Output) -> None:
    """Show what was paid in the EMR and how much of it is in Billing, by week or clinic.

    Without --from and --to, the report shows the last twelve weeks. Days are the dates on which payments were saved.
    """
    from payments.journeys import choosing, dashboard

    with open_report() as tx:
        chosen = chosen_filter(tx, parameters)
        feed_filter = with_period(chosen, choosing.current_day(tx, chosen.scope, datetime.now(UTC)))
        show(trend_records(dashboard.trends(tx, feed_filter, parameters.group)), TRENDS, output)


@report_command(TimelineParameters)
def timeline(parameters: TimelineParameters, output: Output) -> None:
    """Show the history of one payment: each attempt with its user or worker and its result."""
    from payments.journeys import reporting

    key = parameters.payment
    with open_transaction() as tx:
        events = reporting.timeline(tx, key, EVERYTHING.narrowed_to_company(parameters.company))
    if not events:
        raise CommandError(f"there is no payment {key}; `payments report claims-feed` prints the keys")
    show(timeline_records(events), timeline_report(key, events[0].patient_name), output)


@report_command(SearchParameters)
def search(parameters: SearchParameters, output: Output) -> None:
    """Find patients and payments by name, id, key, check number or amount.

    The best hits come first: equal ids and names, then ids and names that begin with the text, then those that contain
    it, then similar names.
    """
    from payments.journeys import searching

    with open_transaction() as tx:
        found = searching.search(tx, parameters.q, parameters.scope(EVERYTHING))
    show(search_records(found), SEARCH, output)
