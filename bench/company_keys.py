"""Measure the migration to keys whose first column is `company_id`, on a filled database of the previous release.

`python -m bench.migrating` calls this module. It runs a query repeatedly during every step of the migration, and
measures the slowest one.
"""

import time
from collections.abc import Callable
from functools import partial

import psycopg

from config.database_urls import libpq_url
from payments.store.db.connection import Database, connect, transaction
from payments.store.migrations import online, upgrade
from payments.store.migrations.backfill import BACKFILLED_TABLES
from payments.store.migrations.statements import create_index
from workers.runtime import company_backfill, company_keys

PREVIOUS_REVISION = "0020"
TIMED_QUERY = "SELECT count(*) FROM history WHERE line_ref = 7"
_FILLING_STATEMENTS = (
    "INSERT INTO companies (company_id) SELECT 'company-' || number FROM generate_series(0, 4) AS number",
    """
    INSERT INTO clinics (clinic_id, company_id) SELECT 'clinic-' || number, 'company-' || number % 5
    FROM generate_series(0, 49) AS number
    """,
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        date_of_service, status, application, target, detail, attempts, waits)
    SELECT 'clinic-' || number * 7919::bigint % 50, 'stored-' || number, '1', 'company-' || number * 7919::bigint % 5,
        'patient-' || number / 5, 1, false, TIMESTAMPTZ '2026-06-01 12:00+00' + (number % 90) * INTERVAL '1 day',
        DATE '2026-06-01' + number % 90, sha256(number::text::bytea), 'Copay', 12.00, 12.00, true, false, 'Cash',
        DATE '2026-06-01' + number % 90, DATE '2026-06-01' + number % 90, 'Transmission Successful', 'imported', 12.00,
        '', 1, 0
    FROM generate_series(1, {payments}) AS number
    """,
    "INSERT INTO events SELECT gen_random_uuid(), DATE '2026-06-01', content_hash FROM lines",
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, saved_at, 'bench' FROM lines
    """,
    """
    INSERT INTO allocations (line_ref, clinic_id, charge_id, company_id, patient_id, amount, rule, distribution_date,
        made_at)
    SELECT id, clinic_id, payment_id, company_id, patient_id, 5.00, 'own_date', transaction_date, saved_at
    FROM lines WHERE id % 2 = 0
    """,
    """
    INSERT INTO history (at, what, line_ref, entry_id, version, detail, who, duration_ms)
    SELECT saved_at, 'imported', id, '1790000000000-' || id, 1, '', 'importer-4711', 12 FROM lines
    """,
    """
    INSERT INTO findings (line_ref, version, reason_code, reason, amount_before, amount_now, proposal, note, status,
        opened_at)
    SELECT id, 1, 'zero_due', '', 0.00, 12.00, '[]', '', 'open', saved_at FROM lines WHERE id % 100 = 0
    """,
    "VACUUM ANALYZE",
    "CHECKPOINT",
)


def fill_database(url: str, payments: int) -> None:
    """Fill a database of the previous release with payments. Each has an entry, an event id and a row of history."""
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        for statement in _FILLING_STATEMENTS:
            connection.execute(statement.format(payments=payments))


def migrate(url: str) -> list[tuple[str, float]]:
    """Migrate the database as `workers.migrate --finish` does. Return the name and the seconds of each step."""
    steps = [("columns and triggers", _measure_seconds(lambda: upgrade(url)))]
    database = connect(url, application_name="payments migrate", pool_size=1)
    try:
        steps += [
            (f"company of {table}", _measure_seconds(partial(company_backfill.backfill_table, database, table)))
            for table in BACKFILLED_TABLES
        ]
        steps += _create_indexes(database)
        steps.append(("foreign keys and checks", _measure_seconds(lambda: company_keys.create_keys(database))))
        steps.append(("finish", _measure_seconds(lambda: company_keys.finish(database))))
    finally:
        database.dispose()
    return steps


def _create_indexes(database: Database) -> list[tuple[str, float]]:
    with transaction(database) as tx:
        missing = online.missing_indexes(tx)
    return [(f"index {index.name}", _measure_seconds(partial(create_index, database, index))) for index in missing]


def _measure_seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
