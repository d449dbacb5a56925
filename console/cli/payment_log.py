"""`payments report payment-log`: every entry of the ledger, filtered, grouped, expanded, exported."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import arguments
from console.cli.arguments import AsOfOption, FormOption, FromOption, LimitOption, ToOption
from console.cli.printing import show
from console.cli.session import open_snapshot
from console.cli.terminal import print_line
from console.reports import layouts
from console.reports.layout import Layout
from console.reports.output import Entry, OutputFormat, Record

if TYPE_CHECKING:
    from payments.journeys.reporting import GroupBy, LogFilter, LogRow, LogSum
    from payments.store.db.connection import Transaction

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog="Example: payments report payment-log --from 2026-10-01 --to 2026-10-31 --xlsx october.xlsx\n\n"
    "Example: payments report payment-log --group-by method --format json"
)
def payment_log(  # noqa: PLR0913 (typer reads each option from a parameter of its own)
    *,
    patient: Annotated[str | None, typer.Option(help="This patient only.")] = None,
    since: FromOption = None,
    until: ToOption = None,
    user: Annotated[str | None, typer.Option(help="Entries of this user only, as the log prints it.")] = None,
    as_of: AsOfOption = None,
    group_by: Annotated[
        str | None, typer.Option(metavar=layouts.GROUPS, help="One line for each, with their number and total.")
    ] = None,
    expand: Annotated[bool, typer.Option("--expand", help="Show the dates of service that each went to.")] = False,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a spreadsheet to this file.")] = None,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = 200,
) -> None:
    """Show the Patient Payment Log: every entry of the ledger.

    Days are deposit dates.
    """
    from payments.journeys import reporting

    arguments.check_order(since, until)
    query = reporting.LogFilter(patient, since, until, user, as_of)
    group = arguments.group_named(group_by) if group_by else None
    with open_snapshot() as tx:
        records, layout = _read(tx, query, group, expand=expand)
    if xlsx:
        from console.reports.xlsx import write_xlsx

        write_xlsx(records, layout, xlsx)
        print_line(f"{len(records):,} rows are in {xlsx}.")
    else:
        show(records, layout, form, limit)


def _read(tx: Transaction, query: LogFilter, group: GroupBy | None, *, expand: bool) -> tuple[list[Record], Layout]:
    from payments.journeys import distributing, reporting

    if group:
        return log_sums(reporting.payment_log_sums(tx, query, group), group), layouts.log_sums(group)
    rows = _log(reporting.payment_log(tx, query))
    if not expand:
        return rows, layouts.LOG
    went_to: dict[str, list[Entry]] = {}
    for payment, charge, day, amount in distributing.show_applied(tx, query.patient_id, query.as_of):
        part = {"date_of_service": day.isoformat(), "charge": charge, "amount": f"{amount:.2f}"}
        went_to.setdefault(payment, []).append(part)
    return [_expanded(row, went_to.get(str(row["payment"]), [])) for row in rows], layouts.EXPANDED_LOG


def log_sums(sums: Iterable[LogSum], group: str) -> list[Record]:
    """Return the sums of the Patient Payment Log as records."""
    return [{group: each.key, "count": each.count, "total": each.total} for each in sums]


def _expanded(row: Record, applied: list[Entry]) -> Record:
    """Add to an entry what its payment went to, once for programs and once in words."""
    words = [f"{part['date_of_service']}: {part['amount']}" for part in applied]
    return {**row, "applied": applied, "went_to": words}


def _log(rows: Iterable[LogRow]) -> list[Record]:
    return [row._asdict() for row in rows]
