"""Confirmed and retired companies and clinics.

An event or a person adds a company or a clinic. It is confirmed when a person changes its settings or confirms it. If
it was added because of a mistyped id, it can be retired while it is empty. It then disappears from lists, and its
events are Not Sent.
"""

from datetime import datetime
from typing import NamedTuple

from payments.core.scope import Scope
from payments.store.db.conditions import company_in_scope, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.admission import NamedClinic


class Contents(NamedTuple):
    """The numbers of ledger entries, open payments, charges and open exceptions of a company or clinic.

    A payment is open if it is pending or due for another attempt.
    """

    entries: int
    open_payments: int
    charges: int
    exceptions: int


class UnconfirmedRow(NamedTuple):
    """A company, clinic or patient that nobody has confirmed, or a retired company or clinic.

    `kind` is `company`, `clinic` or `patient`. `payments` is the number of all its payments. The EMR confirms a patient
    by saving the patient.
    """

    kind: str
    company: str
    id: str
    payments: int
    entries: int
    open_payments: int
    charges: int
    exceptions: int
    retired_by: str | None

    @property
    def contents(self) -> Contents:
        """The counts that must all be 0 before the company or clinic can be retired."""
        return Contents(self.entries, self.open_payments, self.charges, self.exceptions)


_IS_RETIRED = "retired_at IS NOT NULL"
_HAS_SETTINGS = "EXISTS (SELECT FROM settings_changes WHERE settings_changes.company_id = {0}.company_id {1})"
_SETTINGS_OF_CLINIC = "AND settings_changes.clinic_id = {0}.clinic_id"
_IS_NEW_CLINIC = (
    f"clinics.confirmed_at IS NULL AND NOT {_HAS_SETTINGS.format('clinics', _SETTINGS_OF_CLINIC.format('clinics'))}"
)
_IS_CHANGED = (
    "timezone_chosen OR dos_first OR hold_days <> 30 OR adjustments <> 'review' OR exception_days <> 5 "
    "OR refund_limit <> 0"
)
_IS_NEW_COMPANY = (
    f"companies.confirmed_at IS NULL AND NOT ({_IS_CHANGED}) AND NOT {_HAS_SETTINGS.format('companies', '')}"
)
_IS_OPEN = "(status = 'Transmission Pending' OR due_at IS NOT NULL)"
_FROM_FINDINGS = "FROM findings WHERE findings.company_id = lines.company_id AND line_ref = lines.id"
_HAS_EXCEPTION = f"""
CASE WHEN EXISTS (SELECT {_FROM_FINDINGS}) THEN EXISTS (SELECT {_FROM_FINDINGS} AND findings.status = 'open')
    ELSE application = 'exception' END
"""
# The counts of each clinic of `named`, through indexes that begin with the clinic.
_COUNTED_CTE = f"""
counted AS (
    SELECT named.*, payments, open_payments, entries, charges, exceptions FROM named, LATERAL (
        SELECT count(*) AS payments,
            count(*) FILTER (WHERE {_IS_OPEN}) AS open_payments, count(*) FILTER (WHERE {_HAS_EXCEPTION}) AS exceptions
        FROM lines WHERE lines.company_id = named.company_id AND lines.clinic_id = named.clinic_id
    ) AS of_lines, LATERAL (
        SELECT count(*) AS entries FROM entries
        WHERE entries.company_id = named.company_id AND entries.clinic_id = named.clinic_id
    ) AS of_entries, LATERAL (
        SELECT count(*) AS charges FROM charges
        WHERE charges.company_id = named.company_id AND charges.clinic_id = named.clinic_id
    ) AS of_charges
)
"""
_COUNT_COLUMNS = "payments entries open_payments charges exceptions".split()
_SUM_COLUMNS = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in _COUNT_COLUMNS)


def count_contents(tx: Transaction, named: NamedClinic) -> Contents:
    """Count the entries, open payments, charges and exceptions of a clinic, or of all clinics of a company.

    Takes no locks.
    """
    found = tx.execute(
        text(
            "WITH named AS (SELECT company_id, clinic_id FROM clinics WHERE company_id = :company_id "
            "AND (CAST(:clinic_id AS text) IS NULL OR clinic_id = :clinic_id)), "
            f"{_COUNTED_CTE} SELECT {_SUM_COLUMNS} FROM counted"
        ),
        named._asdict(),
    )
    return Contents._make(found.one()[1:])


def is_empty(tx: Transaction, named: NamedClinic) -> bool:
    """Return whether all counts of a company's or clinic's Contents are 0, so that it may be retired. Takes no locks.

    The query counts nothing: it ends at the first row that it finds. It looks for entries line by line, because an
    index of `entries` begins with the company and the line.
    """
    where = _is_named(named)
    has_entry = "SELECT FROM entries WHERE entries.company_id = lines.company_id AND entries.line_ref = lines.id"
    found = tx.execute(
        text(
            f"SELECT NOT EXISTS (SELECT FROM charges WHERE {where}) AND NOT EXISTS (SELECT FROM lines WHERE {where} "
            f"AND ({_IS_OPEN} OR EXISTS ({has_entry}) OR {_HAS_EXCEPTION}))"
        ),
        named._asdict(),
    )
    return bool(found.scalar_one())


