"""The charges of an account for which the patient still owes money."""

from datetime import date
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.scope import Scope
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.reports.account import AccountRow


class OwedCharge(NamedTuple):
    """A charge, and the amount in dollars that the patient still owes for it. Applied payments are deducted."""

    clinic: str
    charge: str
    date_of_service: date
    owed: Money
    insurance_open: bool


# The amount is that of `summaries` in `account.py`.
_OWED_CHARGES_QUERY = """
SELECT clinic_id, charge_id, date_of_service, owed, insurance_open FROM (
    SELECT charges.*, patient_balance + coalesce(patient_paid - coalesce(applied, 0.00), 0.00) AS owed
    FROM charges LEFT JOIN (SELECT clinic_id, charge_id, sum(amount) AS applied FROM allocations
        WHERE allocations.company_id = :company_id AND allocations.patient_id = :patient_id
        GROUP BY 1, 2) AS moved USING (clinic_id, charge_id)
    WHERE charges.company_id = :company_id AND charges.patient_id = :patient_id{scope}
) AS owing WHERE owed > 0 ORDER BY date_of_service, clinic_id, charge_id
"""


def read(tx: Transaction, account: AccountRow, scope: Scope) -> list[OwedCharge]:
    """Return the charges of an account in a scope for which the patient still owes money, by date of service."""
    query = _OWED_CHARGES_QUERY.format(scope=in_scope(scope, "charges"))
    of_account = {"company_id": account.company, "patient_id": account.patient, **scope_parameters(scope)}
    return [OwedCharge._make(row) for row in tx.execute(text(query), of_account)]
