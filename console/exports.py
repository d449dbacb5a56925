"""Tables as files for a spreadsheet: CSV and XLSX. No cell of either is ever run as a formula."""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import xlsxwriter

from console.output import Record, write_csv

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(records: Iterable[Record], keys: Sequence[str]) -> bytes:
    """Return records as CSV, opened rightly by a spreadsheet: UTF-8 with its mark."""
    file = io.StringIO()
    write_csv(records, keys, file)
    return file.getvalue().encode("utf-8-sig")


def as_xlsx(title: str, records: Iterable[Record], keys: Sequence[str]) -> bytes:
    """Return records as a workbook of one sheet: money as numbers, dates as dates, text as text."""
    file = io.BytesIO()
    options: Mapping[str, object] = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd",
    }
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet(title[:31])
        bold, dollars = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"})
        sheet.freeze_panes(1, 0)
        for column, key in enumerate(keys):
            sheet.write_string(0, column, key.replace("_", " ").capitalize(), bold)
            sheet.set_column(column, column, max(12, len(key) + 2))
        for row, record in enumerate(records, 1):
            for column, key in enumerate(keys):
                _write(sheet, (row, column), record[key], dollars)
    return file.getvalue()


def _write(sheet: object, cell: tuple[int, int], value: object, dollars: object) -> None:
    assert isinstance(sheet, xlsxwriter.worksheet.Worksheet)  # noqa: S101 (the library says no types)
    match value:
        case None:
            pass
        case Decimal():
            # A cell of a workbook holds nothing else; what counts to the cent is the ledger.
            sheet.write_number(*cell, float(value), dollars)
        case date():
            sheet.write_datetime(*cell, value)
        case int():
            sheet.write_number(*cell, value)
        case _:
            sheet.write_string(*cell, str(value))
