"""The timeline of a payment: every event of its history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from payments.contract.event import LineKey
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class TimelineRow(NamedTuple):
    """An event in the history of a payment.

    `code` is a HistoryCode, or a sentence in a row from before migration 0014. `params` are the values that belong to
    the code. `duration_ms` and `error` are those of an import attempt.
    """

    at: datetime
    code: str
    version: int | None
    detail: str
    who: str
    duration_ms: int | None
    error: str | None
    params: dict[str, Any] | None


# An attempt that failed before the payment could be read is stored with its stream entry only, and joins by it.
_TIMELINE = f"""
WITH named AS (
    SELECT * FROM unnest(CAST(:clinics AS text[]), CAST(:payments AS text[]), CAST(:lines AS text[]))
        AS named(clinic_id, payment_id, line_id)
),
own AS (
    SELECT history.* FROM history JOIN lines ON lines.id = line_ref
        JOIN named USING (clinic_id, payment_id, line_id)
    UNION ALL
    SELECT history.* FROM history JOIN set_aside ON set_aside.id = set_aside_ref
        LEFT JOIN named USING (clinic_id, payment_id, line_id)
    WHERE named.clinic_id IS NOT NULL OR set_aside.id = ANY(:dead_letters)
)
SELECT at, what AS code, {", ".join(TimelineRow._fields[2:])} FROM (
    SELECT * FROM own
    UNION ALL
    SELECT history.* FROM history
    WHERE line_ref IS NULL AND set_aside_ref IS NULL
        AND entry_id IN (SELECT entry_id FROM own WHERE entry_id IS NOT NULL)
) AS events ORDER BY at, id
"""


def read(tx: Transaction, keys: Sequence[LineKey], dead_letter_ids: Sequence[int]) -> list[TimelineRow]:
    """Return the events of the lines with these keys and of these dead letters, in order."""
    found = tx.execute(
        text(_TIMELINE),
        {
            "clinics": [key.clinic_id for key in keys],
            "payments": [key.payment_id for key in keys],
            "lines": [key.line_id for key in keys],
            "dead_letters": list(dead_letter_ids),
        },
    )
    return [TimelineRow._make(row) for row in found]
