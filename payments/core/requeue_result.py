"""Results of requeued payments: expected by a preview, or achieved by a run."""

from dataclasses import dataclass
from enum import StrEnum

from payments.contract.money import Money
from payments.core.outcome import Reason


class RequeueResult(StrEnum):
    """The result of a requeued payment. The values are stored."""

    IMPORTED = "imported"
    ZERO_DUE = "zero_due"
    CLOSED_MONTH = "closed_month"
    NOTHING_TO_POST = "nothing_to_post"
    PATIENT_NOT_FOUND = "patient_not_found"
    MONTH_CLOSING = "month_closing"
    RETRYING = "retrying"
    PROCESSED_AGAIN = "processed_again"
    WAITING = "waiting"
    NOT_SENT = "not_sent"

    @property
    def rank(self) -> int:
        """The position in a list of results. Results of payments that reach Billing come first."""
        return list(RequeueResult).index(self)


@dataclass(frozen=True, slots=True)
class ResultCount:
    """The number of requeued payments with the same result, and their sum in dollars.

    `reason` is set for payments that are not sent. For dead letters, it is the reason that they had before the requeue.
    """

    result: RequeueResult
    reason: Reason | None
    count: int
    total: Money
