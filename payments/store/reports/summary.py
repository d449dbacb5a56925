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


def read_summary(tx: Transaction, query: str, parameters: Mapping[str, object], limit: int | None) -> Summary:
    """Return the summary that a query computes. The query has the columns `count` and `total`.

    With a limit, the query reads at most `:limit` rows. This parameter is one more than `limit`.
    """
    given = {**parameters, "limit": None if limit is None else limit + 1}
    count, amount = tx.execute(text(query), given).one()
    if limit is not None and count > limit:
        return Summary(limit, None, is_complete=False)
    return Summary(count, amount)
