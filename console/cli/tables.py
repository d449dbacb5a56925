"""Prints records as a table on a terminal: the columns that fit its width, colours, and a total line."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from console.cli.terminal import printable, stdout
from console.plurals import plural
from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

_STATUS_STYLES = {
    "Transmission Successful": "green",
    "Transmission Pending": "yellow",
    "Validation Failed": "red",
    "Not Sent": "bold red",
}
# Narrower tables shorten the statuses.
_WIDTH_FULL_STATUS = 140


def print_table(records: Sequence[Record], report: Report, limit: int = 0) -> None:
    """Print a table with its total line, or the message of the report if there are no rows."""
    console = stdout()
    if not records:
        console.print(Text(report.empty, "dim"), soft_wrap=True)
        return
    shown = records[:limit] if limit else records
    console.print(_table(shown, records, report, console.width))
    if len(shown) < len(records):
        hidden = len(records) - len(shown)
        console.print(Text(f"... and {hidden:,} more; --limit 0 shows all of them", "dim"), soft_wrap=True)


def _table(shown: Sequence[Record], records: Sequence[Record], report: Report, width: int) -> Table:
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
    foot = _foot(records, report, columns)
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


def _foot(records: Sequence[Record], report: Report, columns: Sequence[Column]) -> dict[str, str]:
    first = columns[0].key
    if report.counted_by:
        count = sum(number for record in records if isinstance(number := record[report.counted_by], int))
        foot = {first: "Total", report.counted_by: f"{count:,}"}
    else:
        foot = {first: plural(len(records), report.noun)}
    if report.total_of:
        amounts = [amount for record in records if isinstance(amount := record[report.total_of], Decimal)]
        foot[report.total_of] = f"{sum(amounts, Decimal('0.00')):,.2f}"
    return foot


def _cell(value: Any, width: int) -> Text:
    if value is None:
        return Text("-", "dim")
    if isinstance(value, Decimal):
        return Text(f"{value:,.2f}", "red" if value < 0 else "")
    return _styled(printable(_formatted(value)), width)


def _formatted(value: int | date | list[str] | str) -> str:
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


def _styled(text: str, width: int) -> Text:
    style = _STATUS_STYLES.get(text, "")
    if style and width < _WIDTH_FULL_STATUS:
        text = text.removeprefix("Transmission ")
    return Text(text, style)
