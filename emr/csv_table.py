"""Reads a CSV file strictly: a row that does not fit the header is refused.

The separator is a comma, a semicolon, a tab or a vertical bar, whichever the header uses. The encoding is UTF-8, with
or without a byte order mark, or UTF-16 with one (the "Unicode text" of spreadsheets).

A row has the number that a spreadsheet shows: the header is row 1, and blank rows count. A cell may hold line breaks.
Below such a cell, row numbers differ from line numbers, and errors name both.
"""

import codecs
import contextlib
import csv
import io
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import BinaryIO, NamedTuple, cast

_SEPARATORS = (",", ";", "\t", "|")
_CELL_CHARACTERS_MAX = csv.field_size_limit()
# Undecodable bytes become this lone surrogate, which no file can hold, so that errors name its row and column.
_ESCAPE = "\udc80"
codecs.register_error("emr.csv_table", lambda error: (_ESCAPE, cast("UnicodeDecodeError", error).end))
_UNREADABLE = re.compile(f"[{_ESCAPE}\0]")
_SAVE_AS_UTF8 = "save the file as CSV in UTF-8"


class TableError(ValueError):
    """A file cannot be read. The message names the row, the column and the problem."""

    def __init__(self, row: int, line: int, column: str, problem: str) -> None:
        self.row, self.line, self.column = row, line, column
        place = f"row {row}" if line == row else f"row {row} (line {line} of the file)"
        super().__init__(f"{place}, column {column}: {problem}")


class SurplusCellsError(TableError):
    """A row has more cells than the header, probably because a cell holds a separator without quotation marks."""

    def __init__(
        self, row: "Row", positions: Mapping[str, int], headings: Sequence[str], cells: Sequence[str], separator: str
    ) -> None:
        self._row, self._positions, self._headings, self._cells = row, positions, headings, cells
        self._separator = separator
        surplus = f"no heading for {cells[len(headings)][:60]!r}; {_cell_count_problem(headings, cells)}"
        advice = "A cell that holds a separator needs quotation marks"
        super().__init__(row.number, row.line, str(len(headings) + 1), f"{surplus}. {advice}")

    def rejoined(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield each column's name, with the cells of the row as they are if a separator divided this column's cell."""
        names = {at: name for name, at in self._positions.items()}
        surplus = len(self._cells) - len(self._headings)
        for at, heading in enumerate(self._headings):
            end = at + surplus + 1
            cells = [*self._cells[:at], self._separator.join(self._cells[at:end]), *self._cells[end:]]
            yield names.get(at, heading), {name: cells[position] for name, position in self._positions.items()}

    def divided_cell_error(self, column: str, cell: str) -> TableError:
        """Return the error that names `column` as the column whose cell a separator divided."""
        problem = f"{cell[:60]!r} is {len(self._cells) - len(self._headings) + 1} cells; "
        return self._row.error(column, f"{problem}{_cell_count_problem(self._headings, self._cells)}")


class Row(NamedTuple):
    """A row: its number in a spreadsheet, the number of its first line in the file, and its cells by column name."""

    number: int
    line: int
    cells: Mapping[str, str]

    def error(self, column: str, problem: str) -> TableError:
        """Return an error about a cell of this row."""
        return TableError(self.number, self.line, column, problem)


def read_table(file: BinaryIO, required: Sequence[str], optional: Collection[str] = ()) -> Iterator[Row]:
    """Yield the rows that are not blank, with the required columns and the optional columns that the header has.

    A heading and a column name match if their letters and digits are equal, regardless of case: "Amount Paid" matches
    amount_paid. Other columns are ignored. Cells are not stripped.

    Raises TableError for a missing column, a heading that occurs twice, a row with more or fewer cells than the header,
    a value without a heading, a repeated header row, wrong quotation marks, and text that cannot be decoded.
    """
    # A pipe cannot be rewound, so the byte order mark is looked at without being read.
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", file))
    is_utf16 = buffered.peek(2)[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    encoding = "utf-16" if is_utf16 else "utf-8-sig"
    text = io.TextIOWrapper(buffered, encoding=encoding, errors="emr.csv_table", newline="")
    try:
        yield from _rows(_Lines(text), required, optional)
    finally:
        with contextlib.suppress(ValueError):  # the caller has closed the file
            text.detach()


class _Lines(Iterator[str]):
    """The lines of a file. Keeps the lines of the record that is being read."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._ahead = text, deque[str]()
        self.count = 0
        self.record: list[str] = []

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._text)
        self.count += 1
        self.record.append(line)
        return line

    def peek(self) -> str:
        """Return the first line that is not blank, without consuming lines. Returns an empty text if there is none."""
        for line in self._text:
            self._ahead.append(line)
            if line.strip():
                return line
        return ""


