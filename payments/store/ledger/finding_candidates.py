"""Find the lines whose findings must be opened, recomputed or closed (rule D6).

The query compares the findings that each line needs with the findings that it has. Therefore a run also repairs the
findings that an earlier run missed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.postponed_work import is_postponed

# `required_by_line`: the reason for which a line needs a finding, if any.
# `required`: without those that a user has answered for the same attempt at the line; plus version conflicts, for
#     lines that need no other finding, because a line has at most one open finding.
# `candidates`: lines without the finding that they need, and lines with an open finding that they do not need. A held
#     line keeps its finding until it is evaluated again.
# A finding without `attempts` was stored before that column existed, and matches any attempt.
# No line of a company that has moved to another installation is a candidate.
# NOT EXISTS, because PostgreSQL runs it as a hash join of any size, but NOT IN only if the hash fits into memory.
_CANDIDATE_CTES = f"""
WITH required_by_line AS (
    SELECT company_id, id, version, attempts, CASE
        WHEN reason = 'patient_not_found' THEN 'patient_not_found'
        WHEN target IS NULL THEN 'zero_due'
        ELSE 'closed_month'
    END AS reason
    FROM lines WHERE (application = 'exception' OR reason = 'patient_not_found') AND {has_not_moved("lines")}
),
unanswered AS (
    SELECT * FROM required_by_line WHERE NOT EXISTS (
        SELECT FROM findings
        WHERE findings.company_id = required_by_line.company_id AND line_ref = required_by_line.id
            AND findings.version = required_by_line.version
            AND findings.reason_code = required_by_line.reason AND findings.status IN ('acknowledged', 'resolved')
            AND (findings.attempts IS NULL OR findings.attempts = required_by_line.attempts)
    )
),
conflicts AS (
    SELECT DISTINCT ON (lines.id) lines.company_id, lines.id, lines.version, set_aside.attempts,
        set_aside.id AS dead_letter_id, set_aside.amount_paid
    FROM set_aside JOIN lines USING (company_id, clinic_id, payment_id, line_id)
    WHERE set_aside.closed_at IS NULL AND set_aside.reason = 'version_conflict' AND set_aside.version >= lines.version
        AND {has_not_moved("lines")} AND NOT EXISTS (SELECT FROM unanswered
            WHERE unanswered.company_id = lines.company_id AND unanswered.id = lines.id)
    ORDER BY lines.id, set_aside.id DESC
),
required AS (
    SELECT company_id, id, version, attempts, reason, NULL::bigint AS dead_letter_id,
        NULL::numeric AS conflicting_amount
    FROM unanswered
    UNION ALL
    SELECT company_id, id, version, attempts, 'version_conflict', dead_letter_id, amount_paid FROM conflicts
),
candidates AS (
    SELECT company_id, id AS line_ref, attempts, dead_letter_id, conflicting_amount FROM required WHERE NOT EXISTS (
        SELECT FROM findings
        WHERE findings.company_id = required.company_id AND line_ref = required.id
            AND findings.version = required.version AND findings.reason_code = required.reason
            AND findings.status <> 'auto_closed' AND (findings.attempts IS NULL OR
                findings.attempts = required.attempts
                AND findings.set_aside_ref IS NOT DISTINCT FROM required.dead_letter_id)
    )
    UNION ALL
    SELECT lines.company_id, line_ref, NULL, NULL, NULL FROM findings
        JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref
    WHERE findings.status = 'open' AND NOT EXISTS (
            SELECT FROM required WHERE required.company_id = lines.company_id AND required.id = line_ref)
        AND {has_not_moved("lines")} AND (lines.application <> 'held' OR findings.reason_code = 'version_conflict')
)
"""
_IS_NOT_POSTPONED = "NOT " + is_postponed(
    WorkKind.DETECT_EXCEPTION, "candidates.company_id", "CAST(candidates.line_ref AS text)"
)


class OutdatedFinding(NamedTuple):
    """A line that lacks the finding that it needs, or has an open finding that it does not need.

    - `line_ref`: the row id of the line.
    - `attempts`: the number of the attempt for which a finding must be written, None if the open finding must be
      closed. For a version conflict, it is an attempt at the dead letter, otherwise an attempt at the line.
    - `dead_letter_id`, `conflicting_amount`: for a version conflict, the row id of the conflicting dead letter and its
      amount in dollars, otherwise None.
    """

    company_id: str
    line_ref: int
    attempts: int | None
    dead_letter_id: int | None
    conflicting_amount: Money | None

    @property
    def work_item(self) -> WorkItem:
        """The line as an item of recurring work."""
        return WorkItem(self.company_id, str(self.line_ref))


def load(tx: Transaction, limit: int, only: Sequence[WorkItem] | None = None) -> list[OutdatedFinding]:
    """Return up to `limit` lines with outdated findings that are not postponed. Takes no locks.

    If `only` is given, only these lines are considered, and postponed ones are returned as well.
    """
    columns = ", ".join(OutdatedFinding._fields)
    if only is None:
        selected, parameters = _IS_NOT_POSTPONED, {}
    else:
        selected, parameters = "line_ref = ANY(:line_refs)", {"line_refs": [int(item.item_id) for item in only]}
    query = f"{_CANDIDATE_CTES} SELECT {columns} FROM candidates WHERE {selected} LIMIT :limit"
    return [OutdatedFinding(**row) for row in tx.execute(text(query), parameters | {"limit": limit}).mappings()]


def count(tx: Transaction) -> int:
    """Count all lines with outdated findings that are not postponed."""
    query = f"{_CANDIDATE_CTES} SELECT count(*) FROM candidates WHERE {_IS_NOT_POSTPONED}"
    return int(tx.execute(text(query)).scalar_one())
