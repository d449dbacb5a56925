"""Measure the nightly distribution's time per payment, with a ledger of ten thousand and of a million payments."""

import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from devstack.engines import embedded_postgres
from payments.store.db.connection import Database, connect, transaction
from payments.store.migrations import upgrade
from tasks.distributing import distribute_all

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYMENTS_PER_ACCOUNT = 10
SIZES, SHORT = (10_000, 1_000_000), 100_000
TIME_RATIO_MAX = 1.5
"""Target: the time per payment at the larger size, divided by that at the smaller size, is at most this."""


class DistributionTiming(NamedTuple):
    """The result of one distribution: the payments in the ledger, the allocations that were made, and the seconds."""

    payments: int
    allocations: int
    seconds: float

    @property
    def microseconds_per_payment(self) -> float:
        """The microseconds of the distribution per payment in the ledger."""
        return self.seconds * 1e6 / self.payments


def measure(sizes: tuple[int, ...] = SIZES) -> list[DistributionTiming]:
    """Measure a distribution for each ledger size, and return the results.

    A ledger of up to SHORT payments is measured three times, and the result is the median.
    """
    found = []
    for payments in sizes:
        runs = [_distribute(payments) for _ in range(3 if payments <= SHORT else 1)]
        found.append(DistributionTiming(payments, runs[0].allocations, statistics.median(run.seconds for run in runs)))
    return found


def to_json_rows(measured: list[DistributionTiming]) -> list[dict[str, float]]:
    """Return the results as dictionaries for `results.json`."""
    return [{"payments": each.payments, "microseconds": round(each.microseconds_per_payment, 2)} for each in measured]


def _distribute(payments: int) -> DistributionTiming:
    """Run one distribution in a new database."""
    with tempfile.TemporaryDirectory(prefix="pay-bench-") as home, embedded_postgres(Path(home)) as url:
        upgrade(url)
        database = connect(url, application_name="bench")
        _fill_ledger(database, payments)
        started = time.perf_counter()
        allocations = sum(len(each.allocations) for each in distribute_all(database, NOW.date(), NOW))
        seconds = time.perf_counter() - started
        _check(database)
        database.dispose()
    return DistributionTiming(payments, allocations, seconds)


def _fill_ledger(database: Database, payments: int) -> None:
    accounts = {"accounts": payments // PAYMENTS_PER_ACCOUNT, "payments": payments, "each": PAYMENTS_PER_ACCOUNT}
    with transaction(database) as tx:
        for statement in _FILLING_STATEMENTS:
            tx.execute(text(statement), accounts)
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _check(database: Database) -> None:
    """Check the allocations: no charge received more than is owed, and no payment was applied beyond its amount."""
    with transaction(database) as tx:
        for statement in _VIOLATION_QUERIES:
            assert tx.execute(text(statement)).scalar_one() == 0, statement


_FILLING_STATEMENTS = (
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
_VIOLATION_QUERIES = (
    """
    SELECT count(*) FROM charges
    JOIN (SELECT clinic_id, charge_id, sum(amount) AS applied FROM allocations GROUP BY 1, 2) AS moved
        USING (clinic_id, charge_id)
    WHERE applied > patient_balance + patient_paid OR applied < 0
    """,
    """
    SELECT count(*) FROM lines
    JOIN (SELECT line_ref, sum(amount) AS applied FROM allocations GROUP BY 1) AS moved ON line_ref = lines.id
    WHERE applied > amount_paid OR applied < 0
    """,
)


def main() -> int:
    """Run this measurement alone and store its result. Return 1 if the target is missed, otherwise 0."""
    less, more = measured = measure()
    results = Path(__file__).with_name("results.json")
    results.write_text(
        json.dumps(json.loads(results.read_text()) | {"distribution": to_json_rows(measured)}, indent=2) + "\n"
    )
    ratio = more.microseconds_per_payment / less.microseconds_per_payment
    for each in measured:
        print(
            f"{each.payments:>9,} payments: {each.microseconds_per_payment:6.1f} microseconds each, "
            f"{each.allocations:,} moved"
        )
    print(f"larger against smaller: {ratio:.2f}, wanted at most {TIME_RATIO_MAX}")
    return int(ratio > TIME_RATIO_MAX)


if __name__ == "__main__":
    sys.exit(main())
