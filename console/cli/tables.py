"""Print records as a table on a terminal, with colours, a total line, and as many columns as fit its width."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from console.cli.terminal import printable, stdout
from console.plurals import plural
from console.reports.definition import ColumnKind, Report
from console.reports.output import Record

TABLE_ROWS_MAX = 10_000
_STATUS_STYLES = {
    "Transmission Successful": "green",
    "Transmission Pending": "yellow",
    "Validation Failed": "red",
    "Not Sent": "bold red",
}
# Narrower tables shorten the statuses.
_WIDTH_FULL_STATUS = 140


class Totals(NamedTuple):
    """The number of all rows of a report, and the sum of its column `total_of`."""

    rows: int
    amount: Decimal | None = None


def print_table(
    records: Iterable[Record], report: Report, limit: int = 0, totals: Callable[[], Totals] | None = None
) -> None:
    """Print a table with its total line. If there are no rows, print the message of the report.

    A table has up to `limit` rows, and never more than TABLE_ROWS_MAX, because the layout needs all rows in memory; 0
    means this maximum. If the report has more rows, `totals` returns their number and sum. Without `totals`, the total
    line has no sum.
    """
    console, most = stdout(), min(limit or TABLE_ROWS_MAX, TABLE_ROWS_MAX)
    rows = [*islice(records, most + 1)]
    if not rows:
        console.print(Text(report.empty, "dim"), soft_wrap=True)
        return
    if len(rows) <= most:
        console.print(_table(rows, report, console.width, _total_line(rows, report)))
        return
    found = totals() if totals else None
    shown = rows[:most]
    console.print(_table(shown, report, console.width, _total_line_of_part(shown, report, found)))
    hidden = f"{found.rows - most:,} more" if found else "more"
    everything = "--limit 0" if most < TABLE_ROWS_MAX else "--format csv"
    console.print(Text(f"... and {hidden}; {everything} shows all of them", "dim"), soft_wrap=True)


def _table(shown: Sequence[Record], report: Report, width: int, foot: Mapping[str, str]) -> Table:
    table = Table(
        title=report.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_footer=True,
        footer_style="bold",
    )
    columns = [column for column in report.table_columns if column.from_width <= width]
    for column in columns:
        table.add_column(
            column.terminal_heading,
            foot.get(column.key, ""),
            justify="right" if column.kind in {ColumnKind.MONEY, ColumnKind.COUNT} else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for record in shown:
        table.add_row(*(_cell(column.terminal_value(record), width) for column in columns))
    return table


def _total_line(records: Sequence[Record], report: Report) -> dict[str, str]:
    first = report.table[0]
    if report.counted_by:
        count = sum(number for record in records if isinstance(number := record[report.counted_by], int))
        foot = {first: "Total", report.counted_by: f"{count:,}"}
    else:
        foot = {first: plural(len(records), report.noun)}
    if report.total_of:
        amounts = [amount for record in records if isinstance(amount := record[report.total_of], Decimal)]
        foot[report.total_of] = f"{sum(amounts, Decimal('0.00')):,.2f}"
    return foot


def _total_line_of_part(shown: Sequence[Record], report: Report, totals: Totals | None) -> dict[str, str]:
    first = report.table[0]
    if totals is None:
        return {first: f"first {plural(len(shown), report.noun)}"}
    foot = {first: plural(totals.rows, report.noun)}
    if report.total_of and totals.amount is not None:
        foot[report.total_of] = f"{totals.amount:,.2f}"
    return foot


def _cell(value: Any, width: int) -> Text:
    if value is None:
        return Text("-", "dim")
    if isinstance(value, Decimal):
        return Text(f"{value:,.2f}", "red" if value < 0 else "")
    return _style_cell(printable(_format_cell(value)), width)


def _format_cell(value: int | date | list[str] | str) -> str:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case date():
            return value.isoformat()
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(value)
        case _:
            return value


def _style_cell(text: str, width: int) -> Text:
    style = _STATUS_STYLES.get(text, "")
    if style and width < _WIDTH_FULL_STATUS:
        text = text.removeprefix("Transmission ")
    return Text(text, style)
