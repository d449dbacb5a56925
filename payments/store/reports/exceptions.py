"""The biller's list: Billing Exceptions a page at a time, oldest first, and how many of each kind there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.finding import FindingStatus
from payments.store.db.conditions import conditions, parameters_of
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.findings import ROWS, FindingRow, as_row


@dataclass(frozen=True, slots=True)
class WorkQuery:
    """Which exceptions; None leaves that open. Dates are of the transaction, inclusive."""

    status: FindingStatus | None = FindingStatus.OPEN
    reason: str | None = None
    case: str | None = None
    clinics: Sequence[str] | None = None
    patient: str | None = None
    since: date | None = None
    until: date | None = None


class WorkSum(NamedTuple):
    """How many exceptions share a reason and a case, and by how much Billing differs from the EMR, in dollars."""

    reason: str
    case: str | None
    number: int
    difference: Money


def page(tx: Transaction, query: WorkQuery, after: int, limit: int) -> list[FindingRow]:
    """Return up to `limit` exceptions whose number is above `after`."""
    found = tx.execute(
        text(f"{ROWS} {_where(query)} AND findings.id > :after ORDER BY findings.id LIMIT :limit"),
        parameters_of(query) | {"after": after, "limit": limit},
    )
    return [as_row(row) for row in found.mappings()]


def one(tx: Transaction, number: int) -> FindingRow | None:
    """Return one exception."""
    row = tx.execute(text(f"{ROWS} WHERE findings.id = :id"), {"id": number}).mappings().one_or_none()
    return as_row(row) if row else None


def sums(tx: Transaction, query: WorkQuery) -> list[WorkSum]:
    """Return how many there are of each kind."""
    found = tx.execute(
        text(
            "SELECT findings.reason, closed_case, count(*), sum(amount_now - amount_before) FROM findings "
            f"{'JOIN lines ON lines.id = line_ref' if _asks_of_lines(query) else ''} {_where(query)} "
            "GROUP BY 1, 2 ORDER BY 3 DESC"
        ),
        parameters_of(query),
    )
    return [WorkSum(*row) for row in found]


def _asks_of_lines(query: WorkQuery) -> bool:
    return any(getattr(query, name) is not None for name in ("clinics", "patient", "since", "until"))


def _where(query: WorkQuery) -> str:
    parts = {
        "status": f"findings.status = '{query.status}'",  # of an enum of ours, written out for the partial index
        "reason": "findings.reason = :reason",
        "case": "closed_case = :case",
        "clinics": "clinic_id = ANY(:clinics)",
        "patient": "patient_id = :patient",
        "since": "transaction_date >= :since",
        "until": "transaction_date <= :until",
    }
    return f"WHERE true{conditions(query, parts)}"
