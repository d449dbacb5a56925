"""Write the records of a report as a spreadsheet (XLSX)."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

import tempfile
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

from console.errors import CommandError
from console.reports.definition import ColumnKind, Report
from console.reports.output import Record, Value, escape_formulas, item_text

ROWS_MAX = 1_048_575
"""Maximum number of rows below the heading of an Excel sheet. The library silently drops further rows."""
# Otherwise text that begins with an equals sign becomes a formula, and an address a link.
_WORKBOOK_OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "constant_memory": True,
}
_WIDTHS = {ColumnKind.TEXT: 26, ColumnKind.MONEY: 14, ColumnKind.COUNT: 10, ColumnKind.DATE: 14, ColumnKind.MOMENT: 26}
"""Widths of the columns in characters, by kind. The longest text is unknown, because rows are written one by one."""


def write_xlsx(records: Iterable[Record], report: Report, target: IO[bytes]) -> int:
    """Write records with all columns of the report. Return the number of rows.

    Money is written as numbers, dates as dates, and text never as a formula. Each row goes to a temporary file, so
    memory is constant. Raises CommandError if there are more than ROWS_MAX records.
    """
    import xlsxwriter

    with tempfile.TemporaryDirectory(prefix="payments-xlsx-") as folder:
        book = xlsxwriter.Workbook(target, _WORKBOOK_OPTIONS | {"tmpdir": folder})
        sheet = book.add_worksheet(report.title[:31])
        try:
            count = _write_rows(book, sheet, records, report)
            book.close()
        finally:
            sheet.row_data_fh.close()
    return count


def _write_rows(book: Any, sheet: Any, records: Iterable[Record], report: Report) -> int:
    formats = {
        "money": book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        # Otherwise text becomes a formula when its cell is edited.
        "text": book.add_format({"quote_prefix": True}),
    }
    for index, column in enumerate(report.columns):
        sheet.set_column(index, index, max(_WIDTHS[column.kind], len(column.key) + 4))
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, report.keys, book.add_format({"bold": True, "bottom": 1}))
    keys, count = report.keys, 0
    for count, record in enumerate(records, 1):
        if count > ROWS_MAX:
            raise CommandError(too_many_rows())
        for index, key in enumerate(keys):
            _write(sheet, (count, index), record[key], formats)
    if count:
        sheet.autofilter(0, 0, count, len(keys) - 1)
    return count


def too_many_rows() -> str:
    """Return the error message for a report that has more rows than a spreadsheet can hold."""
    return f"a spreadsheet holds {ROWS_MAX:,} rows, and there are more; choose fewer days, or CSV"


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
            _write_text(sheet, cell, ", ".join(map(item_text, value)), formats)
        case _:
            _write_text(sheet, cell, value, formats)


def _write_text(sheet: Any, cell: tuple[int, int], text: str, formats: dict[str, Any]) -> None:
    sheet.write_string(*cell, text, formats["text"] if escape_formulas(text) != text else None)
