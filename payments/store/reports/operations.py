"""Nightly jobs, postponed work, dead letters and closes within a scope, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.core.outcome import Reason
from payments.core.postponed_work import WorkKind
from payments.core.scope import Scope
from payments.store.db.conditions import company_in_scope, in_scope, is_here, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT


class CompanyNight(NamedTuple):
    """A company's time zone, and its last complete nightly distribution. `is_distributing`: the next one has begun."""

    company_id: str
    timezone: str
    distributed_on: date | None
    is_distributing: bool


class PostponedRow(NamedTuple):
    """An item of recurring work that failed and is tried again."""

    company: str
    kind: WorkKind
    item: str
    failed_attempts: int
    error: str
    first_failed_at: datetime
    failed_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """The number of current dead letters with a reason, and when the oldest was received."""

    reason: Reason
    count: int
    oldest_at: datetime


class ClosedRow(NamedTuple):
    """A month that was closed lately, or should have been; `closed_at` is None if it is not closed."""

    company: str
    month: date
    state: str
    closed_at: datetime | None


def company_nights(tx: Transaction, scope: Scope) -> Sequence[CompanyNight]:
    """Return the companies of a scope, sorted, without those that have moved."""
    found = tx.execute(
        text(
            "SELECT company_id, timezone, distributed_on, distributed_to IS NOT NULL FROM companies "
            f"WHERE {is_here('companies')}{company_in_scope(scope, 'companies')} ORDER BY company_id"
        ),
        scope_parameters(scope),
    )
    return [CompanyNight._make(row) for row in found]


def postponed_work(tx: Transaction, scope: Scope, limit: int) -> Sequence[PostponedRow]:
    """Return up to `limit` items of recurring work of a scope that failed, those that failed last first."""
    found = tx.execute(
        text(
            "SELECT company_id, kind, item_id, failed_attempts, error, first_failed_at, failed_at, next_try_at "
            f"FROM postponed_work WHERE {is_here('postponed_work')}{company_in_scope(scope, 'postponed_work')} "
            "ORDER BY failed_at DESC, company_id, kind, item_id LIMIT :limit"
        ),
        scope_parameters(scope) | {"limit": limit},
    )
    return [PostponedRow._make(row)._replace(kind=WorkKind(row.kind)) for row in found]


def dead_letters(tx: Transaction, scope: Scope) -> Sequence[DeadLetterCount]:
    """Count the dead letters of a scope on the Claims Feed, by reason."""
    found = tx.execute(
        text(
            f"SELECT reason, count(*), min(received_at) FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} "
            f"{in_scope(scope, 'set_aside')} GROUP BY 1 ORDER BY 1"
        ),
        scope_parameters(scope),
    )
    return [DeadLetterCount(Reason(reason), count, oldest_at) for reason, count, oldest_at in found]


def closes(tx: Transaction, scope: Scope, since: datetime) -> Sequence[ClosedRow]:
    """Return the months that were closed since then, or that are being closed."""
    found = tx.execute(
        text(
            "SELECT company_id, month, state, closed_at FROM company_months "
            f"WHERE (closed_at >= :since OR state = 'CLOSING') AND {is_here('company_months')} "
            f"{company_in_scope(scope, 'company_months')} ORDER BY company_id, month"
        ),
        scope_parameters(scope) | {"since": since},
    )
    return [ClosedRow._make(row) for row in found]
