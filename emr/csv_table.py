"""Read a CSV file strictly: a row that does not match the header is an error.

The separator is a comma, a semicolon, a tab or a vertical bar; the header decides. The encoding is UTF-8, with or
without a byte order mark, or UTF-16 with a byte order mark (the "Unicode text" of spreadsheets).

Rows are numbered as in a spreadsheet: the header is row 1, and blank rows count. A cell may contain line breaks. After
such a cell, row numbers differ from line numbers, and errors name both.
"""

import codecs
import contextlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, cast

from emr.csv_records import ENCODING_ERRORS, Lines, TableError, find_separator, heading_at, heading_key, records

__all__ = ["HeaderError", "Row", "SurplusCellsError", "Table", "TableError", "open_table", "read_table"]


class SurplusCellsError(TableError):
    """A row has more cells than the header. Probably a separator inside a cell was not quoted."""

    def __init__(
        self, row: "Row", positions: Mapping[str, int], headings: Sequence[str], cells: Sequence[str], separator: str
    ) -> None:
        self._row, self._positions, self._headings, self._cells = row, positions, headings, cells
        self._separator = separator
        surplus = f"no heading for {cells[len(headings)][:60]!r}; {_cell_count_problem(headings, cells)}"
        advice = "A cell that holds a separator needs quotation marks"
        super().__init__(row.number, row.line, str(len(headings) + 1), f"{surplus}. {advice}")

    def rejoined_cells(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield a possible repair of the row for each column: the column, and the repaired cells by column name.

        A repair joins the parts into which separators may have divided the cell of the column.
        """
        names = {at: name for name, at in self._positions.items()}
        surplus = len(self._cells) - len(self._headings)
        for at, heading in enumerate(self._headings):
            end = at + surplus + 1
            cells = [*self._cells[:at], self._separator.join(self._cells[at:end]), *self._cells[end:]]
            yield names.get(at, heading), {name: cells[position] for name, position in self._positions.items()}

    def divided_cell_error(self, column: str, cell: str) -> TableError:
        """Return the error that a separator divided the cell of `column`. `cell` is the text of the rejoined cell."""
        problem = f"{cell[:60]!r} is {len(self._cells) - len(self._headings) + 1} cells; "
        return self._row.error(column, f"{problem}{_cell_count_problem(self._headings, self._cells)}")


class Row(NamedTuple):
    """A row of the file: its number in a spreadsheet, the number of its first line, and its cells by column name."""

    number: int
    line: int
    cells: Mapping[str, str]

    def error(self, column: str, problem: str) -> TableError:
        """Return an error about the cell of this row in `column`."""
        return TableError(self.number, self.line, column, problem)


class HeaderError(TableError):
    """The header lacks a required column, or two of its headings mean the same column.

    `headings` are all headings of the file.
    """

    def __init__(self, row: "Row", headings: Sequence[str], column: str, problem: str) -> None:
        super().__init__(row.number, row.line, column, problem)
        self.headings = tuple(headings)


class Table:
    """A CSV file whose header has been read.

    `headings` are the headings of the file. `positions` are the positions of the requested columns. `separator` is the
    character between cells.
    """

    def __init__(self, text: io.TextIOWrapper, required: Sequence[str], optional: Collection[str]) -> None:
        lines = Lines(text)
        self.encoding = text.encoding
        self.separator = find_separator(lines.peek(), required)
        self._records = records(lines, self.separator)
        number, line, self.headings = next(self._records, (1, 1, []))
        self.positions = _positions(Row(number, line, {}), self.headings, required, optional)

    def scan(self) -> Iterator[Row | TableError]:
        """Yield each row that is not blank, or the error of a row that does not match the header.

        After an error of quotation marks or of the encoding, nothing more is yielded, because the next row cannot be
        found.
        """
        while True:
            try:
                record = next(self._records, None)
            except TableError as error:
                yield error
                return
            if record is None:
                return
            yield self._fitted_row(*record)

    def _fitted_row(self, number: int, line: int, cells: list[str]) -> Row | TableError:
        row = Row(number, line, {name: cells[at] for name, at in self.positions.items() if at < len(cells)})
        if len(cells) > len(self.headings):
            return SurplusCellsError(row, self.positions, self.headings, cells, self.separator)
        try:
            _check_fit(row, self.headings, cells, self.separator)
        except TableError as error:
            return error
        return row


@contextlib.contextmanager
def open_table(file: BinaryIO, required: Sequence[str], optional: Collection[str] = ()) -> Iterator[Table]:
    """Read the header of a CSV file, and yield the table. Its rows can be read until the block ends.

    A heading matches a column name if their letters and digits are equal, regardless of case: "Amount Paid" matches
    amount_paid. Other columns are ignored. Cells are not stripped.

    Raises HeaderError if a column is missing or a heading occurs twice. Raises TableError if the header is unreadable.
    """
    # Peek at the byte order mark without reading it, because a pipe cannot be rewound.
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", file))
    is_utf16 = buffered.peek(2)[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    encoding = "utf-16" if is_utf16 else "utf-8-sig"
    text = io.TextIOWrapper(buffered, encoding=encoding, errors=ENCODING_ERRORS, newline="")
    try:
        yield Table(text, required, optional)
    finally:
        with contextlib.suppress(ValueError):  # the caller has closed the file
            text.detach()


def read_table(file: BinaryIO, required: Sequence[str], optional: Collection[str] = ()) -> Iterator[Row]:
    """Yield the rows that are not blank, with the required columns, and with the optional columns that the header has.

    Raises the errors of `open_table`. Also raises TableError for a row with more or fewer cells than the header, a
    value without a heading, a repeated header row, wrong quotation marks, and text that cannot be decoded.
    """
    with open_table(file, required, optional) as table:
        for row in table.scan():
            if isinstance(row, TableError):
                raise row
            yield row


def _positions(header: Row, headings: list[str], required: Sequence[str], optional: Collection[str]) -> dict[str, int]:
    """Return the position of each requested column. Raises HeaderError for a missing or repeated column."""
    names = [heading_key(heading) for heading in headings]
    for column in required:
        if heading_key(column) not in names:
            raise HeaderError(header, headings, column, f"missing; expected a header with {', '.join(required)}")
    found: dict[str, int] = {}
    for at, (name, heading) in enumerate(zip(names, headings, strict=True)):
        if name and name in found:
            problem = f"the headings {headings[found[name]]!r} and {heading!r} name the same column"
            raise HeaderError(header, headings, heading_at(headings, at), problem)
        found[name] = at
    return {name: found[heading_key(name)] for name in (*required, *optional) if heading_key(name) in found}


def _check_fit(row: Row, headings: list[str], cells: list[str], separator: str) -> None:
    """Check that a row matches the header. Otherwise raises TableError.

    The caller has already checked that the row does not have too many cells.
    """
    if len(cells) < len(headings):
        raise row.error(heading_at(headings, len(cells)), f"missing; {_cell_count_problem(headings, cells)}")
    for at, cell in enumerate(cells):
        if cell and not cell.isspace() and not headings[at].strip():
            raise row.error(str(at + 1), f"no heading for {cell[:60]!r}; is the cell before it divided?")
        if ("\n" in cell or "\r" in cell) and cell.count(separator) >= len(headings) - 1:
            raise row.error(
                heading_at(headings, at), "a whole row is inside the quotation marks; one of them is missing"
            )
    if cells == headings:
        raise row.error(heading_at(headings, 0), "the header again; a file has one header")


def _cell_count_problem(headings: Sequence[str], cells: Sequence[str]) -> str:
    return f"the row has {len(cells)} cells, the header {len(headings)}"
