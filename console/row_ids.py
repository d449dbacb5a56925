"""Parse row ids, such as the number of an exception, and counts. Commands, pages and the API use this module."""

import re

ROW_ID_MAX = 2**62
_ID_PATTERN = re.compile(r"[1-9][0-9]{0,18}")
_QUOTED_CHARACTERS_MAX = 40


def parse_row_id(text: str) -> int:
    """Return the id in a text: ASCII digits without a leading zero, from 1 to ROW_ID_MAX.

    Raises ValueError for any other text. int() alone would accept ` 17`, `+17`, `1_7` and the digits of other scripts,
    so a mistyped id could select another row.
    """
    if _ID_PATTERN.fullmatch(text) and int(text) <= ROW_ID_MAX:
        return int(text)
    raise ValueError(f"{text[:_QUOTED_CHARACTERS_MAX]!r} is not a number such as 17")


def parse_count(text: str) -> int:
    """Return the count in a text: `0`, or digits as for `parse_row_id`. Raises ValueError for any other text."""
    return 0 if text == "0" else parse_row_id(text)
