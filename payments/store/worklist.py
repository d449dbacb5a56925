"""The biller's list: Billing Exceptions a page at a time, oldest first, and how many of each kind there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import text

from payments.core.finding import FindingReason
from payments.core.money import Money
from payments.store.findings import ROWS, FindingRow, as_row
from payments.store.session import Transaction


@dataclass(frozen=True, slots=True)
class WorkQuery:
    """Which exceptions; None leaves that open. Dates are of the transaction, inclusive."""

    status: str | None = "open"
    reason: str | None = None
    case: str | None = None
    company: str | None = None
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


_WHERE = """
WHERE (CAST(:status AS text) IS NULL OR findings.status = :status)
    AND (CAST(:reason AS text) IS NULL OR findings.reason = :reason)
    AND (CAST(:case AS text) IS NULL OR closed_case = :case)
    AND (CAST(:company AS text) IS NULL OR company_id = :company)
    AND (CAST(:clinics AS text[]) IS NULL OR clinic_id = ANY(:clinics))
    AND (CAST(:patient AS text) IS NULL OR patient_id = :patient)
    AND (CAST(:since AS date) IS NULL OR transaction_date >= :since)
    AND (CAST(:until AS date) IS NULL OR transaction_date <= :until)
"""


def page(tx: Transaction, query: WorkQuery, after: int, limit: int) -> list[FindingRow]:
    """Return up to `limit` exceptions whose number is above `after`."""
    found = tx.execute(
        text(f"{ROWS} {_WHERE} AND findings.id > :after ORDER BY findings.id LIMIT :limit"),
        _parameters(query) | {"after": after, "limit": limit},
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
            "SELECT findings.reason, closed_case, count(*), sum(amount_now - amount_before) "
            f"FROM findings JOIN lines ON lines.id = line_ref {_WHERE} GROUP BY 1, 2 ORDER BY 3 DESC"
        ),
        _parameters(query),
    )
    return [WorkSum(*row) for row in found]


def acceptable(tx: Transaction, query: WorkQuery, limit: int) -> list[tuple[int, int]]:
    """Return (number, version) of the exceptions that accepting settles."""
    found = tx.execute(
        text(
            f"SELECT findings.id, findings.version FROM findings JOIN lines ON lines.id = line_ref {_WHERE} "
            "AND findings.status = 'open' AND findings.reason = ANY(:reasons) ORDER BY findings.id LIMIT :limit"
        ),
        _parameters(query)
        | {"limit": limit, "reasons": [reason.value for reason in FindingReason if reason.can_be_accepted]},
    )
    return [(number, version) for number, version in found]


def _parameters(query: WorkQuery) -> dict[str, Any]:
    given = {name: getattr(query, name) for name in query.__slots__}
    return given | {"clinics": None if query.clinics is None else list(query.clinics)}
