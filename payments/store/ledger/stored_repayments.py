"""Read refunds and returned payments by id, by account and by filter (rule D8)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from payments.contract.event import ChargeType, Method
from payments.contract.money import Money
from payments.core.credit import EntrySource, SourceId
from payments.core.repayment import (
    Decisions,
    RefundInBilling,
    RepaymentDraft,
    RepaymentError,
    RepaymentKind,
    RepaymentState,
)
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Sort, Window
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import conditions, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, SortKey, order_by
from payments.store.db.statement import text
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.tables import patients


@dataclass(frozen=True, slots=True)
class RepaymentFilter:
    """The filter of refunds and returned payments. A field that is None selects all."""

    scope: Scope = EVERYTHING
    patient: str | None = None
    kind: RepaymentKind | None = None
    state: RepaymentState | None = None


class RepaymentPlace(NamedTuple):
    """The account and the clinic of a refund, and the payment that it pays back.

    `line_ref` is the row id of a line and `paid_entry_ref` that of a manual entry. Both are None for the account's
    credit. `charge_type` and `date_of_service` are those of the payment.
    """

    company_id: str
    clinic_id: str
    patient_id: str
    charge_type: ChargeType
    date_of_service: date | None = None
    line_ref: int | None = None
    paid_entry_ref: int | None = None


class StoredRepayment(NamedTuple):
    """A refund or a returned payment as it is stored.

    `entry_ref` is the id of the entry that it posted. `linked_line_ref` is the line that the repaid manual entry is
    linked to. `method` is how the money is paid back. `reference` and `deposit_date` are those of the entry.
    """

    id: int
    place: RepaymentPlace
    draft: RepaymentDraft
    method: Method
    decisions: Decisions
    request_hash: bytes
    entry_ref: int | None
    linked_line_ref: int | None
    reference: str | None
    deposit_date: date | None

    @property
    def source(self) -> SourceId | None:
        """The source of the money that is paid back, None for the account's credit."""
        line_ref = self.place.line_ref or self.linked_line_ref
        if line_ref is not None:
            return line_ref
        return None if self.place.paid_entry_ref is None else EntrySource(self.place.paid_entry_ref)

    @property
    def as_refund(self) -> RefundInBilling:
        """The refund as it is compared with those of the EMR."""
        account = (self.place.company_id, self.place.patient_id)
        day = self.deposit_date or self.decisions.requested_at.date()
        return RefundInBilling(self.id, account, self.draft.amount, day, self.source)


_DECISIONS = ", ".join(f"repayments.{name}" for name in Decisions.__slots__)
_FIELDS = (
    "repayments.id, repayments.company_id, repayments.clinic_id, repayments.patient_id, repayments.charge_type, "
    "repayments.date_of_service, repayments.line_ref, paid_entry_ref, repayments.kind, repayments.amount, "
    "repayments.reason, repayments.method, fee, request_hash, repayments.entry_ref, link.line_ref AS linked_line_ref, "
    f"posted.reference, posted.deposit_date, {_DECISIONS}"
)
_FROM = (
    "FROM repayments LEFT JOIN entry_links AS link ON link.company_id = repayments.company_id "
    "AND link.entry_ref = repayments.paid_entry_ref AND link.ended_at IS NULL "
    "LEFT JOIN entries AS posted ON posted.company_id = repayments.company_id AND posted.id = repayments.entry_ref"
)
NEWEST_FIRST = Sort("id", is_descending=True)
SORTS = {NEWEST_FIRST.column: (SortKey("repayments.id", "bigint"),)}
"""The sort keys of each column by which the list can be sorted."""
_NOT_VOIDED = "repayments.voided_at IS NULL"
_STATES = {
    RepaymentState.REQUESTED: f"{_NOT_VOIDED} AND repayments.issued_at IS NULL AND repayments.approved_at IS NULL",
    RepaymentState.APPROVED: f"{_NOT_VOIDED} AND repayments.issued_at IS NULL AND repayments.approved_at IS NOT NULL",
    RepaymentState.ISSUED: f"{_NOT_VOIDED} AND repayments.issued_at IS NOT NULL",
    RepaymentState.VOIDED: "repayments.voided_at IS NOT NULL",
}


