"""Ledger entries. They are inserted, and never changed or deleted (rule D1)."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.event import ChargeType, Method
from payments.contract.keys import LineKey
from payments.core.line import EntryDimensions, EntryKind, LedgerPosting, Line
from payments.core.undoing import PostedEntry
from payments.store.db.bulk import FEW_ROWS, append, append_few
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.findings import StoredFinding
from payments.store.tables import entries

_WRITTEN_COLUMNS = (
    "line_ref version part kind amount company_id clinic_id patient_id charge_type method provider_id "
    "date_of_service reference deposit_date posting_date posted_at entered_by"
).split()


class EntryOrigin(NamedTuple):
    """The decision that posts an entry. `finding_ref` is the row id of the exception.

    For a reversal, `reverses` is the row id of the entry that it reverses, and `reason` is the user's reason.
    """

    finding_ref: int
    reverses: int | None = None
    reason: str | None = None


class NewEntry(NamedTuple):
    """An entry to insert: its line, its posting, its number within the line, and its posting date.

    `origin` is set if a decision on an exception posts the entry.
    """

    line: Line
    posting: LedgerPosting
    part: int
    posting_date: date
    origin: EntryOrigin | None = None


class EntryHeader(NamedTuple):
    """The fields that all entries of one decision or import have in common: kind, user and time."""

    kind: EntryKind
    user: str
    posted_at: datetime


def post(tx: Transaction, added: Sequence[NewEntry], line_refs: Mapping[LineKey, int], header: EntryHeader) -> None:
    """Insert entries. Either all entries have an origin, or none. `line_refs` maps the key of each line to its row id.

    Raises DBAPIError if a deposit date lies in a closed month (rule D7). A trigger then refuses all entries. If there
    are at most FEW_ROWS entries, they are sent later, at the latest with the COMMIT. The error is then raised there.
    """
    if not added:
        return
    rows: Iterable[tuple[object, ...]] = (_entry_values(new, line_refs[new.line.key], header) for new in added)
    columns = _WRITTEN_COLUMNS
    if added[0].origin is not None:
        columns = [*_WRITTEN_COLUMNS, *EntryOrigin._fields]
        rows = map(operator.add, rows, (new.origin or () for new in added))
    (append if len(added) > FEW_ROWS else append_few)(tx, entries, columns, rows)


def list_posted_by_acceptance(tx: Transaction, company_id: str, finding: StoredFinding) -> list[PostedEntry]:
    """Return the entries that the acceptance of an exception posted, except reversed ones, oldest first.

    Entries from before the column `finding_ref` existed are found by the version and the time of the acceptance.
    """
    found = tx.execute(
        text(
            f"SELECT id, kind, amount, {', '.join(EntryDimensions._fields)} FROM entries "
            "WHERE company_id = :company_id AND line_ref = :line_ref AND reverses IS NULL "
            "AND (finding_ref = :id OR finding_ref IS NULL AND version = :version AND posted_at = :ended_at) "
            "AND NOT EXISTS (SELECT FROM entries AS later WHERE later.company_id = :company_id "
            "AND later.line_ref = :line_ref AND later.reverses = entries.id) ORDER BY id"
        ),
        {
            "company_id": company_id,
            **{name: getattr(finding, name) for name in ("line_ref", "id", "version", "ended_at")},
        },
    )
    return [PostedEntry(row.id, _to_posting(row), EntryKind(row.kind)) for row in found]


def _to_posting(row: Any) -> LedgerPosting:
    named = {name: getattr(row, name) for name in EntryDimensions._fields}
    named |= {"charge_type": ChargeType(row.charge_type), "method": Method(row.method)}
    return LedgerPosting(row.amount, EntryDimensions(**named))


def _entry_values(new: NewEntry, line_ref: int, header: EntryHeader) -> tuple[object, ...]:
    """Return the values of an entry in the order of `_WRITTEN_COLUMNS`."""
    line, (amount, dimensions) = new.line, new.posting
    return (
        line_ref,
        line.version,
        new.part,
        header.kind,
        amount,
        line.company_id,
        line.key.clinic_id,
        dimensions.patient_id,
        dimensions.charge_type,
        dimensions.method,
        dimensions.provider_id,
        dimensions.date_of_service,
        line.content.reference if line.content else None,
        dimensions.deposit_date,
        new.posting_date,
        header.posted_at,
        header.user,
    )
