"""Look up whether Billing has a company or a clinic, and which companies have a clinic or a patient with a given id."""

from payments.core.scope import Scope
from payments.store.db.conditions import company_in_scope, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


def knows_company(tx: Transaction, company_id: str) -> bool:
    """Return whether Billing has the company or has refused an event of it. A retired company counts."""
    tables = ("companies", "set_aside")
    found = " OR ".join(f"EXISTS (SELECT FROM {table} WHERE company_id = :company_id)" for table in tables)
    return bool(tx.execute(text(f"SELECT {found}"), {"company_id": company_id}).scalar_one())


def knows_clinic(tx: Transaction, clinic_id: str, scope: Scope) -> bool:
    """Return whether a company of the scope has this clinic, even retired, or a refused event that names the clinic."""
    found = " OR ".join(
        f"EXISTS (SELECT FROM {table} WHERE clinic_id = :clinic_id{in_scope(scope, table)})"
        for table in ("clinics", "set_aside")
    )
    return bool(tx.execute(text(f"SELECT {found}"), {"clinic_id": clinic_id, **scope_parameters(scope)}).scalar_one())


def companies_with_clinic(tx: Transaction, clinic_id: str, scope: Scope) -> list[str]:
    """Return the companies of a scope that have this clinic, sorted.

    A company that has moved to another installation counts, because its rows are still here. A retired clinic or
    company does not count, because it is empty.
    """
    query = (
        "SELECT company_id FROM clinics JOIN companies USING (company_id) WHERE clinic_id = :clinic_id "
        f"AND clinics.retired_at IS NULL AND companies.retired_at IS NULL{in_scope(scope, 'clinics')} ORDER BY 1"
    )
    return list(tx.execute(text(query), {"clinic_id": clinic_id, **scope_parameters(scope)}).scalars())


def companies_with_patient(tx: Transaction, patient_id: str, scope: Scope) -> list[str]:
    """Return the companies of a scope that have this patient, sorted.

    If the scope is limited to clinics, only companies in which the patient has a payment at these clinics are returned.
    """
    has_line = (
        "AND EXISTS (SELECT FROM lines WHERE lines.company_id = companies.company_id "
        f"AND lines.patient_id = :patient_id{in_scope(scope, 'lines')})"
    )
    query = (
        "SELECT company_id FROM companies WHERE EXISTS (SELECT FROM patients "
        "WHERE patients.company_id = companies.company_id AND patients.patient_id = :patient_id) "
        f"{'' if scope.clinics is None else has_line}{company_in_scope(scope, 'companies')} ORDER BY 1"
    )
    return list(tx.execute(text(query), {"patient_id": patient_id, **scope_parameters(scope)}).scalars())
