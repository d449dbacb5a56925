"""Reports as files that a browser downloads: CSV and XLSX."""

import io
from collections.abc import Sequence

from console.reports.definition import Report
from console.reports.output import Record, write_csv
from console.reports.xlsx import write_xlsx

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(records: Sequence[Record], report: Report) -> bytes:
    """Return records as CSV in UTF-8 with a byte order mark, which spreadsheets need."""
    file = io.StringIO()
    write_csv(records, report.keys, file)
    return file.getvalue().encode("utf-8-sig")


def as_xlsx(records: Sequence[Record], report: Report) -> bytes:
    """Return records as a workbook of one sheet."""
    file = io.BytesIO()
    write_xlsx(records, report, file)
    return file.getvalue()
