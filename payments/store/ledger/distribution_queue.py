"""The distribution queue: accounts whose money has to be applied or unapplied immediately (rule D8)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import defer
from payments.store.db.statement import text
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.ledger.postponed_work import is_postponed
from payments.store.tables import distribution_queue, patients

IS_POSTPONED = is_postponed(WorkKind.APPLY_IMMEDIATELY, "account_marks.company_id", "account_marks.patient_id")
"""The condition that a row of the queue belongs to an account whose immediate distribution has failed."""


def enqueue(tx: Transaction, accounts: Iterable[PatientKey], now: datetime) -> int:
    """Enqueue accounts for immediate distribution, and return the number of accounts. Missing patients are inserted.

    Each call inserts separate rows, so that imports that enqueue the same account do not wait for each other.
    """
    rows = [key | {"marked_at": now, "named_at": now} for key in patient_rows(accounts)]
    if rows:
        named, enqueued = [*PATIENT_KEY_COLUMNS, "named_at"], [*PATIENT_KEY_COLUMNS, "marked_at"]
        insert_patients = insert_statement(patients, named, "ORDER BY 1, 2 ON CONFLICT DO NOTHING")
        defer(
            tx,
            f"WITH known AS ({insert_patients}) {insert_statement(distribution_queue, enqueued)}",
            column_arrays(rows, [*named, "marked_at"]),
        )
    return len(rows)


def dequeue(tx: Transaction, limit: int, only: Sequence[WorkItem] | None = None) -> list[WorkItem]:
    """Remove the accounts of the oldest `limit` rows from the queue, and return them sorted.

    Postponed accounts stay in the queue. If `only` is given, `limit` does not apply: all queued accounts in `only` are
    removed, even postponed ones. All rows of an account are deleted together.
    """
    oldest = (
        f"SELECT company_id, patient_id FROM account_marks WHERE {has_not_moved('account_marks')} "
        f"AND NOT {IS_POSTPONED} ORDER BY id LIMIT :limit"
    )
    source = oldest if only is None else f"SELECT * FROM {unnest_item(patients, PATIENT_KEY_COLUMNS)}"
    found = tx.execute(
        text(
            f"DELETE FROM account_marks USING (SELECT DISTINCT * FROM ({source}) AS wanted) AS taken "
            "WHERE account_marks.company_id = taken.company_id AND account_marks.patient_id = taken.patient_id "
            "RETURNING taken.company_id, taken.patient_id"
        ),
        {"limit": limit} if only is None else column_arrays(patient_rows(only), PATIENT_KEY_COLUMNS),
    )
    return sorted({WorkItem(row.company_id, row.patient_id) for row in found})
