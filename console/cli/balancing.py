"""`payments report balancing`: the EMR against Billing as one sum, and the lines whose amounts differ."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, print_pieces, show
from console.cli.session import open_report, open_transaction
from console.cli.spooled_stdout import spooled_stdout
from console.cli.tables import Totals
from console.cli.terminal import stdout
from console.errors import CommandError
from console.plurals import plural
from console.reports.balancing import BALANCING, DIFFERENCES, BalancingParameters, balance_record, difference_record
from console.reports.output import OutputFormat, Record, object_pieces

if TYPE_CHECKING:
    from payments.contract.payment_log import EmrLogRow
    from payments.journeys.balancing import Balance, BalancedLine, BalanceFilter

app = typer.Typer()


@app.command(
    "balancing",
    epilog="Example: payments report balancing --from 2026-10-05 --to 2026-10-11\n\n"
    "Example: payments report balancing --from 2026-10-05 --to 2026-10-11 --clinic north --lines\n\n"
    "Example: payments report balancing --from 2026-10-05 --to 2026-10-11 --clinic north --emr-csv log.csv\n\n"
    "Example: payments report balancing --lines --format csv > lines.csv",
)
@report_command(BalancingParameters)
def balancing(
    parameters: BalancingParameters,
    output: Output,
    *,
    emr_csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the EMR's amounts from this Payment Log file.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="List every line that differs, including explained ones.")
    ] = False,
) -> None:
    """Compare the EMR by transaction date with Billing by deposit date, and explain every difference.

    Unexplained is 0.00 unless something is wrong. Differences of opposite sign can cancel out, so the number of
    unexplained payments is shown too. Unexplained lines come first. In CSV, lines are in the order of payments, and are
    printed while the ledger is read. With --emr-csv, Billing is compared with the EMR's own Payment Log line by line.
    This finds lost events. That CSV file has a header: clinic_id, payment_id, line_id, transaction_date, amount_paid,
    charge_type, internal_payment, paid and optionally version. It must cover the selected days and clinics.
    """
    with _open_log(emr_csv) as log:
        if lines and output.output_format is OutputFormat.CSV:
            _print_lines_as_csv(parameters, log, output)
        else:
            _print_balance(parameters, log, output, every_line=lines)


def _print_lines_as_csv(parameters: BalancingParameters, log: Iterator[EmrLogRow] | None, output: Output) -> None:
    from payments.journeys import balancing as journey

    with open_report() as tx:
        query = chosen_filter(tx, parameters)
        show(_records(journey.differing_lines(tx, query, log)), DIFFERENCES, output)


def _print_balance(
    parameters: BalancingParameters, log: Iterator[EmrLogRow] | None, output: Output, *, every_line: bool
) -> None:
    from payments.journeys import balancing as journey

    with spooled_stdout():
        with open_transaction() as tx:
            query = chosen_filter(tx, parameters)
            balance = journey.balance(tx, query, log)
        record = balance_record(balance, query)
        match output.output_format:
            case OutputFormat.JSON:
                print_pieces(object_pieces(record, {"lines": output.limit_records(_records(balance.lines))}))
            case OutputFormat.CSV:
                show([record], BALANCING, output)
            case OutputFormat.TABLE:
                stdout().print(_reconciliation_table(balance, query))
                _print_lines(balance, output, every_line=every_line)


def _records(lines: Iterable[BalancedLine]) -> Iterator[Record]:
    return map(difference_record, lines)


@contextlib.contextmanager
def _open_log(path: Path | None) -> Iterator[Iterator[EmrLogRow] | None]:
    """Open a Payment Log file, yield its rows, and close the file after the block. If `path` is None, yield None.

    Raises CommandError, with the row's number and column, if a row is invalid.
    """
    from emr.payment_log import PaymentLogError, read_payment_log

    if path is None:
        yield None
        return
    with path.open("rb") as file:
        try:
            yield read_payment_log(file)
        except PaymentLogError as error:
            raise CommandError(f"{path}: {error}", exit_status=2) from None


def _print_lines(balance: Balance, output: Output, *, every_line: bool) -> None:
    """Print the number of equal lines, and list the lines that differ.

    If `every_line`, list every line that differs. Otherwise list only those that are unexplained or have notes.
    """
    all_lines = balance.equal + balance.different
    same = f"{balance.equal:,} of {all_lines:,} payments are equal on both sides."
    stdout().print(Text(same, "dim"), soft_wrap=True)
    strange = (line for line in balance.lines if every_line or line.unexplained or line.notes)
    first = next(strange, None)
    if first:
        totals = (lambda: Totals(balance.different, balance.unexplained)) if every_line else None
        show(_records(chain([first], strange)), DIFFERENCES, output, totals)


def _unexplained_label(unexplained: int) -> str:
    """Return ` (N payments)`, or an empty text for 0.

    The count is needed because unexplained amounts may cancel out.
    """
    return f" ({plural(unexplained, 'payment')})" if unexplained else ""


def _reconciliation_table(balance: Balance, query: BalanceFilter) -> Table:
    """Return the reconciliation as a table: EMR total, each reconciling item, unexplained amount and Billing total."""
    from payments import balancing_wording

    where = query.scope.only_clinic or "all clinics"
    days = f"{query.since or 'the beginning'} to {query.until or 'the end'}"
    title = f"Balancing {where}, {days}"
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_edge=False, pad_edge=False
    )
    table.add_column("")
    table.add_column("Amount", justify="right")
    table.add_row("EMR, by transaction date", f"{balance.emr_total:,.2f}")
    for term, amount in balance.items.items():
        table.add_row(
            f"less {balancing_wording.ITEM_SENTENCES[term]}", f"{amount:,.2f}" if amount else Text("0.00", "dim")
        )
    style = "bold red" if balance.unexplained_count else "bold green"
    unexplained = f"less Unexplained{_unexplained_label(balance.unexplained_count)}"
    table.add_row(Text(unexplained, style), Text(f"{balance.unexplained:,.2f}", style), end_section=True)
    table.add_row(Text("Billing, imports by deposit date", "bold"), Text(f"{balance.billing_total:,.2f}", "bold"))
    return table
