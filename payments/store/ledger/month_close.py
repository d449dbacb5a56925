"""The states of company months as they are closed, and the totals kept of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.contract.money import Money, dollars
from payments.core.close import MonthSum, Snapshot
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.months import CompanyMonth

_IN_MONTH = "{0} >= :month AND {0} < CAST(:month AS date) + interval '1 month'"


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A company's month as people read it; the total in dollars, for a closed month as it was at the close."""

    company: str
    month: str
    state: MonthState
    scheduled_at: datetime | None
    scheduled_by: str | None
    closed_at: datetime | None
    payments_total: Money


class Kept(NamedTuple):
    """Whether what was kept of a closed month is what its totals are now, and the sum that was kept, in dollars."""

    is_same: bool
    payments_total: Money


def lock_state(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Lock a month alone, once every import that holds it has ended, and return its state."""
    tx.execute(
        text("INSERT INTO company_months (company_id, month) VALUES (:company_id, :month) ON CONFLICT DO NOTHING"),
        _key(company_id, month),
    )
    state = tx.execute(
        text("SELECT state FROM company_months WHERE company_id = :company_id AND month = :month FOR UPDATE"),
        _key(company_id, month),
    )
    return MonthState(state.scalar_one())


def state_of(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Return the state of a month without holding it; one without a row is open."""
    found = tx.execute(
        text("SELECT state FROM company_months WHERE company_id = :company_id AND month = :month"),
        _key(company_id, month),
    )
    return MonthState(found.scalar_one_or_none() or MonthState.OPEN)


def set_state(tx: Transaction, key: CompanyMonth, state: MonthState, now: datetime, who: str | None) -> None:
    """Set the state of a month that this transaction has locked, short of closing it.

    Without a person it is the night that goes on with what somebody scheduled.
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
        _key(*key) | {"state": state, "now": now, "who": who},
    )


def set_closed(tx: Transaction, company_id: str, month: Month, snapshot: Snapshot, now: datetime) -> None:
    """Close a month that this transaction has locked, with its totals."""
    tx.execute(
        text(
            "UPDATE company_months SET state = 'CLOSED', closed_at = :now, payments_total = :total, "
            "snapshot = CAST(:snapshot AS jsonb), snapshot_hash = :hash "
            "WHERE company_id = :company_id AND month = :month"
        ),
        _key(company_id, month)
        | {"now": now, "total": snapshot.payments_total, "snapshot": snapshot.written(), "hash": snapshot.hash()},
    )


def take_snapshot(tx: Transaction, company_id: str, month: Month) -> Snapshot:
    """Sum what the ledger holds for a month."""
    found = tx.execute(
        text(
            "SELECT method, charge_type, clinic_id, entered_by, count(*), sum(amount) FROM entries "
            f"WHERE company_id = :company_id AND {_IN_MONTH.format('deposit_date')} "
            "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ),
        _key(company_id, month),
    )
    return Snapshot(tuple(MonthSum(*row) for row in found))


def kept_snapshot(tx: Transaction, company_id: str, month: Month) -> Snapshot | None:
    """Return the totals as they were kept at the close, None for a month that is not closed."""
    found = tx.execute(
        text("SELECT snapshot FROM company_months WHERE company_id = :company_id AND month = :month"),
        _key(company_id, month),
    )
    kept = found.scalar_one_or_none()
    if kept is None:
        return None
    return Snapshot(tuple(MonthSum(**(each | {"total": dollars(each["total"])})) for each in kept))


def compare(tx: Transaction, company_id: str, month: Month, snapshot: Snapshot) -> Kept | None:
    """Compare totals with all that was kept of a month at its close; None for a month that is not closed."""
    found = tx.execute(
        text(
            "SELECT snapshot_hash = :hash AND snapshot = CAST(:snapshot AS jsonb) AND payments_total = :total, "
            "payments_total FROM company_months WHERE company_id = :company_id AND month = :month AND state = 'CLOSED'"
        ),
        _key(company_id, month)
        | {"total": snapshot.payments_total, "snapshot": snapshot.written(), "hash": snapshot.hash()},
    )
    row = found.one_or_none()
    return Kept(*row) if row else None


def earlier_open(tx: Transaction, company_id: str, month: Month) -> list[Month]:
    """Return the company's earlier months that hold entries and are not closed, oldest first."""
    found = tx.execute(
        text(
            "SELECT month FROM company_months AS earlier WHERE company_id = :company_id AND month < :month "
            "AND state <> 'CLOSED' AND EXISTS (SELECT FROM entries WHERE entries.company_id = earlier.company_id "
            "AND deposit_date >= earlier.month AND deposit_date < earlier.month + interval '1 month') ORDER BY month"
        ),
        _key(company_id, month),
    )
    return [Month.of(first_day) for first_day in found.scalars()]


def waiting_months(tx: Transaction) -> list[tuple[str, Month, MonthState, datetime]]:
    """Return the months that are scheduled or were left half closed, oldest first, with when that began."""
    found = tx.execute(
        text(
            "SELECT company_id, month, state, coalesce(closing_at, scheduled_at) FROM company_months "
            "WHERE state IN ('SCHEDULED', 'CLOSING') ORDER BY month, company_id"
        )
    )
    return [(company_id, Month.of(first), MonthState(state), since) for company_id, first, state, since in found]


def list_months(tx: Transaction, company_id: str) -> list[MonthRow]:
    """Return a company's months that were ever touched, oldest first."""
    found = tx.execute(
        text(
            "SELECT company_id, to_char(month, 'YYYY-MM'), state, scheduled_at, scheduled_by, closed_at, "
            "coalesce(payments_total, (SELECT sum(amount) FROM entries WHERE entries.company_id = kept.company_id "
            "AND deposit_date >= kept.month AND deposit_date < kept.month + interval '1 month'), 0.00) "
            "FROM company_months AS kept WHERE company_id = :company_id ORDER BY month"
        ),
        {"company_id": company_id},
    )
    return [MonthRow(company, month, MonthState(state), *rest) for company, month, state, *rest in found]


def _key(company_id: str, month: Month) -> dict[str, object]:
    return {"company_id": company_id, "month": month.first_day}
