"""Measure the import rate and the report times while the ledger grows."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import psycopg
from sqlalchemy import text

from bench import generated_events
from bench.importing import ResourceUsage, frozen_processes
from bench.testbed import PREPARED_DATABASE, Testbed, our_processes
from config.database_urls import libpq_url, with_database
from payments.core.sorting import Window
from payments.journeys import reporting
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter
from payments.store.db.connection import Transaction, connect, transaction

RATE_SHARE_MIN = 0.9
"""Target: the rate at a million payments, divided by that at the smallest size, is at least this."""
EVENTS, ROUNDS, PAGE = 10_000, 3, 50


class Round(NamedTuple):
    """The result of one import: the rate in events per second, and two costs per event.

    `cpu_us` is CPU time in microseconds. `wal_bytes` is the size of the write-ahead log.
    """

    rate: float
    cpu_us: float
    wal_bytes: float


class GrowthResult(NamedTuple):
    """The result for one ledger size: medians over the import rounds, and milliseconds for one page of each report."""

    shared_buffers: str
    stored: int
    rate: float
    cpu_us: float
    wal_bytes: float
    page_ms: dict[str, float]


def measure(testbed: Testbed, sizes: tuple[int, ...]) -> list[GrowthResult]:
    """Fill a ledger of each size, import events into it, and read a page of each report."""
    names = {size: f"bench_grown_{size}" for size in sizes}
    for size, name in names.items():
        create_ledger(testbed, name, size)
    rounds: dict[int, list[Round]] = {size: [] for size in sizes}
    for turn in range(ROUNDS):
        for size, name in names.items():
            use_ledger(testbed, name)
            rounds[size].append(_measure_import(testbed, size, turn))
    found = []
    for size, name in names.items():
        use_ledger(testbed, name)
        rate, cpu_us, wal_bytes = map(statistics.median, zip(*rounds[size], strict=True))
        buffers = str(testbed.scalar("SHOW shared_buffers"))
        found.append(GrowthResult(buffers, size, rate, cpu_us, wal_bytes, _measure_pages(testbed)))
    drop_ledgers(testbed, *names.values())
    return found


def create_ledger(
    testbed: Testbed,
    name: str,
    payments: int,
    *more: str,
    analyze: bool = True,
    patients: int = generated_events.PATIENTS,
) -> None:
    """Create a database `name` whose ledger has `payments` payments. Then run the statements `more` in it.

    Without `analyze`, the planner has no statistics of the ledger, as after a restore.
    """
    with psycopg.connect(libpq_url(testbed.server_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {PREPARED_DATABASE}")
    database = connect(with_database(testbed.server_url, name), application_name="bench")
    with transaction(database) as tx:
        # Each index is built once at the end. Row by row, it would take half as long again and be larger.
        later = tx.execute(text(_INDEX_STATEMENTS)).all()
        for index, _ in later:
            tx.execute(text(f"DROP INDEX {index}"))
        for statement in (*_FILLING_STATEMENTS, *more):
            tx.execute(text(statement), {"payments": payments, "patients": patients})
        for _, definition in later:
            tx.execute(text(definition))
    with database.connect() as connection_:
        connection_.execution_options(isolation_level="AUTOCOMMIT").execute(
            text("VACUUM ANALYZE" if analyze else "VACUUM")
        )
        connection_.execute(text("CHECKPOINT"))
    database.dispose()


def use_ledger(testbed: Testbed, name: str) -> None:
    """Connect the testbed to the database `name`, which `create_ledger` has created."""
    testbed.close()
    testbed.engines = replace(testbed.engines, database_url=with_database(testbed.server_url, name))
    testbed.opened.append(connect(testbed.engines.database_url, application_name="bench"))


def drop_ledgers(testbed: Testbed, *names: str) -> None:
    """Drop the databases `names`, which `create_ledger` has created."""
    testbed.close()
    with psycopg.connect(libpq_url(testbed.server_url), autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    testbed.engines = replace(testbed.engines, database_url=testbed.server_url)


def _measure_import(testbed: Testbed, size: int, turn: int) -> Round:
    before = int(str(testbed.scalar("SELECT count(*) FROM entries")))
    with our_processes(testbed, 2) as pids:
        testbed.publish(generated_events.events(1_000, prefix=f"warm-{size}", seed=turn))
        testbed.wait_until_empty()
        with frozen_processes([pids["intake"]]):
            testbed.publish(generated_events.events(EVENTS, prefix=f"more-{size}", seed=turn))
            before_them = ResourceUsage.read(testbed, pids)
            started = time.perf_counter()
        seconds = testbed.wait_until_empty() - started
        used = ResourceUsage.read(testbed, pids).since(before_them)
    added = int(str(testbed.scalar("SELECT count(*) FROM entries"))) - before
    assert added == EVENTS + 1_000, f"{added:,} entries came of {EVENTS + 1_000:,} events"
    return Round(EVENTS / seconds, sum(used.cpu_seconds.values()) / EVENTS * 1_000_000, used.wal_bytes / EVENTS)


def _measure_pages(testbed: Testbed) -> dict[str, float]:
    day = generated_events.FIRST_DAY + timedelta(days=30)
    reads: dict[str, Callable[[Transaction], object]] = {
        "claims feed": lambda tx: reporting.claims_feed_page(tx, FeedFilter(), Window(PAGE)),
        "payment log of a day": lambda tx: reporting.payment_log_page(
            tx, PaymentLogFilter(since=day, until=day), Window(PAGE)
        ),
        "exceptions": lambda tx: reporting.exceptions_page(tx, ExceptionFilter(), Window(PAGE)),
    }
    return {name: _median_ms(testbed, read) for name, read in reads.items()}


def _median_ms(testbed: Testbed, read: Callable[[Transaction], object]) -> float:
    taken = []
    for _ in range(5):
        with transaction(testbed.database) as tx:
            started = time.perf_counter()
            read(tx)
            taken.append((time.perf_counter() - started) * 1_000)
    return statistics.median(taken)


# All that keep no constraint; of a table that is kept in months, the one that its months have a part of.
_INDEX_STATEMENTS = """
    SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = ANY ('{events,lines,entries,history,findings}'::regclass[]) AND NOT indisunique
        AND NOT relispartition
    ORDER BY 1
