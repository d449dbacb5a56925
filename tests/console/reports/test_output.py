"""No cell of a CSV file begins like a formula, for any separator. Raw files contain the text unchanged."""

import csv
import io
import json
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.reports.output import array_pieces, csv_pieces, escape_formulas, json_pieces, object_pieces

FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Hypothesis seldom finds the characters that matter among all of Unicode.
special_characters = st.sampled_from(
    [*"=+-@,;|\t\r\n\"' a1", *FORMULA_STARTS[4:], "\ufeff", "\u2028", "\x85", "\x0b", "\xa0"]
)
cell_texts = st.text(special_characters | st.characters(codec="utf-8"), max_size=12)
row_lists = st.lists(st.lists(cell_texts, min_size=3, max_size=3), min_size=1, max_size=4)
COLUMN_KEYS = ("first", "second", "third")


def to_csv(rows: list[list[Any]], *, is_raw: bool = False) -> str:
    return "".join(csv_pieces([dict(zip(COLUMN_KEYS, row, strict=True)) for row in rows], COLUMN_KEYS, is_raw=is_raw))


def all_cells(text: str, separator: str) -> list[str]:
    """Return the cells of CSV text, first as a CSV parser splits them, and then as split at every separator."""
    quoted = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    return quoted + [cell for line in text.splitlines() for cell in line.split(separator)]


@pytest.mark.slow
@given(rows=row_lists, separator=st.sampled_from(",;\t|"))
def test_no_csv_cell_is_a_formula_with_any_separator(rows: list[list[str]], separator: str) -> None:
    for cell in all_cells(to_csv(rows), separator):
        assert not cell.lstrip(' \xa0\ufeff"').startswith(FORMULA_STARTS), (rows, cell)


@given(rows=row_lists)
def test_raw_csv_contains_the_text_unchanged(rows: list[list[str]]) -> None:
    read = [*csv.reader(io.StringIO(to_csv(rows, is_raw=True), newline=""))]

    assert read == [[*COLUMN_KEYS], *rows]


@given(rows=row_lists)
def test_csv_escaping_adds_only_apostrophes(rows: list[list[str]]) -> None:
    read = [*csv.reader(io.StringIO(to_csv(rows), newline=""))][1:]

    assert [[cell.replace("'", "") for cell in row] for row in read] == [
        [cell.replace("'", "") for cell in row] for row in rows
    ]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("-25.00", "'-25.00"),
        ("@cmd", "'@cmd"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\nx", "'\nx"),
        ("\n=1", "'\n'=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        (" =1", " '=1"),
        ("a;=1+1", "a;'=1+1"),
        ('a;"=1+1"', 'a;"\'=1+1"'),
        ("a\t-1", "a\t'-1"),
        ("a=b", "a=b"),
        ("2026-10-05", "2026-10-05"),
        ("O'Brien; Ann", "O'Brien; Ann"),
    ],
)
def test_text_that_begins_a_formula_gets_an_apostrophe(text: str, cell: str) -> None:
    assert escape_formulas(text) == cell


def test_money_and_counts_stay_plain_numbers() -> None:
    assert to_csv([[Decimal("-9.50"), -3, None]]).splitlines()[1] == "-9.50,-3,"


def test_text_of_a_hundred_thousand_separators_is_checked_quickly() -> None:
    assert escape_formulas('\n "' * 100_000 + "x").endswith("x")


def test_list_is_exported_as_one_cell() -> None:
    read = [*csv.reader(to_csv([[["Copay", "Other"], [{"amount": "1.00", "method": "Cash"}], []]]).splitlines())]

    assert read[1] == ["Copay,Other", "1.00 Cash", ""]


def test_json_keeps_non_ascii_letters() -> None:
    assert "".join(json_pieces([{"name": "Zoë"}], ["name"])) == '[\n{"name": "Zoë"}\n]\n'


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_001])
def test_output_of_many_pieces_is_one_json_array_or_one_csv_table(count: int) -> None:
    read_records = [{"number": number, "amount": Decimal(number)} for number in range(count)]

    found = json.loads("".join(json_pieces(iter(read_records), ["number", "amount"])))
    lines = "".join(csv_pieces(iter(read_records), ["number", "amount"])).splitlines()

    assert found == [{"number": number, "amount": f"{number}.00"} for number in range(count)]
    assert lines == ["number,amount", *(f"{number},{number}.00" for number in range(count))]


def test_json_object_can_contain_lists_of_records() -> None:
    lists = {"payments": [{"amount": Decimal(1)}], "applied": []}

    text = "".join(array_pieces(object_pieces({"patient": patient}, lists) for patient in ("ada", "bob")))

    rest = {"payments": [{"amount": "1.00"}], "applied": []}
    assert json.loads(text) == [{"patient": "ada"} | rest, {"patient": "bob"} | rest]


@pytest.mark.parametrize("pieces", [json_pieces, csv_pieces])
def test_first_record_is_written_before_the_second_is_read(pieces: Any) -> None:
    read = []

    def read_records() -> Any:
        for number in range(10_000):
            read.append(number)
            yield {"number": number}

    first = "".join(islice(pieces(read_records(), ["number"]), 1))

    assert "0" in first
    assert len(read) == 1
