"""A limit of the time that a query may take."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_Result = TypeVar("_Result")
_CANCELED = "57014"


class TimeLimitError(Exception):
    """PostgreSQL canceled a query, because it took longer than its limit. Its transaction cannot go on."""


def within_time(tx: Transaction, milliseconds: int, read: Callable[[Transaction], _Result]) -> _Result:
    """Return what `read` returns. Raises TimeLimitError if one of its queries takes longer than the limit.

    The limit holds until the end of the transaction.
    """
    tx.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{milliseconds}ms"})
    try:
        return read(tx)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _CANCELED:
            raise TimeLimitError from error
        raise
