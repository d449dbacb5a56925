"""Read transfers by id, by entry and by filter (rule D8)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.event import Method
from payments.contract.money import Money
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Sort, Window
from payments.core.transfer import TransferError, TransferState
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, SortKey, order_by
from payments.store.db.statement import text


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """The filter of transfers. A field that is None selects all. `patient` is on either side of the transfer."""

    scope: Scope = EVERYTHING
    patient: str | None = None
    state: TransferState | None = None


class StoredTransfer(NamedTuple):
    """A transfer as it is stored.

    `line_ref` is the row id of the line whose money was moved, also if it is that of a manual entry that is linked to
    the line. `moved_entry_ref` is that manual entry. Both are None for an account's credit. `from_entry_ref` is the
    negative entry, `to_entry_ref` the positive one. `is_changed_in_emr` is True if the EMR has deleted the payment
    or moved it to another patient.
    """

    id: int
    company_id: str
    clinic_id: str
    from_patient_id: str
    to_patient_id: str
    amount: Money
    method: Method
    reason: str
    deposit_date: date
    made_at: datetime
    made_by: str
    line_ref: int | None
    moved_entry_ref: int | None
    from_entry_ref: int
    to_entry_ref: int
    undone_at: datetime | None
    undone_by: str | None
    undo_reason: str | None
    is_changed_in_emr: bool
    request_hash: bytes

    @property
    def state(self) -> TransferState:
        """Whether the transfer still counts."""
        return TransferState.POSTED if self.undone_at is None else TransferState.UNDONE


_FIELDS = (
    "transfers.id, transfers.company_id, transfers.clinic_id, from_patient_id, to_patient_id, given.amount, "
    "given.method, given.reason, given.deposit_date, given.posted_at AS made_at, given.entered_by AS made_by, "
    "moved.line_ref, moved_entry_ref, from_entry_ref, to_entry_ref, undone.posted_at AS undone_at, "
    "undone.entered_by AS undone_by, undone.reason AS undo_reason, "
    "coalesce(lines.deleted OR lines.patient_id <> from_patient_id, false) AS is_changed_in_emr, request_hash"
)
TRANSFERS_WITH_ENTRIES = (
    "FROM transfers CROSS JOIN LATERAL (SELECT * FROM entries "
    "WHERE entries.company_id = transfers.company_id AND entries.id = to_entry_ref OFFSET 0) AS given "
    "LEFT JOIN LATERAL (SELECT * FROM entries WHERE entries.company_id = transfers.company_id "
    "AND entries.patient_id = to_patient_id AND entries.reverses = to_entry_ref OFFSET 0) AS undone ON true "
    "LEFT JOIN entry_links AS link ON link.company_id = transfers.company_id AND link.entry_ref = moved_entry_ref "
    "AND link.ended_at IS NULL "
    "CROSS JOIN LATERAL (SELECT coalesce(transfers.line_ref, link.line_ref) AS line_ref OFFSET 0) AS moved "
    "LEFT JOIN LATERAL (SELECT id, deleted, patient_id FROM lines "
    "WHERE lines.company_id = transfers.company_id AND lines.id = moved.line_ref OFFSET 0) AS lines ON true"
)
"""The FROM clause of transfers: `given` is the positive entry, `undone` its reversal, and `lines` the moved payment.

OFFSET 0 makes PostgreSQL read each of these rows through its index, also without statistics.
"""
IS_CONTRADICTED = "undone.id IS NULL AND (lines.deleted OR lines.patient_id <> from_patient_id)"
"""The condition that a transfer still counts, although the EMR has deleted or moved the payment itself."""
_STATES = {TransferState.POSTED: "undone.id IS NULL", TransferState.UNDONE: "undone.id IS NOT NULL"}
_PATIENT = " AND :patient IN (from_patient_id, to_patient_id)"
NEWEST_FIRST = Sort("id", is_descending=True)
SORTS = {NEWEST_FIRST.column: (SortKey("transfers.id", "bigint"),)}
"""The sort keys of each column by which the list can be sorted."""


def find(tx: Transaction, transfer_id: int, scope: Scope = EVERYTHING) -> StoredTransfer:
    """Return a transfer. Raises TransferError if there is none with this id in the scope."""
    query = f"SELECT {_FIELDS} {TRANSFERS_WITH_ENTRIES} WHERE transfers.id = :id{in_scope(scope, 'transfers')}"
    row = tx.execute(text(query), {"id": transfer_id, **scope_parameters(scope)}).one_or_none()
    if row is None:
        raise TransferError(f"there is no transfer {transfer_id}")
    return _stored(row)


def find_requested(tx: Transaction, company_id: str, key: str) -> StoredTransfer | None:
    """Return the transfer that the request with this key has made, or None."""
    query = f"SELECT {_FIELDS} {TRANSFERS_WITH_ENTRIES} WHERE transfers.company_id = :company_id AND request_key = :key"
    row = tx.execute(text(query), {"company_id": company_id, "key": key}).one_or_none()
    return _stored(row) if row else None


def read(tx: Transaction, chosen: TransferFilter) -> list[StoredTransfer]:
    """Return the transfers that a filter selects, newest first."""
    newest_first = order_by(SORTS[NEWEST_FIRST.column], NEWEST_FIRST)
    query = f"SELECT {_FIELDS} {TRANSFERS_WITH_ENTRIES} {_where(chosen)} {newest_first}"
    return [_stored(row) for row in tx.execute(text(query), _parameters(chosen))]


def read_page(tx: Transaction, chosen: TransferFilter, window: Window) -> list[PositionedRow[StoredTransfer]]:
    """Return the transfers of a page, newest first."""
    keyset = Keyset(SORTS[NEWEST_FIRST.column], NEWEST_FIRST.is_descending, window)
    query = f"SELECT {_FIELDS} {TRANSFERS_WITH_ENTRIES} {_where(chosen)}{keyset.condition} {keyset.order_by}"
    found = tx.execute(text(query), _parameters(chosen) | keyset.parameters)
    return keyset.in_order(PositionedRow((row.id,), _stored(row)) for row in found)


def id_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of the transfer that posted an entry, or None."""
    query = "SELECT id FROM transfers WHERE company_id = :company_id AND :entry_id IN (from_entry_ref, to_entry_ref)"
    found: int | None = tx.execute(text(query), {"company_id": company_id, "entry_id": entry_id}).scalar_one_or_none()
    return found


def active_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of a transfer that has moved money of a manual entry and is not undone, or None."""
    query = (
        f"SELECT min(transfers.id) {TRANSFERS_WITH_ENTRIES} "
        "WHERE transfers.company_id = :company_id AND moved_entry_ref = :entry_id "
        f"AND {_STATES[TransferState.POSTED]}"
    )
    found: int | None = tx.execute(text(query), {"company_id": company_id, "entry_id": entry_id}).scalar_one()
    return found


def _where(chosen: TransferFilter) -> str:
    patient = _PATIENT if chosen.patient else ""
    of_state = f" AND {_STATES[chosen.state]}" if chosen.state else ""
    return f"WHERE true{patient}{of_state}{in_scope(chosen.scope, 'transfers')}"


def _parameters(chosen: TransferFilter) -> dict[str, object]:
    return {"patient": chosen.patient, **scope_parameters(chosen.scope)}


def _stored(row: Any) -> StoredTransfer:
    values = {name: getattr(row, name) for name in StoredTransfer._fields}
    values |= {"amount": Money(row.amount), "method": Method(row.method), "request_hash": bytes(row.request_hash)}
    return StoredTransfer(**values)
