"""`payments report payment-log`: show or export the entries of the ledger. They can be filtered and grouped."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, show
from console.cli.session import open_report
from console.cli.tables import Totals
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.definition import Report
from console.reports.output import Record
from console.reports.payment_log import (
    EXPANDED_PAYMENT_LOG,
    PAYMENT_LOG,
    PaymentLogParameters,
    expanded_log_records,
    log_records,
    log_sum_records,
    payment_log_sums,
)

if TYPE_CHECKING:
    from payments.journeys.reporting import PaymentLogFilter
    from payments.store.db.connection import Transaction

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog="Example: payments report payment-log --from 2026-10-01 --to 2026-10-31 --xlsx october.xlsx\n\n"
    "Example: payments report payment-log --group-by method --format json"
)
@report_command(PaymentLogParameters)
def payment_log(
    parameters: PaymentLogParameters,
    output: Output,
    *,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show the dates of service that each payment was applied to.")
    ] = False,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a spreadsheet to this file.")] = None,
) -> None:
    """Show the Patient Payment Log: every entry of the ledger.

    Days are deposit dates.
    """
    with open_report() as tx:
        records, report = _read_records(tx, parameters, expand=expand)
        if xlsx:
            count = _write_xlsx(xlsx, output.limit_records(records), report)
            print_line(f"{count:,} rows are in {xlsx}.")
        else:
            show(records, report, output, None if parameters.group_by else lambda: _read_totals(tx, parameters))


def _write_xlsx(path: Path, records: Iterable[Record], report: Report) -> int:
    """Write a spreadsheet and return the number of its rows. If an error occurs, no file is left.

    Raises CommandError if the file cannot be opened.
    """
    from console.reports.xlsx import write_xlsx

    try:
        file = path.open("wb")
    except OSError as error:
        raise CommandError(f"the spreadsheet cannot be written: {path}: {error.strerror}") from None
    try:
        with file:
            return write_xlsx(records, report, file)
    except BaseException:
        path.unlink()
        raise


def _read_records(
    tx: Transaction, parameters: PaymentLogParameters, *, expand: bool
) -> tuple[Iterable[Record], Report]:
    from payments.journeys import reporting

    query, group = _log_filter(tx, parameters), parameters.group_by
    sort = PAYMENT_LOG.sort_of(parameters) if parameters.sort else None
    if group:
        return log_sum_records(reporting.payment_log_sums(tx, query, group), group), payment_log_sums(group)
    if expand:
        return expanded_log_records(reporting.expanded_payment_log(tx, query, sort)), EXPANDED_PAYMENT_LOG
    return log_records(reporting.payment_log(tx, query, sort)), PAYMENT_LOG


def _read_totals(tx: Transaction, parameters: PaymentLogParameters) -> Totals:
    from payments.journeys import reporting

    sums = reporting.payment_log_sums(tx, _log_filter(tx, parameters), reporting.GroupBy.METHOD)
    return Totals(sum(each.count for each in sums), sum((each.total for each in sums), Decimal("0.00")))


def _log_filter(tx: Transaction, parameters: PaymentLogParameters) -> PaymentLogFilter:
    found: PaymentLogFilter = chosen_filter(tx, parameters)
    return found
