"""Open work that should be resolved before a month is closed (rule D7)."""

from payments.core.month import Month
from payments.store.db.conditions import IN_MONTH
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import links_of_line
from payments.store.db.statement import text
from payments.store.feed.current import current_dead_letters_cte
from payments.store.ledger.stored_transfers import IS_CONTRADICTED, TRANSFERS_WITH_ENTRIES
from payments.store.reports.close_warning import CloseWarning
from payments.store.reports.desk_warnings import drawers_to_close, undeposited_money
from payments.store.tables import MAY_BE_UNPOSTED

# The lines are found by partial indexes. An OR of both conditions would read all lines of the company.
_UNRESOLVED_LINES_QUERY = f"""
SELECT line_ref AS id FROM findings WHERE company_id = :company_id AND status = 'open'
UNION SELECT id FROM lines WHERE company_id = :company_id AND ({MAY_BE_UNPOSTED})
    AND (status = 'Transmission Pending' OR reason IN ('retries_exhausted', 'patient_not_found'))
"""

_EVENTS_WITH_EXCEPTION_QUERY = """
SELECT set_aside_ref FROM findings WHERE company_id = :company_id AND status = 'open' AND set_aside_ref IS NOT NULL
"""


def close_warnings(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    """Return the payments of a month that are pending, invalid, Not Sent after the last attempt, or open exceptions.

    A payment belongs to the months of its transaction date and of the deposit dates of its entries, linked ones too. A
    dead letter without a company is included if it cannot belong to another company. Refunds of the month that are not
    issued, transfers of the month that contradict the EMR, drawers of the month that are not closed, and money of the
    month that is on no deposit follow.
    """
    return [
        *_unresolved_payments(tx, company_id, month),
        *_waiting_refunds(tx, company_id, month),
        *_contradicted_transfers(tx, company_id, month),
        *drawers_to_close(tx, company_id, month),
        *undeposited_money(tx, company_id, month),
    ]


def _unresolved_payments(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    found = [*_unresolved_lines(tx, company_id, month), *_rejected_events(tx, company_id, month)]
    return sorted(found, key=lambda warning: (not warning.is_exception, warning.what, warning.payment or ""))


def _unresolved_lines(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    found = tx.execute(
        text(
            f"""
            SELECT coalesce(open.reason_code, lines.status) AS what,
                open.id IS NOT NULL AS is_exception,
                clinic_id || '/' || payment_id || '/' || line_id AS payment, lines.detail, amount_paid AS amount,
                lines.company_id AS company
            FROM ({_UNRESOLVED_LINES_QUERY}) AS unresolved
                JOIN lines ON lines.company_id = :company_id AND lines.id = unresolved.id
                LEFT JOIN LATERAL (SELECT id, reason_code FROM findings WHERE findings.company_id = lines.company_id
                    AND line_ref = lines.id AND findings.status = 'open' OFFSET 0) AS open ON true
            WHERE ({IN_MONTH.format("transaction_date")} OR EXISTS (
                    SELECT FROM entries WHERE entries.company_id = lines.company_id AND line_ref = lines.id
                        AND {IN_MONTH.format("deposit_date")})
                OR EXISTS (SELECT FROM {links_of_line("lines.company_id", "lines.id")}
                    WHERE {IN_MONTH.format("linked.deposit_date")}))
            """
        ),
        {"company_id": company_id, "month": month.first_day},
    )
    return [CloseWarning(**row) for row in found.mappings()]


def _rejected_events(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    # A subquery for each dead letter could read all exceptions of the company each time.
    with_exception = set(tx.execute(text(_EVENTS_WITH_EXCEPTION_QUERY), {"company_id": company_id}).scalars())
    found = tx.execute(
        text(
            f"""
            WITH {current_dead_letters_cte()}
            SELECT id, status, coalesce(clinic_id || '/' || payment_id || '/' || line_id, 'refused:' || id) AS payment,
                error, amount_paid, company_id
            FROM current_dead_letters
            WHERE (company_id = :company_id OR company_id IS NULL
                    AND NOT EXISTS (SELECT FROM companies WHERE companies.company_id <> :company_id))
                AND {IN_MONTH.format("coalesce(transaction_date, saved_on, (received_at AT TIME ZONE 'UTC')::date)")}
            """
        ),
        {"company_id": company_id, "month": month.first_day},
    )
    return [
        CloseWarning(row.status, row.payment, row.error, row.amount_paid, company=row.company_id)
        for row in found
        if row.id not in with_exception
    ]


def _waiting_refunds(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    requested_on = "(requested_at AT TIME ZONE companies.timezone)::date"
    found = tx.execute(
        text(
            "SELECT CASE WHEN approved_at IS NULL THEN 'requested' ELSE 'approved' END AS what, "
            "NULL AS payment, repayments.reason AS detail, amount, company_id AS company, "
            "repayments.id AS refund FROM repayments JOIN companies USING (company_id) "
            "WHERE company_id = :company_id AND issued_at IS NULL AND voided_at IS NULL "
            f"AND {IN_MONTH.format(requested_on)} ORDER BY repayments.id"
        ),
        {"company_id": company_id, "month": month.first_day},
    )
    return [CloseWarning(**row) for row in found.mappings()]


def _contradicted_transfers(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    found = tx.execute(
        text(
            "SELECT 'changed' AS what, NULL AS payment, given.reason AS detail, "
            "given.amount, transfers.company_id AS company, transfers.id AS transfer "
            f"{TRANSFERS_WITH_ENTRIES} WHERE transfers.company_id = :company_id AND {IS_CONTRADICTED} "
            f"AND {IN_MONTH.format('given.deposit_date')} ORDER BY transfers.id"
        ),
        {"company_id": company_id, "month": month.first_day},
    )
    return [CloseWarning(**row) for row in found.mappings()]
