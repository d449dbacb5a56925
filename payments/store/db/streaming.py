"""Read the rows of a query in batches through a cursor, so that memory stays constant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

BATCH_ROWS = 2_000

# By default PostgreSQL plans a cursor for a tenth of its rows: it may sort all of them before the first one, or read a
# whole table in the order of an index to find a few.
_CURSOR = "SELECT set_config('cursor_tuple_fraction', CASE WHEN :is_selective THEN '1' ELSE '0.01' END, true)"
# Without statistics PostgreSQL may take a set for a single row, and read it again for each row of another one.
_AS_SETS = "SELECT set_config('enable_nestloop', 'off', true)"


def read_batches(
    tx: Transaction, statement: str, parameters: Mapping[str, Any], *, is_selective: bool = False
) -> Iterator[Sequence[Row[Any]]]:
    """Run a query and yield its rows in batches. The transaction must stay open until the last batch.

    By default, the plan returns the first rows quickly, in the order of an index. For a selective query, which has an
    index for its condition, the plan finds all rows first and then sorts them. The choice is a setting of the
    transaction, which stays until the transaction ends.
    """
    tx.execute(text(_CURSOR), {"is_selective": is_selective})
    with tx.execute(text(statement), parameters, execution_options={"yield_per": BATCH_ROWS}) as found:
        yield from found.partitions(BATCH_ROWS)


def read_as_sets(tx: Transaction) -> None:
    """Disable nested loops in this transaction, so that joins are hash or merge joins.

    A LATERAL subquery is still evaluated for each row.
    """
    tx.execute(text(_AS_SETS))
