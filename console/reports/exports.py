"""Reports as files for a browser: CSV and XLSX."""

import tempfile
from collections.abc import Iterable, Iterator

from console.reports.definition import Report
from console.reports.output import Record, csv_pieces
from console.reports.xlsx import write_xlsx

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_BYTE_ORDER_MARK = "\ufeff"
_CHUNK_BYTES = 1 << 16


def as_csv(records: Iterable[Record], report: Report) -> Iterator[bytes]:
    """Yield records as CSV in UTF-8. The file begins with a byte order mark, because spreadsheets need one."""
    yield _BYTE_ORDER_MARK.encode()
    for piece in csv_pieces(records, report.keys):
        yield piece.encode()


def as_xlsx(records: Iterable[Record], report: Report) -> Iterator[bytes]:
    """Yield the bytes of a workbook that has one sheet.

    All records are written before the first bytes are yielded. Raises CommandError if there are more than ROWS_MAX.
    """
    with tempfile.TemporaryFile() as file:
        write_xlsx(records, report, file)
        file.seek(0)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
