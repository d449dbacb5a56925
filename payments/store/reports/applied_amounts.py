"""The parts of payments and manual entries that are applied to charges."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.keys import ChargeKey
from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

CHARGE_KEY = "allocations.clinic_id || '/' || allocations.charge_id"
"""The SQL expression of the printed key of an allocation's charge."""


class AppliedRow(NamedTuple):
    """The part of a payment, in dollars, that is applied to one charge."""

    charge: str
    date_of_service: date
    amount: Money


_APPLIED_OF_LINES_QUERY = """
SELECT applied.line_ref, applied.patient_id, {charge} AS charge, charges.date_of_service, applied.amount FROM (
    SELECT asked.line_ref, own.* FROM unnest(CAST(:line_refs AS bigint[])) AS asked(line_ref),
        LATERAL (SELECT company_id FROM lines WHERE lines.id = asked.line_ref OFFSET 0) AS line,
        LATERAL (SELECT company_id, patient_id, clinic_id, charge_id, sum(amount) AS amount FROM allocations
            WHERE allocations.company_id = line.company_id AND allocations.line_ref = asked.line_ref
            GROUP BY company_id, patient_id, clinic_id, charge_id HAVING sum(amount) <> 0) AS own
) AS applied {charges} ORDER BY date_of_service, charge
"""


def load_applied_amounts(
    tx: Transaction, line_refs: Sequence[int], as_of: datetime | None = None
) -> dict[tuple[int, str], list[AppliedRow]]:
    """Return the amounts that are applied to charges, by the row id of the line and the patient.

    The amounts of each line and patient are sorted by date of service.
    """
    charge = CHARGE_KEY.replace("allocations", "applied")
    query = _APPLIED_OF_LINES_QUERY.format(charge=charge, charges=charges_of("applied", as_of))
    statement = as_of_query(as_of, "charges allocations", query)
    found: dict[tuple[int, str], list[AppliedRow]] = {}
    for line_ref, patient_id, *applied in tx.execute(text(statement), {"line_refs": line_refs, "as_of": as_of}):
        found.setdefault((line_ref, patient_id), []).append(AppliedRow._make(applied))
    return found


_APPLIED_OF_ENTRIES_QUERY = """
SELECT applied.source, applied.patient_id, {charge} AS charge, charges.date_of_service, applied.amount FROM (
    SELECT asked.source, own.* FROM unnest(CAST(:companies AS text[]), CAST(:entry_refs AS bigint[]))
            AS asked(company_id, source),
        LATERAL (SELECT company_id, patient_id, clinic_id, charge_id, sum(amount) AS amount FROM allocations
            WHERE allocations.company_id = asked.company_id AND allocations.entry_ref = asked.source
            GROUP BY company_id, patient_id, clinic_id, charge_id HAVING sum(amount) <> 0) AS own
) AS applied {charges} ORDER BY date_of_service, charge
"""


def load_applied_amounts_of_entries(
    tx: Transaction, keys: Sequence[tuple[str, int]], as_of: datetime | None = None
) -> dict[tuple[int, str], list[AppliedRow]]:
    """Return the amounts of manual entries that are applied to charges, as `load_applied_amounts` does.

    `keys` holds the company and the row id of each entry.
    """
    charge = CHARGE_KEY.replace("allocations", "applied")
    query = _APPLIED_OF_ENTRIES_QUERY.format(charge=charge, charges=charges_of("applied", as_of))
    statement = as_of_query(as_of, "charges allocations", query)
    parameters = {"companies": [key[0] for key in keys], "entry_refs": [key[1] for key in keys], "as_of": as_of}
    found: dict[tuple[int, str], list[AppliedRow]] = {}
    for entry_ref, patient_id, *applied in tx.execute(text(statement), parameters):
        found.setdefault((entry_ref, patient_id), []).append(AppliedRow._make(applied))
    return found


def charges_of(table: str, as_of: datetime | None) -> str:
    """Return the JOIN clause that joins the rows of a table with their charges.

    Current charges are found through the index of their key, regardless of the planner statistics. Earlier versions of
    charges have no index on the key, so they are joined without one.
    """
    is_same = " AND ".join(f"charges.{name} = {table}.{name}" for name in ChargeKey._fields)
    if as_of is not None:
        return f"JOIN charges ON {is_same}"
    return f"CROSS JOIN LATERAL (SELECT charge_id, date_of_service FROM charges WHERE {is_same} OFFSET 0) AS charges"
