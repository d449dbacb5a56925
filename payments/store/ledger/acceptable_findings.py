"""The findings that a user, or the policy of a company, can accept (rule D6)."""

from payments.core.finding import FindingReason
from payments.core.postponed_work import WorkItem
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


def load(tx: Transaction, company_id: str | None, *, policy: str | None = None) -> list[WorkItem]:
    """Return the open findings that can be accepted, oldest first, as items of recurring work.

    `company_id` limits them to one company. `policy` limits them to the findings that this adjustment policy may accept
    in the companies that have chosen it: closed-month findings that have a proposal. A finding is left out if a user
    has undone a decision on it (rule D6).
    """
    found = tx.execute(
        text(
            "SELECT lines.company_id, CAST(findings.id AS text) AS item_id FROM findings "
            "JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref "
            "JOIN companies ON companies.company_id = lines.company_id "
            # Not if the payment waits to be evaluated again. An Amount Due of 0.00 needs a patient who is in Billing.
            "WHERE findings.status = 'open' AND findings.reason_code = ANY(:reasons) AND lines.application <> 'held' "
            "AND (findings.reason_code <> 'zero_due' OR EXISTS (SELECT FROM patients WHERE known_at IS NOT NULL "
            "AND (company_id, patient_id) = (lines.company_id, lines.patient_id))) "
            f"AND {has_not_moved('lines')} AND (CAST(:company_id AS text) IS NULL OR lines.company_id = :company_id) "
            "AND (CAST(:policy AS text) IS NULL OR companies.adjustments = :policy "
            "AND findings.reason_code <> 'zero_due' AND jsonb_array_length(proposal) > 0 AND undone_at IS NULL) "
            "ORDER BY findings.id"
        ),
        {
            "reasons": [reason.value for reason in FindingReason if reason.can_be_accepted],
            "company_id": company_id,
            "policy": policy,
        },
    )
    return [WorkItem(**row) for row in found.mappings()]
