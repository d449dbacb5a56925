"""Nightly jobs, postponed work, dead letters and month closes of a scope, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.core.outcome import Reason
from payments.core.scope import Scope
from payments.store.db.conditions import company_in_scope, has_not_moved, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT


class NightlyDistribution(NamedTuple):
    """The nightly distribution of a company, and the company's time zone.

    `distributed_on` is the date of the last complete run; None if there is none. `is_distributing` is True if a later
    run has begun and is not complete.
    """

    company_id: str
    timezone: str
    distributed_on: date | None
    is_distributing: bool


class PostponedRow(NamedTuple):
    """An item of recurring work that failed and is tried again.

    `kind` is the value of a WorkKind. During an upgrade, it may be a kind of the later release.
    """

    company: str
    kind: str
    item: str
    failed_attempts: int
    error: str
    first_failed_at: datetime
    failed_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """The number of current dead letters with a reason, and the time at which the oldest was received."""

    reason: Reason
    count: int
    oldest_at: datetime


class ClosedRow(NamedTuple):
    """A month that was closed recently, or that is CLOSING. `closed_at` is None if it is not closed."""

    company: str
    month: date
    state: str
    closed_at: datetime | None


def nightly_distributions(tx: Transaction, scope: Scope) -> Sequence[NightlyDistribution]:
    """Return the state of the nightly distribution of each company in a scope, sorted by company id.

    Companies that have moved to another installation are omitted.
    """
    found = tx.execute(
        text(
            "SELECT company_id, timezone, distributed_on, distributed_to IS NOT NULL FROM companies "
            f"WHERE {has_not_moved('companies')}{company_in_scope(scope, 'companies')} ORDER BY company_id"
        ),
        scope_parameters(scope),
    )
    return [NightlyDistribution._make(row) for row in found]


def postponed_work(tx: Transaction, scope: Scope, limit: int) -> Sequence[PostponedRow]:
    """Return up to `limit` postponed items of recurring work in a scope, the last failure first."""
    found = tx.execute(
        text(
            "SELECT company_id, kind, item_id, failed_attempts, error, first_failed_at, failed_at, next_try_at "
            f"FROM postponed_work WHERE {has_not_moved('postponed_work')}{company_in_scope(scope, 'postponed_work')} "
            "ORDER BY failed_at DESC, company_id, kind, item_id LIMIT :limit"
        ),
        scope_parameters(scope) | {"limit": limit},
    )
    return [PostponedRow._make(row) for row in found]


def dead_letters(tx: Transaction, scope: Scope) -> Sequence[DeadLetterCount]:
    """Count the current dead letters of a scope, by reason."""
    found = tx.execute(
        text(
            f"SELECT reason, count(*), min(received_at) FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} "
            f"{in_scope(scope, 'set_aside')} GROUP BY 1 ORDER BY 1"
        ),
        scope_parameters(scope),
    )
    return [DeadLetterCount(Reason(reason), count, oldest_at) for reason, count, oldest_at in found]


def recent_closes(tx: Transaction, scope: Scope, since: datetime) -> Sequence[ClosedRow]:
    """Return the months that were closed since a moment, or that are CLOSING."""
    found = tx.execute(
        text(
            "SELECT company_id, month, state, closed_at FROM company_months "
            f"WHERE (closed_at >= :since OR state = 'CLOSING') AND {has_not_moved('company_months')} "
            f"{company_in_scope(scope, 'company_months')} ORDER BY company_id, month"
        ),
        scope_parameters(scope) | {"since": since},
    )
    return [ClosedRow._make(row) for row in found]
