"""Read the rows of a query in batches through a cursor, so that memory stays constant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

BATCH_ROWS = 2_000

# By default PostgreSQL plans a cursor for a tenth of its rows: it may sort all of them before the first one, or read a
# whole table in the order of an index to find a few.
_SET_CURSOR_PLAN = "SELECT set_config('cursor_tuple_fraction', CASE WHEN :is_selective THEN '1' ELSE '0.01' END, true)"
# Without statistics PostgreSQL may take a set for a single row, and read it again for each row of another one.
_DISABLE_NESTED_LOOPS = "SELECT set_config('enable_nestloop', 'off', true)"


def read_batches(
    tx: Transaction, statement: str, parameters: Mapping[str, Any], *, is_selective: bool = False
) -> Iterator[Sequence[Row[Any]]]:
    """Run a query and yield its rows in batches. The transaction must stay open until the last batch.

    By default, PostgreSQL plans the query to return the first rows quickly, in the order of an index. With
    `is_selective`, it plans to find all rows first, through an index for the query's condition, and then to sort them.
    This setting lasts until the transaction ends.
    """
    tx.execute(text(_SET_CURSOR_PLAN), {"is_selective": is_selective})
    with tx.execute(text(statement), parameters, execution_options={"yield_per": BATCH_ROWS}) as found:
        yield from found.partitions(BATCH_ROWS)


def disable_nested_loops(tx: Transaction) -> None:
    """Disable nested loops in this transaction, so that joins are hash or merge joins.

    A LATERAL subquery is still evaluated for each row.
    """
    tx.execute(text(_DISABLE_NESTED_LOOPS))
