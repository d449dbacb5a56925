"""Tables as files for a spreadsheet, CSV and XLSX, as a browser takes them away."""

import io
from collections.abc import Sequence

from console.reports.layout import Layout
from console.reports.output import Record, write_csv
from console.reports.xlsx import write_xlsx

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(records: Sequence[Record], layout: Layout) -> bytes:
    """Return records as CSV, opened rightly by a spreadsheet: UTF-8 with its mark."""
    file = io.StringIO()
    write_csv(records, layout.keys, file)
    return file.getvalue().encode("utf-8-sig")


def as_xlsx(records: Sequence[Record], layout: Layout) -> bytes:
    """Return records as a workbook of one sheet."""
    file = io.BytesIO()
    write_xlsx(records, layout, file)
    return file.getvalue()
