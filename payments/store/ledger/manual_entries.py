"""Manual entries of the ledger, and their links to lines (rule D4). Rows are only inserted. A link may be ended."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.event import ChargeType, Method
from payments.contract.keys import LineKey
from payments.contract.money import Money
from payments.core.line import EntryKind
from payments.core.manual_entry import EntryError, EntryPurpose, ManualEntry
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK
from payments.store.db.statement import text
from payments.store.ledger import company_moves
from payments.store.tables import lines


class StoredEntry(NamedTuple):
    """A manual entry as it is stored: its id, its content, and the hash of the request that made it.

    `reverses` is the id of the entry that it reverses, `reversed_by` that of the entry that reverses it. `line_ref` is
    the row id of the line that it is linked to.
    """

    id: int
    content: ManualEntry
    request_hash: bytes
    posted_at: datetime
    entered_by: str
    reverses: int | None
    reversed_by: int | None
    line_ref: int | None


class PostingStamp(NamedTuple):
    """The user who posts an entry, and the time.

    `day` is the posting date, `reverses` the id of the entry to reverse, if any.
    """

    day: date
    at: datetime
    who: str
    reverses: int | None = None


class RequestIdentity(NamedTuple):
    """Identifies a request for an entry: its key, which a repeated request sends again, and a hash of its content."""

    key: str
    hash: bytes


_FIELDS = (
    "entries.id, entries.company_id, clinic_id, entries.patient_id, purpose, amount, deposit_date, method, "
    "charge_type, reference, reason, date_of_service, provider_id, request_hash, posted_at, entered_by, reverses, "
    "(SELECT id FROM entries AS later WHERE later.company_id = entries.company_id "
    "AND later.patient_id = entries.patient_id AND later.reverses = entries.id AND later.line_ref IS NULL) "
    "AS reversed_by, link.line_ref AS linked_to"
)
_FROM = (
    "FROM manual_entries JOIN entries ON entries.company_id = manual_entries.company_id "
    f"AND entries.id = manual_entries.entry_ref {ACTIVE_LINK}"
)
_INSERT_ENTRY = """
INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, provider_id,
    date_of_service, reference, deposit_date, posting_date, posted_at, entered_by, reverses, reason)
VALUES (1, :kind, :amount, :company_id, :clinic_id, :patient_id, :charge_type, :method, :provider_id,
    :date_of_service, :reference, :deposit_date, :day, :at, :who, :reverses, :reason)
