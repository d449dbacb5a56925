"""Split the text of a CSV file into records of cells, strictly. Find the separator that the file uses."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import cast

_SEPARATORS = (",", ";", "\t", "|")
_CELL_CHARACTERS_MAX = csv.field_size_limit()
# Replaces undecodable bytes, so that errors name their row and column. No valid file contains this surrogate.
_UNDECODABLE = "\udc80"
ENCODING_ERRORS = "emr.csv_records"
codecs.register_error(ENCODING_ERRORS, lambda error: (_UNDECODABLE, cast("UnicodeDecodeError", error).end))
_UNREADABLE_CHARACTER_PATTERN = re.compile(f"[{_UNDECODABLE}\0]")
_ENCODING_ADVICE = "save the file as CSV in UTF-8"


class TableError(ValueError):
    """A file cannot be read as a table. The message names the row, the column and the problem."""

    def __init__(self, row: int, line: int, column: str, problem: str) -> None:
        self.row, self.line, self.column, self.problem = row, line, column, problem
        place = f"row {row}" if line == row else f"row {row} (line {line} of the file)"
        super().__init__(f"{place}, column {column}: {problem}")


class Lines(Iterator[str]):
    """Iterates over the lines of a file. `record` holds the lines of the record that is being read."""

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
        """Return the first line that is not blank, or an empty text. The iteration still yields this line."""
        for line in self._text:
            self._ahead.append(line)
            if line.strip():
                return line
        return ""


def find_separator(header: str, required: Sequence[str]) -> str:
    """Return the separator that splits the header into the most required columns."""
    wanted = {heading_key(name) for name in required}
    return max(_SEPARATORS, key=lambda separator: len(wanted.intersection(map(heading_key, header.split(separator)))))


def heading_key(heading: str) -> str:
    """Return the letters and digits of a heading in one case. Headings with the same key mean the same column."""
    return re.sub(r"[\W_]+", "", heading.casefold())


def records(lines: Lines, separator: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield each record that is not blank: its number, the number of its first line, and its cells.

    Raises TableError if a record is damaged or has characters that cannot be read.
    """
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
        if any(map(_UNREADABLE_CHARACTER_PATTERN.search, lines.record)):
            at = next(at for at, cell in enumerate(cells) if _UNREADABLE_CHARACTER_PATTERN.search(cell))
            raise TableError(number, line, heading_at(headings, at), _unreadable_problem(cells[at]))
        if any(cell and not cell.isspace() for cell in cells):
            headings = headings or cells
            yield number, line, cells


def _unreadable_problem(cell: str) -> str:
    if "\0" in cell:
        return f"holds a NUL, which is no text; {_ENCODING_ADVICE}"
    readable = cell.replace(_UNDECODABLE, "\N{REPLACEMENT CHARACTER}")
    return f"{readable[:60]!r} is not UTF-8; {_ENCODING_ADVICE}"


def _damaged_cell(record: list[str], headings: list[str], separator: str, error: csv.Error) -> tuple[str, str]:
    """Return the column and the problem of a record that the csv module could not parse."""
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
    return heading_at(headings, at), problem


def heading_at(headings: Sequence[str], at: int) -> str:
    """Return the heading at a position, counted from 0. If the heading is empty, return the number of the column."""
    heading = headings[at].strip() if at < len(headings) else ""
    return heading or str(at + 1)
