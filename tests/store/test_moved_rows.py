"""After a company has left, PostgreSQL refuses every change of the company's rows."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.core.month import Month
from payments.journeys import closing, company_export, drawers
from payments.journeys.drawers import OpeningRequest
from tests.builders.events import next_version, paid, saved_payment
from tests.builders.office import BILLER, office_with_closed_april

APRIL_PAYMENT = saved_payment(**paid("25.00", "2020-04-08"))
CHANGE_STATEMENTS = {
    "company": "UPDATE companies SET hold_days = 3",
    "state of a month": "UPDATE company_months SET scheduled_by = 'another' WHERE state = 'SCHEDULED'",
    "new month": "INSERT INTO company_months (company_id, month) VALUES ('company', '2021-01-01')",
    "exception": "UPDATE findings SET note = ''",
    "new exception": """
        INSERT INTO findings (line_ref, version, reason, reason_code, amount_before, amount_now, proposal, note, status,
            opened_at, company_id)
        SELECT id, 9, '', 'closed_month', 1, 1, '[]', '', 'auto_closed', '2020-06-10', 'company' FROM lines LIMIT 1""",
    "new entry": """
        INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date,
            posting_date, posted_at, entered_by)
        VALUES (1, 'manual', 1, 'company', 'clinic', 'patient', 'Copay', 'Cash', '2020-06-10', '2020-06-10',
            '2020-06-10', 'user:biller')""",
    "new manual entry": """
        INSERT INTO manual_entries (company_id, entry_ref, purpose, request_key, request_hash)
        SELECT company_id, id, 'payment', 'key', '' FROM entries LIMIT 1""",
    "new link": """
        INSERT INTO entry_links (company_id, entry_ref, line_ref, linked_at, linked_by)
        SELECT company_id, id, line_ref, '2020-06-10', 'user:biller' FROM entries LIMIT 1""",
    "new drawer": """
        INSERT INTO drawers (company_id, clinic_id, day, shift, starting_cash, opened_at, opened_by)
        VALUES ('company', 'other', '2020-06-12', 1, 0, '2020-06-12', 'user:desk')""",
    "drawer": "UPDATE drawers SET locked_at = '2020-06-12', locked_by = 'user:desk'",
    "new payment of a drawer": """
        INSERT INTO drawer_lines (company_id, drawer_ref, line_ref, method, clinic_id, amount, patient_id,
            transaction_date, was_taken_before)
        SELECT 'company', drawers.id, lines.id, 'Cash', 'clinic', 1, 'patient', '2020-06-10', false
        FROM drawers, lines LIMIT 1""",
    "new count": """
        INSERT INTO drawer_counts (company_id, drawer_ref, cash, others, reason, counted_at, counted_by)
        SELECT company_id, id, '{}', '{}', '', '2020-06-12', 'user:desk' FROM drawers""",
    "new deposit": """
        INSERT INTO deposits (company_id, clinic_id, method, bank_account, day, total, count, made_at, made_by,
            request_key, request_hash)
        VALUES ('company', 'clinic', 'Cash', 'bank', '2020-06-10', 1, 1, '2020-06-10', 'user:biller', 'second', '')""",
    "new entry of a deposit": """
        INSERT INTO deposit_items (company_id, deposit_ref, entry_ref, turn)
        SELECT 'company', deposits.id, entries.id, 1 FROM deposits, entries LIMIT 1""",
    "new refund": """
        INSERT INTO repayments (company_id, clinic_id, patient_id, kind, amount, method, charge_type, reason,
            request_key, request_hash, requested_at, requested_by)
        VALUES ('company', 'clinic', 'patient', 'refund', 1, 'Check', 'Other', 'reason', 'key', '', '2020-06-10',
            'user:biller')""",
    "new transfer": """
        INSERT INTO transfers (company_id, clinic_id, from_patient_id, to_patient_id, from_entry_ref, to_entry_ref,
            request_key, request_hash)
        SELECT company_id, clinic_id, patient_id, 'other', id, id, 'key', '' FROM entries LIMIT 1""",
    "settings of a clinic": """
        INSERT INTO settings_changes (company_id, clinic_id, since, integration, charge_types, set_by)
        VALUES ('company', 'clinic', '2020-06-10', false, '{}', 'user:admin')""",
    "new allocation": """
        INSERT INTO allocations (line_ref, clinic_id, charge_id, company_id, patient_id, amount, rule,
            distribution_date, made_at)
        SELECT id, 'clinic', 'visit', 'company', 'patient', 1, '1', '2020-06-10', '2020-06-10' FROM lines LIMIT 1""",
}


@pytest.mark.parametrize("change", CHANGE_STATEMENTS)
def test_change_is_refused_after_the_company_has_left(tx, change):
    office = office_with_closed_april(tx, APRIL_PAYMENT)
    office.publish(next_version(APRIL_PAYMENT, amount_due="30.00", amount_paid="30.00"))
    drawers.open_drawer(tx, OpeningRequest("clinic", day=date(2020, 6, 11)), office.now, BILLER)
    tx.execute(text(CHANGE_STATEMENTS["new deposit"].replace("second", "first")))
    closing.schedule(tx, "company", Month.parse("2020-05"), office.now, BILLER)
    with tx.begin_nested() as savepoint:
        assert tx.execute(text(CHANGE_STATEMENTS[change])).rowcount == 1
        savepoint.rollback()

    company_export.mark_left(tx, "company", office.now, BILLER)

    with pytest.raises(DBAPIError, match="company company has moved to another installation"):
        tx.execute(text(CHANGE_STATEMENTS[change]))
