"""The timeline of a payment: every event of its history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from payments.contract.event import LineKey
from payments.core.history import HistoryCode
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class TimelineRow(NamedTuple):
    """An event in the history of a payment.

    `code` is a HistoryCode, or a sentence in a row from before migration 0014. `params` are the values that belong to
    the code. Those of an import include its postings, which are read from the ledger. `duration_ms` and `error` are
    those of an import attempt.
    """

    at: datetime
    code: str
    version: int | None
    detail: str
    who: str
    duration_ms: int | None
    error: str | None
    params: dict[str, Any] | None


_POSTING_CODES = (HistoryCode.IMPORTED, HistoryCode.UPDATED, HistoryCode.REMOVED, HistoryCode.REMOVED_NOT_SENT)

# The entries that an import posted carry its version and its time.
_WITH_POSTINGS = """
CASE WHEN what = ANY(:posting_codes) AND NOT coalesce(params ? 'postings', false) THEN coalesce(params, '{}') || (
    SELECT jsonb_build_object(
        'postings', coalesce(
            jsonb_agg(jsonb_build_array(amount::text, method, charge_type, deposit_date::text) ORDER BY id), '[]'
        ),
        'posted', (
            SELECT sum(amount)::text FROM entries AS until_then
            WHERE line_ref = events.line_ref AND until_then.id <= max(entries.id)
        )
    )
    FROM entries
    WHERE line_ref = events.line_ref AND version = events.version AND kind = 'import' AND posted_at = events.at
) ELSE params END AS params
"""

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
SELECT at, what AS code, {", ".join(TimelineRow._fields[2:-1])}, {_WITH_POSTINGS} FROM (
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
            "posting_codes": list(_POSTING_CODES),
        },
    )
    return [TimelineRow._make(row) for row in found]
