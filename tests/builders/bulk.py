"""Fill a ledger with bulk statements. PostgreSQL then has no statistics of its tables."""

from sqlalchemy import text

from payments.store.db.connection import Database, transaction

FILLED_TABLES = ("lines", "entries", "charges", "allocations", "findings", "set_aside", "patients")
PATIENT, CLINIC, COMPANY = "busy", "clinic", "company"
_INSERT_DEAD_LETTERS = """
INSERT INTO set_aside (body, body_hash, entry_id, status, reason, error, received_at, attempts, company_id, clinic_id,
    payment_id, line_id, patient_id, version, saved_at, saved_on, amount_paid, transaction_date)
SELECT '', decode(md5(id::text), 'hex'), '0-0', 'Validation Failed', 'invalid_event', '', now(), 1,
    company_id, clinic_id, payment_id, line_id, patient_id, 2, saved_at, saved_on, amount_paid + 1, transaction_date
FROM lines WHERE id % 4 = 0
"""
_FILL_STATEMENTS = (
    "INSERT INTO companies (company_id) VALUES ('company') ON CONFLICT DO NOTHING",
    "INSERT INTO clinics (clinic_id, company_id) VALUES ('clinic', 'company') ON CONFLICT DO NOTHING",
    "INSERT INTO patients (company_id, patient_id, known_at, version) VALUES ('company', 'busy', now(), 1)",
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        date_of_service, status, application, target, detail, attempts, waits)
    SELECT 'clinic', 'p-' || number, '1', 'company', 'busy', 1, false, TIMESTAMPTZ '2026-06-01 12:00+00', '2026-06-01',
        '', 'Copay', 12.00, 12.00, true, false, 'Cash', '2026-06-01', '2026-06-01',
        'Transmission Successful', 'imported', 12.00, '', 1, 0
    FROM generate_series(1, :payments) AS number
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, now(), 'tests' FROM lines
    """,
    """
    INSERT INTO charges (clinic_id, charge_id, company_id, patient_id, version, date_of_service, patient_balance,
        insurance_open)
    SELECT clinic_id, payment_id, company_id, patient_id, 1, date_of_service, 5.00, false FROM lines
    """,
    """
    INSERT INTO allocations (line_ref, clinic_id, charge_id, company_id, patient_id, amount, rule, distribution_date,
        made_at)
    SELECT id, clinic_id, payment_id, company_id, patient_id, 5.00, 'own_date', transaction_date, now() FROM lines
    """,
    """
    INSERT INTO findings (company_id, line_ref, version, reason_code, amount_before, amount_now, proposal, note,
        status, opened_at)
    SELECT company_id, id, 1, 'zero_due', 0.00, 12.00, '[]', '', 'open', now() FROM lines
    """,
    _INSERT_DEAD_LETTERS,
    """
    INSERT INTO history (at, what, company_id, line_ref, version, detail, who)
    SELECT now(), 'imported', company_id, id, 1, '', 'tests' FROM lines
    """,
    """
    INSERT INTO history (at, what, company_id, set_aside_ref, version, detail, who)
    SELECT now(), 'rejected', company_id, id, 2, '', 'tests' FROM set_aside
    """,
)


def fill_ledger(database: Database, payments: int) -> None:
    """Add this number of payments of one patient. Each has an entry, a charge and an exception.

    Each fourth payment has a newer dead letter with another amount. Autovacuum is turned off for the tables, so that
    the planner gets no statistics.
    """
    with transaction(database) as tx:
        for table in FILLED_TABLES:
            tx.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    with transaction(database) as tx:
        for statement in _FILL_STATEMENTS:
            tx.execute(text(statement), {"payments": payments})