def _rows(lines: _Lines, required: Sequence[str], optional: Collection[str]) -> Iterator[Row]:
    separator = _separator(lines.peek(), required)
    records = _records(lines, separator)
    number, line, headings = next(records, (1, 1, []))
    positions = _positions(Row(number, line, {}), headings, required, optional)
    for number, line, cells in records:
        row = Row(number, line, {name: cells[at] for name, at in positions.items() if at < len(cells)})
        if len(cells) > len(headings):
            raise SurplusCellsError(row, positions, headings, cells, separator)
        _check_fit(row, headings, cells, separator)
        yield row


def _separator(header: str, required: Sequence[str]) -> str:
    """Return the separator that finds the most required columns in the header."""
    wanted = {_comparable(name) for name in required}
    return max(_SEPARATORS, key=lambda separator: len(wanted.intersection(map(_comparable, header.split(separator)))))


def _comparable(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading.casefold())


def _records(lines: _Lines, separator: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield each non-blank record: its number, the line number on which it begins, and its cells."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    headings: list[str] = []
    for number in count(1):
        lines.record.clear()
        line = lines.count + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError(number, line, *_damaged_cell(lines.record, headings, separator, error)) from None
        if cells is None:
            return
        if any(map(_UNREADABLE.search, lines.record)):
            at = next(at for at, cell in enumerate(cells) if _UNREADABLE.search(cell))
            raise TableError(number, line, _heading(headings, at), _unreadable(cells[at]))
        if any(cell and not cell.isspace() for cell in cells):
            headings = headings or cells
            yield number, line, cells


def _unreadable(cell: str) -> str:
    if "\0" in cell:
        return f"holds a NUL, which is no text; {_SAVE_AS_UTF8}"
    readable = cell.replace(_ESCAPE, "\N{REPLACEMENT CHARACTER}")
    return f"{readable[:60]!r} is not UTF-8; {_SAVE_AS_UTF8}"


def _damaged_cell(record: list[str], headings: list[str], separator: str, error: csv.Error) -> tuple[str, str]:
    """Return the column and the problem of a record that the csv module cannot parse."""
    mark = re.escape(separator)
    quoted, plain = rf'"(?:[^"]|"")*+"(?=[{mark}\r\n]|$)', rf'(?!")[^{mark}\r\n]{{0,{_CELL_CHARACTERS_MAX}}}'
    whole = re.compile(f"(?:{quoted}|{plain})({mark})?")
    text, position, at = "".join(record), 0, 0
    while (cell := whole.match(text, position)) and cell[1] and len(cell[0]) <= _CELL_CHARACTERS_MAX:
        position, at = cell.end(), at + 1
    if "field limit" in str(error):
        problem = f"more than {_CELL_CHARACTERS_MAX:,} characters; is a quotation mark left open?"
    elif "unexpected end" in str(error):
        problem = "the quotation mark that opens this cell is never closed"
    else:
        problem = "text after the closing quotation mark; is an earlier one left open, or one inside not doubled?"
    return _heading(headings, at), problem


def _heading(headings: Sequence[str], at: int) -> str:
    """Return the heading at the position `at`. For an empty heading, return the number of the column."""
    heading = headings[at].strip() if at < len(headings) else ""
    return heading or str(at + 1)


def _positions(header: Row, headings: list[str], required: Sequence[str], optional: Collection[str]) -> dict[str, int]:
    """Return the position of each requested column. Raises TableError for a missing or repeated column."""
    names = [_comparable(heading) for heading in headings]
    for column in required:
        if _comparable(column) not in names:
            raise header.error(column, f"missing; expected a header with {', '.join(required)}")
    found: dict[str, int] = {}
    for at, (name, heading) in enumerate(zip(names, headings, strict=True)):
        if name and name in found:
            problem = f"the headings {headings[found[name]]!r} and {heading!r} name the same column"
            raise header.error(_heading(headings, at), problem)
        found[name] = at
    return {name: found[_comparable(name)] for name in (*required, *optional) if _comparable(name) in found}


def _check_fit(row: Row, headings: list[str], cells: list[str], separator: str) -> None:
    """Raise TableError if a row does not fit the header. The caller has checked that the row is not too long."""
    if len(cells) < len(headings):
        raise row.error(_heading(headings, len(cells)), f"missing; {_cell_count_problem(headings, cells)}")
    for at, cell in enumerate(cells):
        if cell and not cell.isspace() and not headings[at].strip():
            raise row.error(str(at + 1), f"no heading for {cell[:60]!r}; is the cell before it divided?")
        if ("\n" in cell or "\r" in cell) and cell.count(separator) >= len(headings) - 1:
            raise row.error(_heading(headings, at), "a whole row is inside the quotation marks; one of them is missing")
    if cells == headings:
        raise row.error(_heading(headings, 0), "the header again; a file has one header")


def _cell_count_problem(headings: Sequence[str], cells: Sequence[str]) -> str:
    return f"the row has {len(cells)} cells, the header {len(headings)}"
