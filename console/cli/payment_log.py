"""`payments report payment-log`: every entry of the ledger, filtered, grouped, expanded, exported."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormOption, LimitOption
from console.cli.parameters import report_command
from console.cli.printing import show
from console.cli.session import open_snapshot
from console.cli.terminal import print_line
from console.reports.definition import Report
from console.reports.output import OutputFormat, Record
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
    from payments.store.db.connection import Transaction

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog="Example: payments report payment-log --from 2026-10-01 --to 2026-10-31 --xlsx october.xlsx\n\n"
    "Example: payments report payment-log --group-by method --format json"
)
@report_command(PaymentLogParameters)
def payment_log(
    parameters: PaymentLogParameters,
    *,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show the dates of service that each payment was applied to.")
    ] = False,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a spreadsheet to this file.")] = None,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = 200,
) -> None:
    """Show the Patient Payment Log: every entry of the ledger.

    Days are deposit dates.
    """
    with open_snapshot() as tx:
        records, report = _read(tx, parameters, expand=expand)
    if xlsx:
        from console.reports.xlsx import write_xlsx

        write_xlsx(records, report, xlsx)
        print_line(f"{len(records):,} rows are in {xlsx}.")
    else:
        show(records, report, form, limit)


def _read(tx: Transaction, parameters: PaymentLogParameters, *, expand: bool) -> tuple[list[Record], Report]:
    from payments.journeys import distributing, reporting

    query = parameters.query((parameters.clinic,) if parameters.clinic else None)
    group = parameters.group_by
    if group:
        return log_sum_records(reporting.payment_log_sums(tx, query, group), group), payment_log_sums(group)
    rows = reporting.payment_log(tx, query)
    if not expand:
        return log_records(rows), PAYMENT_LOG
    applied = distributing.show_applied(tx, query.patient_id, query.as_of)
    return expanded_log_records(rows, applied), EXPANDED_PAYMENT_LOG