def list_unconfirmed(tx: Transaction, scope: Scope, limit: int) -> list[UnconfirmedRow]:
    """Return companies, clinics and patients that nobody has confirmed, and retired ones: up to `limit` of each kind.

    If the scope is limited to clinics, only clinics are returned.
    """
    clinics = f"""
        WITH named AS MATERIALIZED (
            SELECT clinics.company_id, clinic_id, clinics.retired_by FROM clinics
            WHERE ({_IS_NEW_CLINIC} OR {_IS_RETIRED}){in_scope(scope, "clinics")} ORDER BY 1, 2 LIMIT :limit),
        {_COUNTED_CTE}
        SELECT 'clinic', company_id, clinic_id, payments, entries, open_payments, charges, exceptions, retired_by
        FROM counted ORDER BY company_id, clinic_id"""
    companies = f"""
        WITH new AS MATERIALIZED (
            SELECT company_id, retired_by FROM companies WHERE ({_IS_NEW_COMPANY} OR {_IS_RETIRED})
                {company_in_scope(scope, "companies")} ORDER BY 1 LIMIT :limit),
        named AS (SELECT new.*, clinic_id FROM new JOIN clinics USING (company_id)), {_COUNTED_CTE}
        SELECT 'company', company_id, company_id, {_SUM_COLUMNS}, new.retired_by
        FROM new LEFT JOIN counted USING (company_id) GROUP BY company_id, new.retired_by ORDER BY company_id"""
    patients = f"""
        SELECT 'patient', company_id, patient_id, payments, 0, 0, charges, 0, NULL FROM (
            SELECT company_id, patient_id FROM patients
            WHERE known_at IS NULL{company_in_scope(scope, "patients")} ORDER BY named_at DESC LIMIT :limit
        ) AS named, LATERAL (SELECT count(*) AS payments FROM lines WHERE lines.company_id = named.company_id
            AND lines.patient_id = named.patient_id) AS of_lines, LATERAL (
            SELECT count(*) AS charges FROM charges WHERE charges.company_id = named.company_id
            AND charges.patient_id = named.patient_id) AS of_charges ORDER BY company_id, patient_id"""
    queries = (companies, clinics, patients) if scope.clinics is None else (clinics,)
    found = (tx.execute(text(query), scope_parameters(scope) | {"limit": limit}) for query in queries)
    return [UnconfirmedRow._make(row) for rows in found for row in rows]


def confirm(tx: Transaction, named: NamedClinic, now: datetime, who: str) -> bool:
    """Confirm a company, or a clinic with its company. Return whether one of them was retired. Locks: changed rows."""
    if named.clinic_id is not None:
        was_company_retired = confirm(tx, NamedClinic(named.company_id, None), now, who)
        return _confirm(tx, "clinics", named, now, who) or was_company_retired
    return _confirm(tx, "companies", named, now, who)


def retire(tx: Transaction, named: NamedClinic, now: datetime, who: str) -> bool:
    """Retire a company or a clinic. Return False if it does not exist or is already retired. Locks: its row."""
    retired = tx.execute(
        text(
            f"UPDATE {_table_name(named)} SET retired_at = :now, retired_by = :who, confirmed_at = NULL, "
            f"confirmed_by = NULL WHERE {_is_named(named)} AND retired_at IS NULL"
        ),
        named._asdict() | {"now": now, "who": who},
    )
    return retired.rowcount == 1


def exists(tx: Transaction, named: NamedClinic) -> bool:
    """Return whether Billing has this company, or this clinic of the company. A retired one counts."""
    found = tx.execute(
        text(f"SELECT EXISTS (SELECT FROM {_table_name(named)} WHERE {_is_named(named)})"), named._asdict()
    )
    return bool(found.scalar_one())


def lock_retired_or_arriving(tx: Transaction, company_id: str) -> bool:
    """Lock a company, and return whether it is retired or arriving. Locks: its row FOR NO KEY UPDATE."""
    query = (
        "SELECT retired_at IS NOT NULL OR move_state IS NOT DISTINCT FROM 'arriving' FROM companies "
        "WHERE company_id = :company_id FOR NO KEY UPDATE"
    )
    return bool(tx.execute(text(query), {"company_id": company_id}).scalar_one_or_none())


def _confirm(tx: Transaction, table: str, named: NamedClinic, now: datetime, who: str) -> bool:
    found = tx.execute(
        text(
            f"WITH before AS (SELECT retired_at FROM {table} WHERE {_is_named(named)} "
            "AND (confirmed_at IS NULL OR retired_at IS NOT NULL) FOR NO KEY UPDATE) "
            f"UPDATE {table} SET confirmed_at = coalesce(confirmed_at, :now), "
            "confirmed_by = coalesce(confirmed_by, :who), "
            f"retired_at = NULL, retired_by = NULL FROM before WHERE {_is_named(named)} "
            "RETURNING before.retired_at IS NOT NULL"
        ),
        named._asdict() | {"now": now, "who": who},
    )
    return bool(found.scalar_one_or_none())


def _table_name(named: NamedClinic) -> str:
    return "companies" if named.clinic_id is None else "clinics"


def _is_named(named: NamedClinic) -> str:
    return "company_id = :company_id" + ("" if named.clinic_id is None else " AND clinic_id = :clinic_id")
