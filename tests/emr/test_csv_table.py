"""The strict CSV reader rejects a row that does not fit the header. The error names the row and the column."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emr.csv_table import TableError, read_table

HEADER = "id,name,amount,note"
GOOD_ROW = "1,Ada,25.00,ok"


def read(text: str | bytes) -> list[tuple[str, ...]]:
    body = text if isinstance(text, bytes) else text.encode()
    return [tuple(row.cells.values()) for row in read_table(io.BytesIO(body), ["id", "name", "amount"], ["note"])]


def refusal(*rows: str | bytes) -> TableError:
    body = b"\n".join(row if isinstance(row, bytes) else row.encode() for row in rows)
    with pytest.raises(TableError) as refused:
        read(body)
    assert len(str(refused.value).splitlines()) == 1
    return refused.value


# Rows behind the header and one good row; the row and the column that the error names, and a part of the problem.
MALFORMED_ROWS = {
    "too long": (["2,Ben,1,250.00,ok"], 3, "5", "no heading for 'ok'; the row has 5 cells, the header 4"),
    "too long, at the end": (["2,Ben,1.00,ok,"], 3, "5", "no heading for ''; the row has 5 cells, the header 4"),
    "too short": (["2,Ben,1.00"], 3, "note", "missing; the row has 3 cells, the header 4"),
    "much too short": (["Total"], 3, "name", "missing; the row has 1 cells, the header 4"),
    "another separator": (["2;Ben;1.00;ok"], 3, "name", "missing"),
    "quotation mark never closed": (['2,"Ben,1.00,ok', GOOD_ROW], 3, "name", "never closed"),
    "quotation mark never closed, last cell": (['2,Ben,1.00,"12 in', GOOD_ROW], 3, "note", "never closed"),
    "quotation mark closed by the next row's": (['2,Ben,1.00,"12 in', '3,Cy,2.00,"ok"'], 3, "note", "text after"),
    "text after a closing mark": (['2,"Ben"jamin,1.00,ok'], 3, "name", "text after the closing quotation mark"),
    "mark inside not doubled": (['2,"Ben "Big" Ames",1.00,ok'], 3, "name", "text after the closing quotation mark"),
    "a row inside quotation marks": (['2,Ben,1.00,"12 in', '3,Cy,2.00,12 in"'], 3, "note", "a whole row is inside"),
    "two rows inside": (['2,"Ben,1.00,ok', "3,Cy,2.00,ok", '4,Di",3.00,ok'], 3, "name", "a whole row is inside"),
    "behind a cell with line breaks": (['2,"Ben\r\nAmes",1.00,ok', "3,Cy"], 4, "amount", "row 4 (line 5 of the file)"),
    "behind blank rows": (["", "  ", ",,,", "2,Ben"], 6, "amount", "row 6, column"),
    "the header again": ([HEADER], 3, "id", "the header again"),
    "a NUL": (["2,B\0n,1.00,ok"], 3, "name", "holds a NUL"),
    "Windows-1252": (
        [GOOD_ROW, "2,Zo\u00eb,1.00,ok".encode("cp1252")],
        4,
        "name",
        "'Zo\ufffd' is not UTF-8; save the file",
    ),
    "bytes of another encoding in a column that is not read": ([b"2,Ben,1.00,\x93ok\x94"], 3, "note", "is not UTF-8"),
    "a huge cell": ([f"2,Ben,1.00,{'x' * 131_073}"], 3, "note", "more than 131,072 characters"),
    "a huge quoted cell": ([f'2,"{"x" * 131_073}",1.00,ok'], 3, "name", "more than 131,072 characters"),
    "a mark open over many rows": (
        ['2,"Ben,1.00,ok', *[GOOD_ROW] * 20_000],
        3,
        "name",
        "is a quotation mark left open?",
    ),
}


@pytest.mark.parametrize(("rows", "row", "column", "problem"), MALFORMED_ROWS.values(), ids=MALFORMED_ROWS)
def test_malformed_row_is_reported_with_row_and_column(rows: list[str], row: int, column: str, problem: str) -> None:
    error = refusal(HEADER, GOOD_ROW, *rows)

    assert (error.row, error.column) == (row, column)
    assert problem in str(error)
    assert f"row {row}" in str(error)
    assert f"column {column}" in str(error)


@pytest.mark.parametrize("row", [2, 3, 1_000, 3_000])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_undecodable_text_is_reported_with_its_row_even_far_down(row: int, encoding: str) -> None:
    # Decoders work on blocks of 8,192 bytes, so an error that a block raises names a row that is far off.
    if encoding == "utf-16":
        rows = [f"{number},Ada,25.00,ok".encode("utf-16-le") for number in range(3_500)]
        rows[row - 2] = "7,Ad".encode("utf-16-le") + b"\x00\xd8" + ",25.00,ok".encode("utf-16-le")
        body = b"\xff\xfe" + "\n".encode("utf-16-le").join([HEADER.encode("utf-16-le"), *rows])
    else:
        rows = [f"{number},Ada,25.00,ok".encode() for number in range(3_500)]
        rows[row - 2] = "7,Zo\u00eb,25.00,ok".encode(encoding)
        body = b"\n".join([HEADER.encode(), *rows])

    with pytest.raises(TableError) as refused:
        read(body)

    assert (refused.value.row, refused.value.column) == (row, "name")


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_utf_16_file_that_was_cut_off_is_refused(dropped: int) -> None:
    with pytest.raises(TableError) as refused:
        read(f"{HEADER}\n{GOOD_ROW}\n2,B".encode("utf-16")[:-dropped])

    assert refused.value.row == 3


MALFORMED_HEADERS = {
    "": (1, "id", "missing; expected a header with id, name, amount"),
    "id,name,note": (1, "amount", "missing"),
    "1,Ada,25.00,25.00": (1, "id", "missing; expected a header with id, name, amount"),
    "ID,Name,Amount,name": (1, "name", "the headings 'Name' and 'name' name the same column"),
    "id,name,amount,NAME ": (1, "NAME", "name the same column"),
    "id,na me,amount,note,na_me": (1, "na_me", "the headings 'na me' and 'na_me' name the same column"),
    "id,name,amount,Note 1,NOTE-1": (1, "NOTE-1", "name the same column"),
    '"id,name,amount': (1, "1", "never closed"),
}


@pytest.mark.parametrize(("header", "expected"), MALFORMED_HEADERS.items(), ids=MALFORMED_HEADERS)
def test_header_that_does_not_name_each_column_once_is_refused(header: str, expected: tuple[int, str, str]) -> None:
    error = refusal(header)

    assert (error.row, error.column) == expected[:2]
    assert expected[2] in str(error)


def test_blank_columns_are_ignored_unless_a_row_has_a_value_there() -> None:
    header = "id,name,amount,,note,"

    assert read(f"{header}\n1,Ada,25.00,,ok,\n") == [("1", "Ada", "25.00", "ok")]
    error = refusal(header, "1,Ada,1,250.00,ok,")
    assert (error.row, error.column) == (2, "4")
    assert "no heading for '250.00'" in str(error)


def test_cells_keep_their_text_with_marks_separators_and_line_breaks() -> None:
    rows = f'{HEADER}\n 1,"Ada ""A"" Abbott",25.00,"one, two\r\nthree"\n2,12" brace,1.00, x \n'

    assert read(rows) == [(" 1", 'Ada "A" Abbott', "25.00", "one, two\r\nthree"), ("2", '12" brace', "1.00", " x ")]


def test_optional_column_may_be_missing() -> None:
    assert read("amount,name,other,id\n25.00,Ada,x,1\n") == [("1", "Ada", "25.00")]


def test_closing_the_file_ends_the_reader_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO(f"{HEADER}\n{GOOD_ROW}\n{GOOD_ROW}\n".encode())
    rows = read_table(file, ["id"])
    next(rows)
    file.close()
    del rows

    assert capsys.readouterr().err == ""


cell_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    st.lists(st.tuples(cell_texts, cell_texts, cell_texts), max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_quoted_table_is_read_back_unchanged(rows, separator, line_end) -> None:
    def write_table(cells):
        return separator.join('"' + cell.replace('"', '""') + '"' for cell in cells)

    text = line_end.join([write_table(["id", "name", "amount"]), *map(write_table, rows)])
    kept = [row for row in rows if any(cell and not cell.isspace() for cell in row)]
    kept = [row for row in kept if row != ("id", "name", "amount")]
    swallowing = [cell for row in kept for cell in row if cell.count(separator) > 1 and {"\r", "\n"} & set(cell)]

    if not swallowing:
        assert read(text) == kept


@given(st.data())
def test_any_damage_to_the_rows_is_refused_or_leaves_the_other_rows_as_they_are(data) -> None:
    """Remove or add one character. The file is rejected, or every undamaged row is read unchanged."""
    rows = [(str(number), f'N"{number}, Jr', f"{number}.50") for number in range(1, 5)]
    body = "\n".join([HEADER, *(f'{i},"{n.replace(chr(34), chr(34) * 2)}",{a},ok' for i, n, a in rows)])
    at = data.draw(st.integers(len(HEADER) + 1, len(body) - 1))
    damage = data.draw(st.sampled_from(["", '"', ",", "\n", "x"]))
    damaged = body[:at] + damage + body[at + (not damage) :]
    hit = body.count("\n", 0, at)

    try:
        found = read(damaged)
    except TableError:
        return
    assert len(found) >= len(rows) - (body[at] == "\n")
    others = [row for number, row in enumerate(rows, 1) if number not in {hit, hit + 1}]
    assert {row[0] for row in others} <= {cells[0] for cells in found}
    assert set(others) <= {cells[:3] for cells in found}


def test_rows_are_read_one_by_one() -> None:
    """Read the first rows of an endless file."""

    class EndlessFile(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            line = f"{random.randrange(10)},Ada,25.00,ok\n".encode() if self.started else f"{HEADER}\n".encode()
            self.started = True
            buffer[: len(line)] = line
            return len(line)

        started = False

    rows = read_table(EndlessFile(), ["id", "name", "amount"])

    assert [next(rows).number for _ in range(100)] == list(range(2, 102))
