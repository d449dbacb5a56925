"""Lines that wait until Billing knows their patient."""

from collections.abc import Iterable
from datetime import datetime

from payments.contract.keys import LineKey
from payments.core.line import Line
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import lines

_WAITS_FOR_PATIENT = "(lines.application = 'held' OR lines.reason = 'patient_not_found')"


def list_waiting_for_patients(tx: Transaction, patients: Iterable[tuple[str, str]]) -> set[LineKey]:
    """Return the keys of the lines that wait until Billing knows one of these patients.

    `patients` are (company, patient) pairs. A line waits if it is held, or is Not Sent because its patient was unknown.
    """
    rows = [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in patients]
    columns = ["company_id", "patient_id"]
    found = tx.execute(
        text(
            f"SELECT {', '.join(LineKey._fields)} FROM lines JOIN {unnest_item(lines, columns)} "
            f"USING (company_id, patient_id) WHERE {_WAITS_FOR_PATIENT}"
        ),
        column_arrays(rows, columns),
    )
    return {LineKey(**row) for row in found.mappings()}


def make_due(tx: Transaction, waiting: Iterable[Line], now: datetime) -> int:
    """Make lines due if they still wait for a patient. Return the number of lines that were made due.

    This transaction has locked the lines. `due_at` is set to the save time or to `now`, whichever is earlier, so that
    setting back the clock afterwards does not delay the lines.
    """
    refs = [line.id for line in waiting]
    if not refs:
        return 0
    released = tx.execute(
        text(
            f"UPDATE lines SET due_at = least(saved_at, :now), {changed_at('lines')} "
            f"WHERE id = ANY(:refs) AND {_WAITS_FOR_PATIENT}"
        ),
        {"refs": refs, "now": now},
    )
    return released.rowcount
