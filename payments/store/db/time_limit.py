"""A time limit for queries."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_Result = TypeVar("_Result")
_QUERY_CANCELED_STATE = "57014"


class TimeLimitError(Exception):
    """PostgreSQL canceled a query that took longer than its limit. The transaction cannot continue."""


def within_time(tx: Transaction, milliseconds: int, read: Callable[[Transaction], _Result]) -> _Result:
    """Call `read`, and return its result. Raises TimeLimitError if one of its queries takes longer than the limit.

    The limit applies until the end of the transaction.
    """
    tx.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{milliseconds}ms"})
    try:
        return read(tx)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED_STATE:
            raise TimeLimitError from error
        raise
