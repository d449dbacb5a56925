"""Store requests for refunds and the decisions about them, each once (rule D8). A request never changes."""

from datetime import datetime
from typing import Any

from payments.contract.event import ChargeType, Method
from payments.contract.money import Money
from payments.core.repayment import UNAPPROVED_DAYS, PendingRepayment, RepaymentDraft, RepaymentKind
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.manual_entries import RequestIdentity
from payments.store.ledger.stored_repayments import RepaymentPlace, StoredRepayment

_OF_ACCOUNT = "repayments.company_id = :company_id AND repayments.patient_id = :patient_id"


def lock_account(tx: Transaction, company_id: str, patient_id: str) -> None:
    """Serialize the refunds of an account: its available amount is checked under this lock."""
    acquire_for(tx, AdvisoryLock.REPAYMENT, f"{company_id}\n{patient_id}")


def lock_request(tx: Transaction, company_id: str, key: str) -> None:
    """Serialize requests with the same key. Acquire it before the account's lock."""
    acquire_for(tx, AdvisoryLock.REPAYMENT, f"request\n{company_id}\n{key}")


def add(
    tx: Transaction,
    place: RepaymentPlace,
    draft: RepaymentDraft,
    request: RequestIdentity,
    requested: tuple[datetime, str],
) -> int:
    """Insert a refund, and return its id. `draft` has a method. `requested` is its time and its user."""
    values = place._asdict() | draft._asdict() | {"reason": draft.reason.strip()}
    values |= {"request_key": request.key, "request_hash": request.hash}
    values |= dict(zip(("requested_at", "requested_by"), requested, strict=True))
    names = ", ".join(values)
    added = text(f"INSERT INTO repayments ({names}) VALUES ({', '.join(f':{name}' for name in values)}) RETURNING id")
    return int(tx.execute(added, values).scalar_one())


def place_of_line(tx: Transaction, line_ref: int) -> tuple[RepaymentPlace, Method] | None:
    """Return where a refund of a line belongs, and the method of the payment. None if Billing has only a deletion."""
    query = (
        "SELECT company_id, clinic_id, patient_id, charge_type, date_of_service, method FROM lines "
        "WHERE id = :id AND charge_type IS NOT NULL"
    )
    row = tx.execute(text(query), {"id": line_ref}).one_or_none()
    if row is None:
        return None
    charge_type = ChargeType(row.charge_type)
    own = (row.company_id, row.clinic_id, row.patient_id, charge_type, row.date_of_service, line_ref)
    return RepaymentPlace(*own), Method(row.method)


def approve(tx: Transaction, repayment: StoredRepayment, now: datetime, who: str) -> None:
    """Store that a user has approved a refund."""
    _decide(tx, repayment, {"approved_at": now, "approved_by": who})


def issue(tx: Transaction, repayment: StoredRepayment, entry_id: int, now: datetime, who: str) -> None:
    """Store that a refund was issued, and the entry that it posted."""
    _decide(tx, repayment, {"issued_at": now, "issued_by": who, "entry_ref": entry_id})


def void(tx: Transaction, repayment: StoredRepayment, reason: str, now: datetime, who: str) -> None:
    """Store that a refund was voided, and why."""
    _decide(tx, repayment, {"voided_at": now, "voided_by": who, "void_reason": reason})


def pending(found: list[StoredRepayment], without: int | None) -> list[PendingRepayment]:
    """Return the refunds that are not issued yet, without the one with the id `without`."""
    return [
        PendingRepayment(each.id, each.draft.amount, each.source)
        for each in found
        if each.id != without and each.decisions.issued_at is None and each.decisions.voided_at is None
    ]


def unapproved_amount(tx: Transaction, repayment: StoredRepayment) -> Money:
    """Return the sum in dollars of the account's other refunds without an approval, of UNAPPROVED_DAYS days."""
    found = tx.execute(
        text(
            "SELECT coalesce(sum(amount), 0.00) FROM repayments "
            f"WHERE {_OF_ACCOUNT} AND kind = :kind AND id <> :id AND approved_at IS NULL AND voided_at IS NULL "
            "AND requested_at > CAST(:at AS timestamptz) - make_interval(days => :days)"
        ),
        {
            "company_id": repayment.place.company_id,
            "patient_id": repayment.place.patient_id,
            "kind": RepaymentKind.REFUND,
            "id": repayment.id,
            "at": repayment.decisions.requested_at,
            "days": UNAPPROVED_DAYS,
        },
    )
    return Money(found.scalar_one())


def refund_limit(tx: Transaction, company_id: str) -> Money:
    """Return the amount in dollars up to which a company's refunds need no approval."""
    found = tx.execute(text("SELECT refund_limit FROM companies WHERE company_id = :id"), {"id": company_id})
    return Money(found.scalar_one())


def _decide(tx: Transaction, repayment: StoredRepayment, values: dict[str, Any]) -> None:
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    key = {"company_id": repayment.place.company_id, "id": repayment.id}
    tx.execute(text(f"UPDATE repayments SET {assignments} WHERE company_id = :company_id AND id = :id"), values | key)
