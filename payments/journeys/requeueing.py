"""Requeue payments that were not imported: a worker re-evaluates them with the current settings.

The request is stored in PostgreSQL, so it survives an outage of Redis. A repeated request does no harm.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from payments.contract.errors import dead_letter_id
from payments.contract.money import ZERO, Money, total
from payments.core.eligibility import NO_SETTINGS, ClinicSettings, exclusion_reason
from payments.core.month import Month, MonthState
from payments.core.outcome import Reason, Status
from payments.core.requeue_result import RequeueResult
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import printed_keys, requeue_candidates, requeues
from payments.store.feed.feed_filter import FeedFilter
from payments.store.feed.printed_keys import NamedPayments
from payments.store.feed.requeue_candidates import RequeueGroup
from payments.store.ledger import admission, clinics

__all__ = ["FeedFilter"]

REQUEUEABLE_STATUSES = frozenset({Status.NOT_SENT, Status.PENDING, Status.VALIDATION_FAILED})
"""The statuses of payments that can be requeued."""


@dataclass(frozen=True, slots=True)
class RequeueSummary:
    """The number of requeued payments, and the skipped keys, whose payments are already imported or not found."""

    count: int
    skipped: tuple[str, ...] = ()


def requeue(tx: Transaction, keys: Sequence[str], now: datetime, who: str, scope: Scope = EVERYTHING) -> RequeueSummary:
    """Requeue payments by their printed keys. Skip payments that are already imported or not found in the scope.

    Raises AmbiguousIdError if several companies of the scope have a key. No payment is requeued then.
    """
    admission.share_lock(tx)
    numbers = {key: number for key in keys if (number := dead_letter_id(key)) is not None}
    visible = printed_keys.dead_letters_in_scope(tx, list(numbers.values()), scope)
    named = printed_keys.find(tx, (key for key in keys if key not in numbers), scope)
    named |= {
        key: NamedPayments(dead_letter_ids=[number] if number in visible else []) for key, number in numbers.items()
    }
    wanted = [key for each in named.values() for key in each.keys]
    ids = [number for each in named.values() for number in each.dead_letter_ids]
    done = {*requeues.requeue_lines(tx, wanted, now, who), *requeues.requeue_dead_letters(tx, ids, wanted, now, who)}
    return RequeueSummary(
        len(done), tuple(key for key in keys if done.isdisjoint([*named[key].keys, *named[key].dead_letter_ids]))
    )


@dataclass(slots=True)
class ExpectedResult:
    """The payments that would have the same result after a requeue.

    `reason` is set for payments that would not be sent. For dead letters, it is their current reason. `count` is the
    number of payments, `total` their sum in dollars, `months` the months of their transaction dates. The total and the
    months do not include dead letters, because their fields are unreliable. `previous_reasons` counts the payments by
    their current reason.
    """

    result: RequeueResult
    reason: Reason | None
    count: int = 0
    total: Money = ZERO
    months: set[Month] = field(default_factory=set)
    previous_reasons: Counter[Reason | None] = field(default_factory=Counter)


class RequeuePreview(NamedTuple):
    """The payments that a run would requeue, by expected result. Payments that would reach Billing come first."""

    results: Sequence[ExpectedResult]

    @property
    def total_count(self) -> int:
        """The number of payments and dead letters."""
        return sum(each.count for each in self.results)

    @property
    def total(self) -> Money:
        """The sum of the payments in dollars, without dead letters, because their amounts are unreliable."""
        return total(each.total for each in self.results)

    @property
    def imported_count(self) -> int:
        """The number of payments that Billing would import."""
        return sum(each.count for each in self.results if each.result is RequeueResult.IMPORTED)

    @property
    def has_effect(self) -> bool:
        """Whether any payment would get a result other than Not Sent."""
        return any(each.result is not RequeueResult.NOT_SENT for each in self.results)


def preview_requeue(tx: Transaction, feed_filter: FeedFilter, now: datetime) -> RequeuePreview:
    """Return the results that a requeue run would have with the current settings, patients and months."""
    groups = requeue_candidates.group_candidates(tx, feed_filter)
    known = clinics.load(tx, {group.clinic for group in groups})
    settings = {key: clinic.settings_at(now) for key, clinic in known.items()}
    found: dict[tuple[RequeueResult, Reason | None], ExpectedResult] = {}
    for group in groups:
        reason = _exclusion_reason(group, settings.get(group.clinic, NO_SETTINGS))
        result = expected_result(group, reason)
        expected = found.setdefault((result, reason), ExpectedResult(result, reason))
        expected.count += group.line_count
        expected.total += group.total
        expected.previous_reasons[group.reason] += group.line_count
        expected.months |= {Month.of(group.month)} if group.month else set()
    again = [
        ExpectedResult(RequeueResult.PROCESSED_AGAIN, each.reason, each.count)
        for each in requeue_candidates.dead_letter_groups(tx, feed_filter)
    ]
    in_order = sorted([*found.values(), *again], key=lambda each: (each.result.rank, each.reason or ""))
    return RequeuePreview(in_order)


def _exclusion_reason(group: RequeueGroup, settings: ClinicSettings) -> Reason | None:
    if not group.is_sent:
        return None
    if group.internal_payment:
        return Reason.INTERNAL_PAYMENT
    return exclusion_reason(settings, group.charge_type) if group.charge_type else None


def expected_result(group: RequeueGroup, reason: Reason | None) -> RequeueResult:
    """Return the expected result of a group of lines (rule D2, rows 4 to 11).

    `reason` is the reason why the settings exclude the lines, None if the settings do not exclude them.
    """
    if reason:
        return RequeueResult.NOT_SENT
    if not (group.is_sent and group.has_amount):
        return RequeueResult.NOTHING_TO_POST
    if not group.has_amount_due:
        return RequeueResult.ZERO_DUE
    if not group.is_patient_known:
        return RequeueResult.PATIENT_NOT_FOUND
    return _RESULT_BY_MONTH_STATE.get(group.month_state, RequeueResult.IMPORTED)


_RESULT_BY_MONTH_STATE = {
    MonthState.CLOSED: RequeueResult.CLOSED_MONTH,
    MonthState.CLOSING: RequeueResult.MONTH_CLOSING,
}
