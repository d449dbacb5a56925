"""Positions in a list. The parameters `after` and `before` of an address contain the values of a row's sort keys."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from console.row_ids import ROW_ID_MAX
from console.web.errors import PageError
from console.web.filters import ReportQuery
from payments.core.sorting import Position, SortValue, Window
from payments.store.db.keyset import SortKey

END = "end"
"""The value of `before` for the last page of a list."""
_SEPARATOR = "~"


def encode_position(position: Position) -> str:
    """Encode a position as text."""
    return _SEPARATOR.join(quote(_position_text(value), safe=":") for value in position)


def decode_window(query: ReportQuery[Any], keys: Sequence[SortKey], limit: int) -> Window:
    """Return the window of rows that a query requests. `keys` are the sort keys of the list.

    Raises PageError (422) for an invalid position, and for a query with two positions.
    """
    if query.after is not None and query.before is not None:
        raise PageError(422, "A page is after a row or before a row.", "Use either `after` or `before`, not both.")
    if query.before == END:
        return Window(limit, is_backward=True)
    position = query.after if query.before is None else query.before
    decoded = None if position is None else _decode_position(position, keys)
    return Window(limit, decoded, is_backward=query.before is not None)


def _decode_position(text: str, keys: Sequence[SortKey]) -> Position:
    try:
        parts = map(unquote, text.split(_SEPARATOR))
        return tuple(_PARSER_BY_SQL_TYPE[key.sql_type](part) for key, part in zip(keys, parts, strict=True))
    except (ValueError, ArithmeticError):
        raise PageError(422, "This page of the list cannot be found.", "Start again from its first page.") from None


def _position_text(value: SortValue) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _read_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def _read_amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(text)
    return amount


def _read_id(text: str) -> int:
    return max(-ROW_ID_MAX, min(int(text), ROW_ID_MAX))


def _read_text(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    return text


_PARSER_BY_SQL_TYPE: dict[str, Callable[[str], SortValue]] = {
    "timestamptz": _read_moment,
    "date": date.fromisoformat,
    "numeric": _read_amount,
    "bigint": _read_id,
    "integer": lambda text: min(1, max(0, int(text))),
    "text": _read_text,
}
