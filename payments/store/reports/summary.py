"""The number of rows of a list and the sum of their amounts, counted up to a limit."""

from collections.abc import Mapping
from dataclasses import dataclass

from payments.contract.money import Money
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


@dataclass(frozen=True, slots=True)
class Summary:
    """The number of matching rows, and their sum in dollars.

    If `is_complete` is False, there are more rows than `count`. `total` is None for a list without amounts, and for an
    incomplete count.
    """

    count: int
    total: Money | None
    is_complete: bool = True


def first_rows(limit: int | None) -> str:
    """Return the LIMIT clause of the rows that are counted: one more than the limit, or all without a limit.

    The number is written out, so that PostgreSQL keeps the plan.
    """
    return "" if limit is None else f"LIMIT {limit + 1:d}"


def read_summary(tx: Transaction, query: str, parameters: Mapping[str, object], limit: int | None) -> Summary:
    """Return the summary that a query computes from `first_rows(limit)`. It has the columns `count` and `total`."""
    count, amount = tx.execute(text(query), parameters).one()
    if limit is not None and count > limit:
        return Summary(limit, None, is_complete=False)
    return Summary(count, amount)
