"""The states of company months during a close, and the totals that the close stores (rule D7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.contract.money import Money, dollars
from payments.core.close import CloseConditions, MonthSum, Snapshot
from payments.core.month import Month, MonthState
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.conditions import IN_MONTH, has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.months import CompanyMonth, lock_date


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A row in the list of a company's months.

    `state` is CLOSED for each month before a closed one. `payments_total` is in dollars: the stored total if the month
    itself was closed, otherwise the current sum. `closed_at` is None if the month itself was not closed.
    """

    company: str
    month: str
    state: MonthState
    scheduled_at: datetime | None
    scheduled_by: str | None
    closed_at: datetime | None
    payments_total: Money


class SnapshotCheck(NamedTuple):
    """The comparison of a closed month's stored and current totals. `payments_total` is the stored total in dollars."""

    is_unchanged: bool
    payments_total: Money


def lock_state(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Lock a month, and return its stored state. A month without a row is inserted as OPEN.

    Locks: the company's advisory lock MONTH_STATES, then the month's row FOR UPDATE. Waits for every import that has
    share-locked the month.
    """
    _lock_month_states(tx, company_id, month)
    return _lock_rows(tx, company_id, month, "month = :month")[month]


def lock_states_through(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Lock a month and its earlier open months, and return the month's stored state.

    Waits for running imports into these months. Locks, in this order:
    - the company's advisory lock MONTH_STATES
    - the month and its earlier open months, oldest first
    - the company's advisory lock MONTH_ROWS, which waits for imports that add months
    - the months that these imports added
    """
    _lock_month_states(tx, company_id, month)
    through = "(month = :month OR month < :month AND state <> 'CLOSED')"
    _lock_rows(tx, company_id, month, through)
    acquire_for(tx, AdvisoryLock.MONTH_ROWS, company_id)
    return _lock_rows(tx, company_id, month, through)[month]


def _lock_month_states(tx: Transaction, company_id: str, month: Month) -> None:
    acquire_for(tx, AdvisoryLock.MONTH_STATES, company_id)
    tx.execute(
        text("INSERT INTO company_months (company_id, month) VALUES (:company_id, :month) ON CONFLICT DO NOTHING"),
        _key_parameters(company_id, month),
    )


def _lock_rows(tx: Transaction, company_id: str, month: Month, condition: str) -> dict[Month, MonthState]:
    found = tx.execute(
        text(
            f"SELECT month, state FROM company_months WHERE company_id = :company_id AND {condition} "
            "ORDER BY month FOR UPDATE"
        ),
        _key_parameters(company_id, month),
    )
    return {Month.of(row.month): MonthState(row.state) for row in found}


def load_stored_state(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Return the stored state of a month. Without a row, it is OPEN. Takes no lock."""
    found = tx.execute(
        text("SELECT state FROM company_months WHERE company_id = :company_id AND month = :month"),
        _key_parameters(company_id, month),
    )
    return MonthState(found.scalar_one_or_none() or MonthState.OPEN)


def set_state(tx: Transaction, key: CompanyMonth, state: MonthState, now: datetime, who: str | None) -> None:
    """Set a state other than CLOSED on a month that this transaction has locked.

    `who` is the user, or None if the nightly task continues a scheduled close.
    """
    changes = {
        MonthState.OPEN: "scheduled_at = NULL, scheduled_by = NULL",
        MonthState.SCHEDULED: "scheduled_at = :now, scheduled_by = :who",
        MonthState.CLOSING: "closing_at = :now, scheduled_by = coalesce(:who, scheduled_by)",
    }
    tx.execute(
        text(
            f"UPDATE company_months SET state = :state, {changes[state]} "
            "WHERE company_id = :company_id AND month = :month"
        ),
        _key_parameters(*key) | {"state": state, "now": now, "who": who},
    )


def set_closed(tx: Transaction, company_id: str, month: Month, snapshot: Snapshot, now: datetime) -> None:
    """Set a month that this transaction has locked to CLOSED, and store its totals."""
    tx.execute(
        text(
            "UPDATE company_months SET state = 'CLOSED', closed_at = :now, payments_total = :total, "
            "snapshot = CAST(:snapshot AS jsonb), snapshot_hash = :hash "
            "WHERE company_id = :company_id AND month = :month"
        ),
        _key_parameters(company_id, month)
        | {
            "now": now,
            "total": snapshot.payments_total,
            "snapshot": snapshot.to_canonical_json(),
            "hash": snapshot.hash(),
        },
    )


def compute_snapshot(tx: Transaction, company_id: str, month: Month) -> Snapshot:
    """Return the current totals of a month's entries, by method, charge type, clinic and user."""
    found = tx.execute(
        text(
            "SELECT method, charge_type, clinic_id AS clinic, entered_by AS user, count(*) AS count_of_entries, "
            "sum(amount) AS total FROM entries "
            f"WHERE company_id = :company_id AND {IN_MONTH.format('deposit_date')} "
            "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ),
        _key_parameters(company_id, month),
    )
    return Snapshot(tuple(MonthSum(**row) for row in found.mappings()))


def load_snapshot(tx: Transaction, company_id: str, month: Month) -> Snapshot | None:
    """Return the totals stored at the close, or None if the month is not closed."""
    found = tx.execute(
        text("SELECT snapshot FROM company_months WHERE company_id = :company_id AND month = :month"),
        _key_parameters(company_id, month),
    )
    stored = found.scalar_one_or_none()
    if stored is None:
        return None
    return Snapshot(tuple(MonthSum(**(each | {"total": dollars(each["total"])})) for each in stored))


def check_snapshot(tx: Transaction, company_id: str, month: Month, snapshot: Snapshot) -> SnapshotCheck | None:
    """Compare totals and their hash with the values stored at the close. Return None if the month is not closed."""
    found = tx.execute(
        text(
            "SELECT snapshot_hash = :hash AND snapshot = CAST(:snapshot AS jsonb) AND payments_total = :total "
            "AS is_unchanged, payments_total FROM company_months "
            "WHERE company_id = :company_id AND month = :month AND state = 'CLOSED'"
        ),
        _key_parameters(company_id, month)
        | {"total": snapshot.payments_total, "snapshot": snapshot.to_canonical_json(), "hash": snapshot.hash()},
    )
    row = found.mappings().one_or_none()
    return SnapshotCheck(**row) if row else None


def load_close_conditions(tx: Transaction, company_id: str, month: Month, state: MonthState) -> CloseConditions:
    """Return the conditions for closing a month. `state` is its stored state. Takes no lock."""
    months = tx.execute(
        text(
            "SELECT month FROM company_months AS earlier WHERE company_id = :company_id AND month <= :month "
            "AND state <> 'CLOSED' AND EXISTS (SELECT FROM entries WHERE entries.company_id = earlier.company_id "
            "AND deposit_date >= earlier.month AND deposit_date < CAST(earlier.month + interval '1 month' AS date)) "
            "ORDER BY month"
        ),
        _key_parameters(company_id, month),
    )
    with_entries = [Month.of(first_day) for first_day in months.scalars()]
    return CloseConditions(state, lock_date(tx, company_id), tuple(with_entries))


class MonthToClose(NamedTuple):
    """A SCHEDULED or CLOSING month. `since` is the time at which it entered this state."""

    company_id: str
    month: Month
    state: MonthState
    since: datetime


def months_to_close(tx: Transaction) -> list[MonthToClose]:
    """Return the months that are SCHEDULED or CLOSING, oldest first."""
    found = tx.execute(
        text(
            "SELECT company_id, month, state, coalesce(closing_at, scheduled_at) AS since FROM company_months "
            f"WHERE state IN ('SCHEDULED', 'CLOSING') AND {has_not_moved('company_months')} ORDER BY month, company_id"
        )
    )
    return [MonthToClose(row.company_id, Month.of(row.month), MonthState(row.state), row.since) for row in found]


def list_months(tx: Transaction, company_id: str) -> list[MonthRow]:
    """Return the company's months that have a row, oldest first. The total of an open month is its current sum."""
    found = tx.execute(
        text(
            "SELECT company_id AS company, to_char(month, 'YYYY-MM') AS month, state, scheduled_at, scheduled_by, "
            "closed_at, coalesce(payments_total, present.total, 0.00) AS payments_total "
            "FROM company_months AS listed LEFT JOIN ("
            "SELECT CAST(date_trunc('month', CAST(deposit_date AS timestamp)) AS date) AS first_day, "
            "sum(amount) AS total FROM entries WHERE company_id = :company_id AND deposit_date >= ("
            "SELECT min(month) FROM company_months WHERE company_id = :company_id AND payments_total IS NULL) "
            "GROUP BY 1) AS present ON first_day = month WHERE company_id = :company_id ORDER BY listed.month"
        ),
        {"company_id": company_id},
    )
    lock = lock_date(tx, company_id)
    return [
        MonthRow(**{**row, "state": lock.state(Month.parse(row["month"]), MonthState(row["state"]))})
        for row in found.mappings()
    ]


def _key_parameters(company_id: str, month: Month) -> dict[str, object]:
    return {"company_id": company_id, "month": month.first_day}
