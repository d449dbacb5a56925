"""Ids of rows, such as an exception's number, and counts, as a command, a page and the API take them."""

import re

ROW_ID_MAX = 2**62
_FORM = re.compile(r"[1-9][0-9]{0,18}")
_SHOWN_MAX = 40


def parse_row_id(text: str) -> int:
    """Return the id that a text states: ASCII digits without a leading zero, from 1 to ROW_ID_MAX.

    int() alone would take ` 17`, `+17`, `1_7` and the digits of other scripts, so a slip would act on another row.
    Raises ValueError for any other text.
    """
    if _FORM.fullmatch(text) and int(text) <= ROW_ID_MAX:
        return int(text)
    raise ValueError(f"{text[:_SHOWN_MAX]!r} is not a number such as 17")


def parse_count(text: str) -> int:
    """Return the count that a text states: `0`, or digits as `parse_row_id` takes them. Raises ValueError like it."""
    return 0 if text == "0" else parse_row_id(text)
