"""The refunds that the EMR has sent, to compare them with those that the office pays in Billing (rule D8)."""

from collections.abc import Iterable

from payments.core.repayment import RefundInEmr
from payments.core.scope import Scope
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.tables import patients

# The refunded line is one of the same account.
_REFUNDS_QUERY = f"""
SELECT lines.id, lines.company_id, lines.patient_id, -lines.amount_paid AS amount, lines.transaction_date, target.id
    AS target
FROM lines JOIN {unnest_item(patients, PATIENT_KEY_COLUMNS)} USING (company_id, patient_id)
    LEFT JOIN LATERAL (SELECT id FROM lines AS own
        WHERE own.company_id = lines.company_id AND own.patient_id = lines.patient_id
            AND own.clinic_id || '/' || own.payment_id || '/' || own.line_id = lines.refund_of
        LIMIT 1) AS target ON true
WHERE lines.refund_of IS NOT NULL AND lines.amount_paid < 0 AND lines.paid AND NOT lines.deleted
    AND lines.internal_payment IS NOT TRUE
"""


def of_accounts(tx: Transaction, keys: Iterable[PatientKey], scope: Scope) -> list[RefundInEmr]:
    """Return the refund lines of accounts in a scope, whether they are posted or not."""
    rows = patient_rows(keys)
    if not rows:
        return []
    parameters = column_arrays(rows, PATIENT_KEY_COLUMNS) | scope_parameters(scope)
    found = tx.execute(text(f"{_REFUNDS_QUERY}{in_scope(scope, 'lines')} ORDER BY lines.id"), parameters)
    return [
        RefundInEmr(row.id, (row.company_id, row.patient_id), row.amount, row.transaction_date, row.target)
        for row in found
    ]
