"""The payments that a requeue run has requeued, and their results."""

from collections.abc import Sequence
from datetime import datetime

from payments.core.outcome import Reason
from payments.core.requeue_result import RequeueResult, ResultCount
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_LINE_RESULT_EXPRESSION = """
CASE WHEN lines.application = 'held' THEN CASE lines.detail
        WHEN 'requeued' THEN 'waiting'
        WHEN 'patient_not_found' THEN 'patient_not_found'
        WHEN 'month_closing' THEN 'month_closing'
        ELSE 'retrying' END
    WHEN lines.application = 'exception' AND lines.target IS NULL THEN 'zero_due'
    WHEN lines.application = 'exception' THEN 'closed_month'
    WHEN lines.reason IS NOT NULL THEN 'not_sent'
    WHEN lines.application IN ('imported', 'updated') THEN 'imported'
    ELSE 'nothing_to_post' END
"""
# A dead letter that was processed is closed, and its payment is the line with its key.
_COUNT_RESULTS_QUERY = f"""
WITH found AS (
    SELECT {_LINE_RESULT_EXPRESSION} AS result, lines.reason,
        CASE WHEN lines.deleted THEN 0.00 ELSE lines.amount_paid END AS amount
    FROM requeue_items AS item JOIN lines ON lines.company_id = item.company_id AND lines.id = item.line_ref
    WHERE item.run_id = :run_id
    UNION ALL
    SELECT CASE WHEN set_aside.due_at IS NOT NULL THEN 'waiting'
            WHEN set_aside.closed_at IS NULL THEN 'not_sent'
            WHEN lines.id IS NULL THEN 'processed_again'
            ELSE {_LINE_RESULT_EXPRESSION} END,
        CASE WHEN set_aside.closed_at IS NULL THEN set_aside.reason ELSE lines.reason END,
        CASE WHEN set_aside.closed_at IS NULL OR lines.id IS NULL OR lines.deleted THEN 0.00
            ELSE lines.amount_paid END
    FROM requeue_items AS item
        JOIN set_aside ON set_aside.id = item.set_aside_ref AND (set_aside.company_id = item.company_id
            OR set_aside.company_id IS NULL AND item.company_id IS NULL)
        LEFT JOIN lines ON lines.company_id = set_aside.company_id AND lines.clinic_id = set_aside.clinic_id
            AND lines.payment_id = set_aside.payment_id AND lines.line_id = set_aside.line_id
    WHERE item.run_id = :run_id
)
SELECT result, CASE WHEN result = 'not_sent' THEN reason END AS reason, count(*) AS lines,
    coalesce(sum(amount), 0.00) AS total
FROM found GROUP BY 1, 2
"""
_INSERT_ITEMS = """
INSERT INTO requeue_items (company_id, run_id, line_ref, set_aside_ref)
SELECT company_id, :run_id, id, CAST(NULL AS bigint) FROM lines WHERE id = ANY(:line_refs)
UNION ALL
SELECT company_id, :run_id, CAST(NULL AS bigint), id FROM set_aside WHERE id = ANY(:dead_letters)
"""


def add(tx: Transaction, run_id: int, line_refs: Sequence[int], dead_letter_ids: Sequence[int]) -> None:
    """Store the lines and dead letters that a run has requeued, by their row ids."""
    if line_refs or dead_letter_ids:
        tx.execute(
            text(_INSERT_ITEMS), {"run_id": run_id, "line_refs": list(line_refs), "dead_letters": list(dead_letter_ids)}
        )


def count_results(tx: Transaction, run_id: int) -> list[ResultCount]:
    """Return the current results of a run's payments, counted by result and reason. Imported payments come first."""
    found = [
        ResultCount(RequeueResult(row.result), Reason(row.reason) if row.reason else None, row.lines, row.total)
        for row in tx.execute(text(_COUNT_RESULTS_QUERY), {"run_id": run_id})
    ]
    return sorted(found, key=lambda each: (each.result.rank, each.reason or ""))


def drop_before(tx: Transaction, moment: datetime) -> int:
    """Delete the items of runs that finished before `moment` and have an outcome. Return the number of items."""
    dropped = tx.execute(
        text(
            "DELETE FROM requeue_items WHERE run_id IN "
            "(SELECT id FROM requeue_runs WHERE finished_at < :moment AND outcome IS NOT NULL)"
        ),
        {"moment": moment},
    )
    return dropped.rowcount
