"""Queries whose rows are read a batch at a time through a cursor of PostgreSQL, so that memory stays constant."""

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


def batches(
    tx: Transaction, statement: str, parameters: Mapping[str, Any], *, is_selective: bool = False
) -> Iterator[Sequence[Row[Any]]]:
    """Run a query and yield its rows in batches. The transaction has to stay open until the last batch.

    By default the first rows come quickly, in the order of an index. A selective query has an index for its condition:
    it finds all of its rows, and then sorts them. The function changes a setting of the transaction until the
    transaction ends.
    """
    tx.execute(text(_CURSOR), {"is_selective": is_selective})
    with tx.execute(text(statement), parameters, execution_options={"yield_per": BATCH_ROWS}) as found:
        yield from found.partitions(BATCH_ROWS)


def read_as_sets(tx: Transaction) -> None:
    """Prefer hash and merge joins in this transaction. A LATERAL subquery is still evaluated for each row."""
    tx.execute(text(_AS_SETS))
