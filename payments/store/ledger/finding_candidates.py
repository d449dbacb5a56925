"""The lines whose exceptions are not up to date, whoever forgot them."""

from typing import NamedTuple

from payments.contract.money import Money
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

# What an up-to-date set of findings would still have to change: lines that need a finding and have none for what they
# are since they were judged last, and lines whose open finding speaks of something that is no longer so. What a person
# has answered for this judgement of a line needs none any more, and leaves the line's place to a conflict. A payment
# that waits to be judged keeps the one that it has. A finding without `attempts` is from before they were kept.
# PostgreSQL looks NOT EXISTS up in a hash of any size, and NOT IN only in one that fits into its memory.
_WORK = """
WITH judged AS (
    SELECT id, version, attempts, CASE
        WHEN reason = 'patient_not_found' THEN 'Patient not found'
        WHEN target IS NULL THEN 'Amount Due is 0.00'
        ELSE 'Payment added/edited/deleted when month is closed'
    END AS reason
    FROM lines WHERE application = 'exception' OR reason = 'patient_not_found'
),
excepted AS (
    SELECT * FROM judged WHERE NOT EXISTS (
        SELECT FROM findings
        WHERE line_ref = judged.id AND findings.version = judged.version AND findings.reason = judged.reason
            AND findings.status IN ('acknowledged', 'resolved')
            AND (findings.attempts IS NULL OR findings.attempts = judged.attempts)
    )
),
conflicts AS (
    SELECT DISTINCT ON (lines.id) lines.id, lines.version, set_aside.attempts, set_aside.id AS set_aside_ref,
        set_aside.amount_paid
    FROM set_aside JOIN lines USING (clinic_id, payment_id, line_id)
    WHERE set_aside.closed_at IS NULL AND set_aside.reason = 'version_conflict' AND set_aside.version >= lines.version
        AND NOT EXISTS (SELECT FROM excepted WHERE excepted.id = lines.id)
    ORDER BY lines.id, set_aside.id DESC
),
needed AS (
    SELECT id, version, attempts, reason, NULL::bigint AS set_aside_ref, NULL::numeric AS amount_now FROM excepted
    UNION ALL SELECT id, version, attempts, 'Version conflict', set_aside_ref, amount_paid FROM conflicts
),
work AS (
    SELECT id, attempts, set_aside_ref, amount_now FROM needed WHERE NOT EXISTS (
        SELECT FROM findings
        WHERE line_ref = needed.id AND findings.version = needed.version AND findings.reason = needed.reason
            AND findings.status <> 'auto_closed' AND (findings.attempts IS NULL OR
                findings.attempts = needed.attempts
                AND findings.set_aside_ref IS NOT DISTINCT FROM needed.set_aside_ref)
    )
    UNION ALL
    SELECT line_ref, NULL, NULL, NULL FROM findings JOIN lines ON lines.id = line_ref
    WHERE findings.status = 'open' AND NOT EXISTS (SELECT FROM needed WHERE needed.id = line_ref)
        AND (lines.application <> 'held' OR findings.reason = 'Version conflict')
)
"""


class Work(NamedTuple):
    """A line to examine, with its tries; without them it needs no finding and has an open one.

    For a conflict the event that is set aside, how often that was tried, and the amount in dollars that it says.
    """

    line_ref: int
    attempts: int | None
    dead_letter_id: int | None
    amount_now: Money | None


def work(tx: Transaction, limit: int) -> list[Work]:
    """Return up to `limit` lines whose findings are not up to date."""
    found = tx.execute(
        text(f"{_WORK} SELECT id, attempts, set_aside_ref, amount_now FROM work LIMIT :limit"), {"limit": limit}
    )
    return [Work(*row) for row in found]


def work_left(tx: Transaction) -> int:
    """Count the lines whose findings are not up to date."""
    return int(tx.execute(text(f"{_WORK} SELECT count(*) FROM work")).scalar_one())
