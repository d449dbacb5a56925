"""How long the nightly distribution takes a payment, at ten thousand payments and at a million."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from payments.store.migrations import upgrade
from payments.store.session import Database, connect, transaction
from tasks.distributing import distribute_all
from workers.engines import embedded_postgres

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYMENTS_PER_ACCOUNT = 10
LIMIT = 1.5
"""How much more a payment may take at the larger size."""


class Measured(NamedTuple):
    """A size, what was moved, and how long it took."""

    payments: int
    movements: int
    seconds: float

    @property
    def microseconds_each(self) -> float:
        """Return the time a payment takes."""
        return self.seconds * 1e6 / self.payments


def measure(sizes: tuple[int, ...] = (10_000, 1_000_000)) -> list[Measured]:
    """Distribute accounts of ten payments and three charges each, in a database of their own for each size."""
    found = []
    for payments in sizes:
        with tempfile.TemporaryDirectory(prefix="pay-bench-") as home, embedded_postgres(Path(home)) as url:
            upgrade(url)
            database = connect(url, application_name="bench")
            _fill(database, payments)
            started = time.perf_counter()
            movements = sum(len(each.movements) for each in distribute_all(database, NOW.date(), NOW))
            seconds = time.perf_counter() - started
            _check(database)
            database.dispose()
        found.append(Measured(payments, movements, seconds))
    return found


def _fill(database: Database, payments: int) -> None:
    accounts = {"accounts": payments // PAYMENTS_PER_ACCOUNT, "payments": payments, "each": PAYMENTS_PER_ACCOUNT}
    with transaction(database) as tx:
        for statement in _FILL:
            tx.execute(text(statement), accounts)
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _check(database: Database) -> None:
    """See to it that no charge took more than it owes, and no payment gave more than it has."""
    with transaction(database) as tx:
        for statement in _CHECKS:
            assert tx.execute(text(statement)).scalar_one() == 0, statement


_FILL = (
    "INSERT INTO companies (company_id) VALUES ('company')",
    """
    INSERT INTO patients (company_id, patient_id, known_at, version)
    SELECT 'company', 'patient-' || number, now(), 1 FROM generate_series(1, :accounts) AS number
    """,
    """
    INSERT INTO charges
    SELECT 'clinic', 'charge-' || patient || '-' || number, 'company', 'patient-' || patient, 1,
        DATE '2026-06-01' + number * 20, 40.00, number = 3
    FROM generate_series(1, :accounts) AS patient, generate_series(1, 3) AS number
    """,
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        date_of_service, status, application, target, detail, attempts, waits)
    SELECT 'clinic', 'payment-' || number, '1', 'company', 'patient-' || (number / :each + 1), 1, false, now(),
        DATE '2026-06-21', '', CASE WHEN number % 10 = 0 THEN 'Payment on Account' ELSE 'Copay' END, 12.00, 12.00,
        true, false, 'Cash', DATE '2026-06-21', DATE '2026-06-01' + (number % 4) * 20, 'Transmission Successful',
        'imported', 12.00, '', 1, 0
    FROM generate_series(0, :payments - 1) AS number
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, now(), 'bench'
    FROM lines
    """,
)
_CHECKS = (
    """
    SELECT count(*) FROM charges
    JOIN (SELECT clinic_id, charge_id, sum(amount) AS applied FROM allocations GROUP BY 1, 2) AS moved
        USING (clinic_id, charge_id)
    WHERE applied > patient_balance OR applied < 0
    """,
    """
    SELECT count(*) FROM lines
    JOIN (SELECT line_ref, sum(amount) AS applied FROM allocations GROUP BY 1) AS moved ON line_ref = lines.id
    WHERE applied > amount_paid OR applied < 0
    """,
)
