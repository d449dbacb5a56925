"""Row ids are parsed strictly, so that a mistyped id never selects another row."""

import pytest

from console.row_ids import ROW_ID_MAX, parse_count, parse_row_id

MALFORMED_IDS = [
    *("", " ", "0", "-1", "+17", "017", "1_7", " 17", "17 ", "17\n", "1.0", "17.5", "1e1", "0x11", "\u0661\u0667"),
    *("\uff11\uff17", "1,700", "17a", str(ROW_ID_MAX + 1), "9" * 400),
]


@pytest.mark.parametrize("text", MALFORMED_IDS)
def test_malformed_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number such as 17"):
        parse_row_id(text)


@pytest.mark.parametrize("text", [each for each in MALFORMED_IDS if each != "0"])
def test_malformed_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number such as 17"):
        parse_count(text)


def test_count_of_zero_is_accepted() -> None:
    assert (parse_count("0"), parse_count("17")) == (0, 17)


@pytest.mark.parametrize("number", [1, 17, 10**18, ROW_ID_MAX])
def test_printed_id_is_parsed_to_the_same_id(number: int) -> None:
    assert parse_row_id(str(number)) == number