RETURNING id
"""


def lock(tx: Transaction, name: str) -> None:
    """Serialize requests for one entry. `name` is the id of the entry, or the key of a new request."""
    acquire_for(tx, AdvisoryLock.MANUAL_ENTRY, name)


def add(tx: Transaction, entry: ManualEntry, request: RequestIdentity, stamp: PostingStamp) -> int:
    """Post a manual entry, and return its id. Raises DBAPIError if its deposit date lies in a closed month (D7)."""
    values = entry._asdict() | stamp._asdict() | {"kind": EntryKind.MANUAL, "reason": entry.reason.strip() or None}
    entry_id = int(tx.execute(text(_INSERT_ENTRY), values).scalar_one())
    tx.execute(
        text(
            "INSERT INTO manual_entries (company_id, entry_ref, purpose, request_key, request_hash) "
            "VALUES (:company_id, :entry_ref, :purpose, :key, :hash)"
        ),
        {
            "company_id": entry.company_id,
            "entry_ref": entry_id,
            "purpose": entry.purpose,
            "key": request.key,
            "hash": request.hash,
        },
    )
    return entry_id


def find_requested(tx: Transaction, company_id: str, key: str) -> StoredEntry | None:
    """Return the manual entry that the request with this key has made, or None."""
    where = "WHERE manual_entries.company_id = :company_id AND request_key = :key"
    return _one(tx, where, {"company_id": company_id, "key": key})


def load(tx: Transaction, entry_id: int, scope: Scope) -> StoredEntry | None:
    """Return a manual entry by its id; None if there is none in the scope."""
    where = f"WHERE manual_entries.entry_ref = :id{in_scope(scope, 'entries')}"
    return _one(tx, where, {"id": entry_id, **scope_parameters(scope)})


def find(tx: Transaction, entry_id: int, scope: Scope = EVERYTHING) -> StoredEntry:
    """Return a manual entry. Raises EntryError if there is none with this id in the scope."""
    found = load(tx, entry_id, scope)
    if found is None:
        raise EntryError(f"there is no manual entry {entry_id}")
    return found


def check_has_not_moved(tx: Transaction, company_id: str) -> None:
    """Raise EntryError if a company has moved to another installation."""
    if not company_moves.has_not_moved(tx, company_id):
        raise EntryError(f"company {company_id} has moved to another installation")


def of_patient(tx: Transaction, patient_id: str, scope: Scope) -> list[StoredEntry]:
    """Return the manual entries of a patient in the scope, newest first."""
    where = "WHERE entries.patient_id = :patient_id"
    found = tx.execute(
        text(f"SELECT {_FIELDS} {_FROM} {where}{in_scope(scope, 'entries')} ORDER BY entries.id DESC"),
        {"patient_id": patient_id, **scope_parameters(scope)},
    )
    return [_stored(row) for row in found]


def link(tx: Transaction, entry: StoredEntry, line_ref: int, finding_ref: int | None, stamp: PostingStamp) -> None:
    """Link an entry to a line that this transaction has locked. Call it only for an entry that has no link."""
    tx.execute(
        text(
            "INSERT INTO entry_links (company_id, entry_ref, line_ref, finding_ref, linked_at, linked_by) "
            "VALUES (:company_id, :entry_ref, :line_ref, :finding_ref, :at, :who)"
        ),
        {
            "company_id": entry.content.company_id,
            "entry_ref": entry.id,
            "line_ref": line_ref,
            "finding_ref": finding_ref,
            "at": stamp.at,
            "who": stamp.who,
        },
    )


def end_link(tx: Transaction, entry: StoredEntry, reason: str, stamp: PostingStamp) -> None:
    """End the link of an entry to its line, which this transaction has locked."""
    tx.execute(
        text(
            "UPDATE entry_links SET ended_at = :at, ended_by = :who, end_reason = :reason "
            "WHERE company_id = :company_id AND entry_ref = :entry_ref AND ended_at IS NULL"
        ),
        {
            "company_id": entry.content.company_id,
            "entry_ref": entry.id,
            "reason": reason,
            "at": stamp.at,
            "who": stamp.who,
        },
    )


def line_ids(tx: Transaction, keys: Iterable[LineKey]) -> list[int]:
    """Return the row ids of the lines that exist under these keys."""
    columns, rows = list(LineKey._fields), [key._asdict() for key in keys]
    query = f"SELECT id FROM lines JOIN {unnest_item(lines, columns)} USING ({', '.join(columns)})"
    return list(tx.execute(text(query), column_arrays(rows, columns)).scalars()) if rows else []


def has_patient(tx: Transaction, company_id: str, patient_id: str) -> bool:
    """Return whether Billing has the patient in this company."""
    query = "SELECT EXISTS (SELECT FROM patients WHERE company_id = :company_id AND patient_id = :patient_id)"
    return bool(tx.execute(text(query), {"company_id": company_id, "patient_id": patient_id}).scalar_one())


def clinic_ids(tx: Transaction, company_id: str) -> list[str]:
    """Return the ids of a company's clinics, sorted."""
    found = tx.execute(
        text("SELECT clinic_id FROM clinics WHERE company_id = :company_id ORDER BY 1"), {"company_id": company_id}
    )
    return list(found.scalars())


def _one(tx: Transaction, where: str, parameters: dict[str, Any]) -> StoredEntry | None:
    row = tx.execute(text(f"SELECT {_FIELDS} {_FROM} {where}"), parameters).one_or_none()
    return _stored(row) if row else None


def _stored(row: Any) -> StoredEntry:
    values = {name: getattr(row, name) for name in ManualEntry._fields} | {
        "purpose": EntryPurpose(row.purpose),
        "amount": Money(row.amount),
        "method": Method(row.method),
        "charge_type": ChargeType(row.charge_type),
        "reason": row.reason or "",
    }
    return StoredEntry(
        id=row.id,
        content=ManualEntry(**values),
        request_hash=row.request_hash,
        posted_at=row.posted_at,
        entered_by=row.entered_by,
        reverses=row.reverses,
        reversed_by=row.reversed_by,
        line_ref=row.linked_to,
    )
