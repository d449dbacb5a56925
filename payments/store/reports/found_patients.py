"""Find patients by parts of their name or id, and read the number and sum of their payments."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from payments.contract.money import Money
from payments.core.scope import Scope
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import company_in_scope, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.tables import patients

_PATIENTS_OF_COMPANY_MIN = 20
_COMPANY_ARRAY = "ARRAY(SELECT company_id FROM companies WHERE true{0} ORDER BY 1)"


class PatientCandidate(NamedTuple):
    """A patient who may match a search. `plain_id` and `plain_name` are texts as `search_text` returns them."""

    key: PatientKey
    plain_id: str
    plain_name: str


class FoundPatient(NamedTuple):
    """A patient with the number of their payments, the amount in Billing (dollars), and the date of the newest payment.

    Only payments in the scope count. `is_known` tells whether Billing knows the patient.
    """

    company: str
    patient: str
    patient_name: str | None
    is_known: bool
    payments: int
    posted: Money
    transaction_date: date | None


_HAS_DATA_CONDITION = """
(EXISTS (SELECT FROM lines WHERE lines.company_id = patients.company_id AND lines.patient_id = patients.patient_id{0})
    OR EXISTS (SELECT FROM charges WHERE charges.company_id = patients.company_id
        AND charges.patient_id = patients.patient_id{1}))
"""


def plain_text(tx: Transaction, value: str) -> str:
    """Return a text as `search_text` returns it: lower case, without accents, words separated by one blank."""
    return str(tx.execute(text("SELECT search_text(:value)"), {"value": value}).scalar_one())


def find_candidates(tx: Transaction, scope: Scope, terms: Sequence[str], limit: int) -> list[PatientCandidate]:
    """Return up to `limit` patients in a scope who have all of these terms, in no particular order.

    The companies get equal shares of the limit, but at least 20 patients each. If the scope is limited to clinics, only
    patients with a payment or a charge at one of them are returned.
    """
    limited = "" if scope.clinics is None else f" AND {_has_data(scope)}"
    query = (
        "SELECT patients.company_id, patients.patient_id, search_text(patients.patient_id) AS plain_id, "
        f"coalesce(search_text(name), '') AS plain_name FROM (SELECT {companies_in(scope)} AS ids) AS own, "
        "find_patients(own.ids, CAST(:clinic_ids AS text[]), :terms, "
        f"greatest(:most / greatest(cardinality(own.ids), 1), {_PATIENTS_OF_COMPANY_MIN})) AS found "
        "JOIN patients ON patients.company_id = found.company AND patients.patient_id = found.patient "
        f"WHERE true{company_in_scope(scope, 'patients')}{limited}"
    )
    given: dict[str, Any] = {"clinic_ids": clinic_ids(scope), "terms": list(terms), "most": limit}
    found = tx.execute(text(query), given | scope_parameters(scope))
    return [PatientCandidate((row.company_id, row.patient_id), row.plain_id, row.plain_name) for row in found]


def read(tx: Transaction, scope: Scope, keys: Sequence[PatientKey]) -> dict[PatientKey, FoundPatient]:
    """Return these patients by key, with their payments in the scope."""
    of_patient = "{0}.company_id = patients.company_id AND {0}.patient_id = patients.patient_id"
    query = (
        "SELECT patients.company_id, patients.patient_id, name, known_at IS NOT NULL AS is_known, of_lines.count, "
        "of_entries.total, of_lines.newest "
        f"FROM (SELECT * FROM {unnest_item(patients, PATIENT_KEY_COLUMNS)}) AS wanted "
        "JOIN patients USING (company_id, patient_id), LATERAL (SELECT count(*) AS count, "
        f"max(transaction_date) AS newest FROM lines WHERE {of_patient.format('lines')}{in_scope(scope, 'lines')}) "
        "AS of_lines, LATERAL (SELECT coalesce(sum(amount), 0.00) AS total FROM entries "
        f"WHERE {of_patient.format('entries')}{in_scope(scope, 'entries')}) AS of_entries"
    )
    found = tx.execute(text(query), column_arrays(patient_rows(keys), PATIENT_KEY_COLUMNS) | scope_parameters(scope))
    return {(row[0], row[1]): FoundPatient._make(row) for row in found}


def companies_in(scope: Scope) -> str:
    """Return the SQL expression of the ids of a scope's companies, as an array."""
    return _COMPANY_ARRAY.format(company_in_scope(scope, "companies"))


def clinic_ids(scope: Scope) -> list[str] | None:
    """Return the ids of the clinics to which a scope is limited, or None for all clinics."""
    return None if scope.clinics is None else sorted(scope.clinics)


def _has_data(scope: Scope) -> str:
    return _HAS_DATA_CONDITION.format(in_scope(scope, "lines"), in_scope(scope, "charges"))
