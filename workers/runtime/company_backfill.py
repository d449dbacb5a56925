"""Set the company of rows that earlier releases inserted without a company, and log the progress."""

import time

import structlog

from payments.store.db.connection import Database, is_transient, transaction
from payments.store.migrations import backfill

log = structlog.get_logger(__name__)

BATCH_ROWS = 5_000
LOG_SECONDS = 5.0
_TRIES_MAX = 5  # of a batch that meets a lock or a deadlock


def backfill_company_ids(database: Database, batch_rows: int = BATCH_ROWS) -> None:
    """Set the company of the rows of all tables, `batch_rows` rows per transaction. A later run continues after a stop.

    Raises DBAPIError if a batch fails several times.
    """
    for table in backfill.BACKFILLED_TABLES:
        backfill_table(database, table, batch_rows)


def backfill_table(database: Database, table: str, batch_rows: int = BATCH_ROWS) -> None:
    """Set the company of the rows of one table. Raises DBAPIError if a batch fails several times."""
    logged = time.monotonic()
    while not (progress := _next_batch(database, table, batch_rows)).finished:
        if time.monotonic() - logged >= LOG_SECONDS:
            logged = time.monotonic()
            log.info("companies_filled", table=table, done=progress.done, total=max(progress.done, progress.total))


def _next_batch(database: Database, table: str, batch_rows: int) -> backfill.BackfillProgress:
    for tries_left in reversed(range(_TRIES_MAX)):
        try:
            with transaction(database) as tx:
                return backfill.fill_batch(tx, table, batch_rows)
        except Exception as error:
            if not (tries_left and is_transient(error)):
                raise
    raise AssertionError("unreachable: the last try returns or raises")
