"""How records look on a terminal: which columns fit its width, what is coloured, and what it all adds up to."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from console.cli.terminal import printable, stdout
from console.reports.layout import Column, Layout

_STATUS_STYLES = {
    "Transmission Successful": "green",
    "Transmission Pending": "yellow",
    "Validation Failed": "red",
    "Not Sent": "bold red",
}
# From this width on a status is written in full.
_WIDTH_FULL_STATUS = 140


def print_table(records: Sequence[Mapping[str, Any]], layout: Layout, limit: int = 0) -> None:
    """Print a table with its total line, or a friendly line where there is nothing."""
    console = stdout()
    if not records:
        console.print(Text(layout.empty, "dim"), soft_wrap=True)
        return
    shown = records[:limit] if limit else records
    console.print(_table(shown, records, layout, console.width))
    if len(shown) < len(records):
        hidden = len(records) - len(shown)
        console.print(Text(f"... and {hidden:,} more; --limit 0 shows all of them", "dim"), soft_wrap=True)


def _table(
    shown: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], layout: Layout, width: int
) -> Table:
    table = Table(
        title=layout.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_footer=True,
        footer_style="bold",
    )
    columns = [column for column in layout.columns if column.from_width <= width]
    foot = _foot(records, layout, columns)
    for column in columns:
        numeric = any(isinstance(record[column.key], int | Decimal) for record in records)
        table.add_column(
            column.heading,
            foot.get(column.key, ""),
            justify="right" if numeric else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for record in shown:
        table.add_row(*(_cell(record[column.key], width) for column in columns))
    return table


def _foot(records: Sequence[Mapping[str, Any]], layout: Layout, columns: Sequence[Column]) -> dict[str, str]:
    counted = sum(record[layout.counted_by] for record in records) if layout.counted_by else len(records)
    foot = {layout.counted_by or columns[0].key: f"{counted:,}" if layout.counted_by else _number(counted, layout.noun)}
    if layout.counted_by:
        foot[columns[0].key] = "Total"
    if layout.total_of:
        amounts = [amount for record in records if (amount := record[layout.total_of]) is not None]
        foot[layout.total_of] = f"{sum(amounts, Decimal('0.00')):,.2f}"
    return foot


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _cell(value: Any, width: int) -> Text:
    if value is None:
        return Text("-", "dim")
    if isinstance(value, Decimal):
        return Text(f"{value:,.2f}", "red" if value < 0 else "")
    return _words(printable(_written(value)), width)


def _written(value: int | date | list[str] | str) -> str:
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


def _words(text: str, width: int) -> Text:
    style = _STATUS_STYLES.get(text, "")
    if style and width < _WIDTH_FULL_STATUS:
        text = text.removeprefix("Transmission ")
    return Text(text, style)
