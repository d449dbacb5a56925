"""The timeline of a payment: every event of its history."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.keys import LineKey
from payments.core.history import HistoryCode
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import amount_linked_at
from payments.store.db.patient_names import join_names
from payments.store.db.statement import text


class TimelineRow(NamedTuple):
    """An event in the history of a payment.

    - `code`: a HistoryCode, or a sentence in a row from before migration 0014.
    - `params`: the values that belong to the code. For an import they include the postings, read from the ledger.
    - `duration_ms`, `error`: set for an import attempt.
    - `task`: the id of the Celery task that made the attempt; None if it is no longer stored.
    - `patient_name`: the current name of the payment's patient, the same in each row.
    - `exception`, `dead_letter`: the id of the Billing Exception and of the dead letter that the event belongs to.
    """

    at: datetime
    code: str
    version: int | None
    detail: str
    who: str
    duration_ms: int | None
    error: str | None
    params: dict[str, Any] | None
    company: str | None
    patient_name: str | None
    task: str | None = None
    exception: int | None = None
    dead_letter: int | None = None


class PaymentFacts(NamedTuple):
    """The method, the dates and the reference of a payment, as they were last saved.

    `reference` is a check number, for example.
    """

    method: str | None
    transaction_date: date | None
    date_of_service: date | None
    reference: str | None


_FACTS_QUERY = f"""
SELECT {", ".join(PaymentFacts._fields)} FROM lines
WHERE company_id = :company_id AND clinic_id = :clinic_id AND payment_id = :payment_id AND line_id = :line_id
"""
_POSTING_CODES = (HistoryCode.IMPORTED, HistoryCode.UPDATED, HistoryCode.REMOVED, HistoryCode.REMOVED_NOT_SENT)

# The entries that an import posted carry its version and its time. The total has the entries that were linked then.
_PARAMS_WITH_POSTINGS = f"""
CASE WHEN what = ANY(:posting_codes) AND NOT coalesce(params ? 'postings', false) THEN coalesce(params, '{{}}') || (
    SELECT jsonb_build_object(
        'postings', coalesce(
            jsonb_agg(jsonb_build_array(amount::text, method, charge_type, deposit_date::text) ORDER BY id), '[]'
        ),
        'posted', (
            SELECT (sum(amount) + {amount_linked_at("events.company_id", "events.line_ref", "events.at")})::text
            FROM entries AS until_then
            WHERE company_id = events.company_id AND line_ref = events.line_ref AND until_then.id <= max(entries.id)
        )
    )
    FROM entries
    WHERE company_id = events.company_id AND line_ref = events.line_ref AND version = events.version
        AND kind = 'import' AND posted_at = events.at
) ELSE params END AS params
"""

# An attempt that failed before the payment could be read is stored with its stream entry only, and joins by it. The ids
# are looked up first, so that each part of the history is read through its own index.
_NAMED_IDS_CTES = """
WITH named AS (
    SELECT * FROM unnest(
        CAST(:companies AS text[]), CAST(:clinics AS text[]), CAST(:payments AS text[]), CAST(:lines AS text[])
    ) AS named(company_id, clinic_id, payment_id, line_id)
)
SELECT true, found.id FROM named, LATERAL (SELECT id FROM lines WHERE {0} OFFSET 0) AS found
UNION ALL
SELECT false, found.id FROM named, LATERAL (SELECT id FROM set_aside WHERE {0} OFFSET 0) AS found
""".format(
    "company_id = named.company_id AND clinic_id = named.clinic_id AND payment_id = named.payment_id "
    "AND line_id = named.line_id"
)
_TIMELINE_QUERY = f"""
WITH own AS (
    SELECT found.* FROM lines, LATERAL (
        SELECT * FROM history WHERE company_id = lines.company_id AND line_ref = lines.id OFFSET 0) AS found
    WHERE lines.id = ANY(:line_refs)
    UNION ALL
    SELECT found.* FROM set_aside, LATERAL (
        SELECT * FROM history WHERE company_id = set_aside.company_id AND set_aside_ref = set_aside.id
            AND set_aside_ref IS NOT NULL
        UNION ALL
        SELECT * FROM history WHERE company_id IS NULL AND set_aside.company_id IS NULL
            AND set_aside_ref = set_aside.id AND set_aside_ref IS NOT NULL
    ) AS found
    WHERE set_aside.id = ANY(:dead_letters)
),
of_patient AS (
    SELECT patient_name FROM (
        SELECT 0 AS rank, company_id, patient_id FROM lines WHERE lines.id = ANY(:line_refs)
        UNION ALL
        SELECT 1, company_id, patient_id FROM set_aside WHERE set_aside.id = ANY(:dead_letters)
    ) AS payment {join_names("payment")}
    WHERE patient_name IS NOT NULL ORDER BY rank LIMIT 1
)
SELECT at, what AS code, {", ".join(TimelineRow._fields[2:-6])}, {_PARAMS_WITH_POSTINGS},
    coalesce(company_id, (SELECT max(company_id) FROM own)) AS company,
    (SELECT patient_name FROM of_patient) AS patient_name,
    (SELECT task_id FROM import_tasks WHERE import_tasks.at = events.at AND import_tasks.who = events.who) AS task,
    finding_ref AS exception, set_aside_ref AS dead_letter
FROM (
    SELECT * FROM own
    UNION ALL
    SELECT found.* FROM (SELECT DISTINCT entry_id FROM own WHERE entry_id IS NOT NULL) AS entries,
        LATERAL (SELECT * FROM history WHERE history.entry_id = entries.entry_id
            AND line_ref IS NULL AND set_aside_ref IS NULL OFFSET 0) AS found
) AS events ORDER BY at, id
"""


def read_facts(tx: Transaction, key: LineKey) -> PaymentFacts | None:
    """Return the facts of the line with this key. Returns None if only invalid events name the key."""
    row = tx.execute(text(_FACTS_QUERY), key._asdict()).one_or_none()
    return PaymentFacts._make(row) if row else None


def read(tx: Transaction, keys: Sequence[LineKey], dead_letter_ids: Sequence[int]) -> list[TimelineRow]:
    """Return the events of the lines with these keys and of these dead letters, in order."""
    found = tx.execute(
        text(_NAMED_IDS_CTES),
        {
            "companies": [key.company_id for key in keys],
            "clinics": [key.clinic_id for key in keys],
            "payments": [key.payment_id for key in keys],
            "lines": [key.line_id for key in keys],
        },
    ).all()
    ids = {
        "line_refs": [row_id for is_line, row_id in found if is_line],
        "dead_letters": [*dead_letter_ids, *(row_id for is_line, row_id in found if not is_line)],
    }
    events = tx.execute(text(_TIMELINE_QUERY), ids | {"posting_codes": list(_POSTING_CODES)})
    return [TimelineRow._make(event) for event in events]
