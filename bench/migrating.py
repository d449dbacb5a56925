"""Measure how long a migration takes, and how long it blocks a query.

`python -m bench.migrating [ROWS]` migrates ROWS payments to keys whose first column is `company_id`, with
`bench/company_keys.py`. `python -m bench.migrating [ROWS] --migration 0012` partitions ROWS rows of history: it runs
the migration and then creates the partitions of the coming months, like `workers.migrate`.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
from alembic import command

from bench import company_keys
from config.database_urls import libpq_url
from devstack.engines import embedded_postgres
from payments.journeys import retention
from payments.store.db.connection import Transaction, connect, transaction
from payments.store.migrations import alembic_config

ROWS, LINES, DAYS = 1_000_000, 250_000, 60
ASK_SECONDS = 0.01
_FILLING_STATEMENTS = (
    "INSERT INTO history (at, what, line_ref, entry_id, version, detail, who, duration_ms) "
    f"SELECT now() - n %% {DAYS} * interval '1 day' - n * interval '1 second' / 86400, 'Imported', n %% {LINES}, "
    "'1790000000000-' || n, 1, '25.00 Cash, deposited on 2026-10-05', 'importer-4711', 12 "
    "FROM generate_series(1, %s) AS n"
)
_TIMED_QUERY = "SELECT count(*) FROM history WHERE line_ref = 7"


def main() -> None:
    """Fill a database and migrate it. Print the seconds of each step, and of the slowest query during the step."""
    asked = argparse.ArgumentParser(prog="python -m bench.migrating", description=__doc__)
    asked.add_argument("rows", type=int, nargs="?", default=ROWS)
    asked.add_argument("--migration", choices=("company", "0012"), default="company")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="pay-bench-") as home, embedded_postgres(Path(home)) as url:
        if options.migration == "0012":
            _measure_partitioning(url, options.rows)
        else:
            _measure_company_keys(url, options.rows)


def _measure_partitioning(url: str, rows: int) -> None:
    _migrate_to(url, "0011")
    _execute(url, _FILLING_STATEMENTS, rows)
    print(f"{rows:,} rows of history, of {DAYS} days")
    with _measured_reader(url) as waits:
        step = _measure_seconds(lambda: _migrate_to(url, "0012"))
        room = _measure_seconds(lambda: _create_partitions(url))
    _check_row_counts(url, rows)
    print(f"0012: {step:.1f} s; room for the months: {room:.1f} s; a reader waited at most {max(waits):.1f} s")


def _measure_company_keys(url: str, payments: int) -> None:
    _migrate_to(url, company_keys.PREVIOUS_REVISION)
    _create_partitions(url)
    company_keys.fill_database(url, payments)
    print(f"{payments:,} payments")
    with _measured_reader(url) as waits:
        for step, seconds in company_keys.migrate(url):
            print(f"{step:32} {seconds:8.1f} s")
    print(f"a reader waited at most {max(waits):.1f} s")


def _execute(url: str, statement: str, rows: int) -> None:
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute(statement, [rows])
        connection.execute("VACUUM ANALYZE history")
        connection.execute("CHECKPOINT")


def _check_row_counts(url: str, rows: int) -> None:
    with psycopg.connect(libpq_url(url)) as connection:
        found = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("history", "history_default")
        ]
    if found != [(rows,), (0,)]:
        raise SystemExit(f"{found} rows are there and in no month, not {rows} and 0")


def _migrate_to(url: str, revision: str) -> None:
    with _open_transaction(url) as tx:
        config = alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, revision)


def _create_partitions(url: str) -> None:
    for table in retention.PARTITIONED_TABLES:
        with _open_transaction(url) as tx:
            retention.create_partitions(tx, table, datetime.now(UTC).date())


@contextmanager
def _open_transaction(url: str) -> Iterator[Transaction]:
    database = connect(url, application_name="bench", pool_size=1)
    with transaction(database) as tx:
        yield tx
    database.dispose()


@contextmanager
def _measured_reader(url: str) -> Iterator[list[float]]:
    """Query the history of one line repeatedly until the block ends.

    Yields a list to which the seconds of each query are added.
    """
    waits, ended = [0.0], threading.Event()
    reader = threading.Thread(target=_read_repeatedly, args=(url, waits, ended))
    reader.start()
    try:
        yield waits
    finally:
        ended.set()
        reader.join()


def _read_repeatedly(url: str, waits: list[float], ended: threading.Event) -> None:
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        while not ended.wait(ASK_SECONDS):
            waits.append(_measure_seconds(partial(connection.execute, _TIMED_QUERY)))


def _measure_seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
