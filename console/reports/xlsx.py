"""Writes the records of a report as a spreadsheet (XLSX)."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from console.errors import CommandError
from console.reports.definition import Report
from console.reports.output import Record, Value, part_written

ROWS_MAX = 1_048_575
"""The rows below the heading that a sheet of Excel holds. The library drops further rows silently."""
_WIDEST_PIXELS = 420


def write_xlsx(records: Sequence[Record], report: Report, target: Path | IO[bytes]) -> None:
    """Write the records with all columns of the report: money and dates as such, text never as a formula.

    Raises CommandError if the file cannot be written, or if there are more than ROWS_MAX records.
    """
    import xlsxwriter

    if len(records) > ROWS_MAX:
        more = f"{len(records):,} rows are more than the {ROWS_MAX:,} that a spreadsheet holds"
        raise CommandError(f"{more}; choose fewer days, or --format csv")
    # Otherwise text that begins with an equals sign becomes a formula, and an address a link.
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(target if not isinstance(target, Path) else str(target), safe)
    sheet = book.add_worksheet(report.title[:31])
    bold = book.add_format({"bold": True, "bottom": 1})
    formats = {
        "money": book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    sheet.write_row(0, 0, report.keys, bold)
    sheet.freeze_panes(1, 0)
    for number, record in enumerate(records, 1):
        for column, key in enumerate(report.keys):
            _write(sheet, (number, column), record[key], formats)
    if records:
        sheet.autofilter(0, 0, len(records), len(report.keys) - 1)
    sheet.autofit(_WIDEST_PIXELS)
    try:
        book.close()
    except xlsxwriter.exceptions.FileCreateError as error:
        raise CommandError(f"the spreadsheet cannot be written: {error}") from None


def _write(sheet: Any, cell: tuple[int, int], value: Value, formats: dict[str, Any]) -> None:
    match value:
        case None:
            pass
        case Decimal():
            sheet.write_number(*cell, value, formats["money"])
        case datetime():
            sheet.write_string(*cell, value.isoformat())
        case date():
            sheet.write_datetime(*cell, value, formats["day"])
        case int():
            sheet.write_number(*cell, value)
        case list():
            sheet.write_string(*cell, ", ".join(map(part_written, value)))
        case _:
            sheet.write_string(*cell, value)
