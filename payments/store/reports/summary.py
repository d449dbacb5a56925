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
    """Return the LIMIT clause of the rows that are counted: one more than the limit. Without a limit, return no clause.

    The limit is written into the SQL text instead of being a parameter, so that PostgreSQL can reuse the plan.
    """
    return "" if limit is None else f"LIMIT {limit + 1:d}"


def read_summary(tx: Transaction, query: str, parameters: Mapping[str, object], limit: int | None) -> Summary:
    """Run a query that returns `count` and `total` of the rows in `first_rows(limit)`. Return them as a summary."""
    count, amount = tx.execute(text(query), parameters).one()
    if limit is not None and count > limit:
        return Summary(limit, None, is_complete=False)
    return Summary(count, amount)
