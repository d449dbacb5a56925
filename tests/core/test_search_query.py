"""The values that a search text can mean: an amount, a check number, an id, a key or a name."""

from decimal import Decimal

import pytest

from payments.contract.keys import KeyReading, LocalKey
from payments.core.search_query import TEXT_CHARACTERS_MAX, SearchQuery, parse_search


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("25", "25.00"),
        ("25.00", "25.00"),
        ("25.5", "25.50"),
        ("$25", "25.00"),
        ("$1,250.00", "1250.00"),
        ("1,250", "1250.00"),
        ("-25.00", "-25.00"),
        ("-$25", "-25.00"),
        ("($25.00)", "-25.00"),
        ("0", "0.00"),
    ],
)
def test_amount_is_read_as_people_write_it(text: str, amount: str) -> None:
    assert parse_search(text).amount == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["25,00", "1,25", "1,250,00", "25.001", "25.", "2 5", "٢٥", "1e2", "$", "$x", "99999999999", "1,000,000,000,000"],
)
def test_text_that_is_not_an_amount_is_read_as_no_amount(text: str) -> None:
    assert parse_search(text).amount is None


def test_amount_with_a_currency_sign_is_read_as_no_id_or_check_number() -> None:
    assert parse_search("$25") == SearchQuery("$25", amount=Decimal("25.00"))
    assert parse_search("$25").is_amount_only
    assert not parse_search("25").is_amount_only


@pytest.mark.parametrize(
    "text", ["1234", "#1234", "check 1234", "Check #1234", "ck no. 1234", "CHECK NUMBER 1234", "ref 1234", "no 1234"]
)
def test_check_number_is_found_with_and_without_words_before_it(text: str) -> None:
    references = parse_search(text).references

    assert references[0] == text
    assert {"1234", "#1234", "check 1234", "Check #1234"} <= set(references)


def test_name_that_begins_like_a_word_for_numbers_stays_whole() -> None:
    assert parse_search("Nolan").references == ("Nolan",)
    assert parse_search("Checkers").references == ("Checkers",)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("north/p-1/2", (None, "north", "p-1", "2")),
        ("acme:north/p-1/2", ("acme", "north", "p-1", "2")),
        ("north/p-1", (None, "north", "p-1", "")),
        ("acme:north/p-1", ("acme", "north", "p-1", "")),
        ("p-1/2", (None, "", "p-1", "2")),
        ("a/b/p-1/2", (None, "a/b", "p-1", "2")),
        ("north/p/1/2", (None, "north", "p/1", "2")),
    ],
)
def test_key_is_read_whole_or_in_part(text: str, reading: tuple[str | None, str, str, str]) -> None:
    company, *key = reading

    assert KeyReading(company, LocalKey(*key)) in parse_search(text).keys


def test_payment_id_is_searched_in_any_case() -> None:
    assert parse_search(" P-1001 ").payment_ids == ("P-1001", "p-1001")
    assert parse_search("x" * 65).payment_ids == ()


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_blank_text_is_empty(text: str) -> None:
    assert parse_search(text).is_empty


def test_readings_of_a_long_text_are_limited() -> None:
    query = parse_search("a/" * 5_000)

    assert len(query.text) <= TEXT_CHARACTERS_MAX
    assert len(query.keys) <= 50