def find(tx: Transaction, repayment_id: int, scope: Scope = EVERYTHING) -> StoredRepayment:
    """Return a refund. Raises RepaymentError if there is none with this id in the scope."""
    query = f"SELECT {_FIELDS} {_FROM} WHERE repayments.id = :id{in_scope(scope, 'repayments')}"
    row = tx.execute(text(query), {"id": repayment_id, **scope_parameters(scope)}).one_or_none()
    if row is None:
        raise RepaymentError(f"there is no refund {repayment_id}")
    return _stored(row)


def find_requested(tx: Transaction, company_id: str, key: str) -> StoredRepayment | None:
    """Return the refund that the request with this key has made, or None."""
    query = f"SELECT {_FIELDS} {_FROM} WHERE repayments.company_id = :company_id AND request_key = :key"
    row = tx.execute(text(query), {"company_id": company_id, "key": key}).one_or_none()
    return _stored(row) if row else None


def of_accounts(tx: Transaction, keys: Iterable[PatientKey]) -> list[StoredRepayment]:
    """Return all refunds of these accounts, newest first."""
    rows = patient_rows(keys)
    if not rows:
        return []
    accounts = unnest_item(patients, PATIENT_KEY_COLUMNS)
    query = (
        f"SELECT {_FIELDS} {_FROM} JOIN {accounts} "
        "ON repayments.company_id = new.company_id AND repayments.patient_id = new.patient_id "
        "ORDER BY repayments.id DESC"
    )
    return [_stored(row) for row in tx.execute(text(query), column_arrays(rows, PATIENT_KEY_COLUMNS))]


def read(tx: Transaction, chosen: RepaymentFilter) -> list[StoredRepayment]:
    """Return the refunds that a filter selects, newest first."""
    newest_first = order_by(SORTS[NEWEST_FIRST.column], NEWEST_FIRST)
    query = f"SELECT {_FIELDS} {_FROM} {_where(chosen)} {newest_first}"
    return [_stored(row) for row in tx.execute(text(query), _parameters(chosen))]


def read_page(tx: Transaction, chosen: RepaymentFilter, window: Window) -> list[PositionedRow[StoredRepayment]]:
    """Return the refunds of a page, newest first."""
    keyset = Keyset(SORTS[NEWEST_FIRST.column], NEWEST_FIRST.is_descending, window)
    query = f"SELECT {_FIELDS} {_FROM} {_where(chosen)}{keyset.condition} {keyset.order_by}"
    found = tx.execute(text(query), _parameters(chosen) | keyset.parameters)
    return keyset.in_order(PositionedRow((row.id,), _stored(row)) for row in found)


def _where(chosen: RepaymentFilter) -> str:
    limits = conditions(chosen, {"patient": "repayments.patient_id = :patient", "kind": "repayments.kind = :kind"})
    of_state = f" AND {_STATES[chosen.state]}" if chosen.state else ""
    return f"WHERE true{limits}{of_state}{in_scope(chosen.scope, 'repayments')}"


def _parameters(chosen: RepaymentFilter) -> dict[str, object]:
    return {"patient": chosen.patient, "kind": chosen.kind, **scope_parameters(chosen.scope)}


def active_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of a refund that pays a manual entry back and is not voided, or None."""
    query = (
        "SELECT min(id) FROM repayments "
        "WHERE company_id = :company_id AND paid_entry_ref = :entry_id AND voided_at IS NULL"
    )
    found: int | None = tx.execute(text(query), {"company_id": company_id, "entry_id": entry_id}).scalar_one()
    return found


def id_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of the refund that posted an entry, or None."""
    query = "SELECT id FROM repayments WHERE company_id = :company_id AND entry_ref = :entry_id"
    found: int | None = tx.execute(text(query), {"company_id": company_id, "entry_id": entry_id}).scalar_one_or_none()
    return found


def _stored(row: Any) -> StoredRepayment:
    place = RepaymentPlace(
        row.company_id,
        row.clinic_id,
        row.patient_id,
        ChargeType(row.charge_type),
        row.date_of_service,
        row.line_ref,
        row.paid_entry_ref,
    )
    fee = None if row.fee is None else Money(row.fee)
    method = Method(row.method)
    return StoredRepayment(
        id=row.id,
        place=place,
        draft=RepaymentDraft(RepaymentKind(row.kind), Money(row.amount), row.reason, method, fee),
        method=method,
        decisions=Decisions(**{name: getattr(row, name) for name in Decisions.__slots__}),
        request_hash=bytes(row.request_hash),
        entry_ref=row.entry_ref,
        linked_line_ref=row.linked_line_ref,
        reference=row.reference,
        deposit_date=row.deposit_date,
    )