"""
_FILLING_STATEMENTS = (
    """
    INSERT INTO events (company_id, event_id, saved_month, content_hash)
    SELECT 'company-' || number % 5, gen_random_uuid(), DATE '2026-06-01', '\\x00'
    FROM generate_series(1, :payments) AS number
    """,
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        date_of_service, status, application, target, detail, attempts, waits)
    SELECT 'clinic-' || number * 7919::bigint % 50, 'stored-' || number, '1', 'company-' || number * 7919::bigint % 5,
        'patient-' || number * 7919::bigint % :patients, 1, false,
        TIMESTAMPTZ '2026-06-01 12:00+00' + (number % 90) * INTERVAL '1 day', DATE '2026-06-01' + number % 90, '',
        'Copay', 12.00, 12.00, true, false, 'Cash', DATE '2026-06-01' + number % 90, DATE '2026-06-01' + number % 90,
        'Transmission Successful', CASE WHEN number % 1000 = 0 THEN 'exception' ELSE 'imported' END, 12.00, '', 1, 0
    FROM generate_series(0, :payments - 1) AS number
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, now(), 'bench'
    FROM lines
    """,
    """
    INSERT INTO history (at, what, company_id, line_ref, version, detail, who, duration_ms)
    SELECT now(), 'Imported', company_id, id, 1, '12.00 Cash Copay', 'bench', 1 FROM lines
    """,
    """
    INSERT INTO findings (company_id, line_ref, version, reason_code, amount_before, amount_now, proposal, note,
        status, opened_at)
    SELECT company_id, id, 1, 'zero_due', 0.00, 12.00, '[]', '', 'open', now()
    FROM lines WHERE application = 'exception'
    """,
)
