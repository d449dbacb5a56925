"""Ledger entries. They are inserted, and never changed or deleted (rule D1)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.keys import LineKey
from payments.core.line import EntryKind, LedgerPosting, Line
from payments.store.db.bulk import append
from payments.store.db.connection import Transaction
from payments.store.tables import entries

_COLUMNS = (
    "line_ref version part kind amount company_id clinic_id patient_id charge_type method provider_id "
    "date_of_service reference deposit_date posting_date posted_at entered_by"
).split()


class NewEntry(NamedTuple):
    """An entry to insert: its line, the posting, the entry's number within the line, and the posting date."""

    line: Line
    posting: LedgerPosting
    part: int
    posting_date: date


class Stamp(NamedTuple):
    """The fields that all entries of one posting have in common: kind, user and time."""

    kind: EntryKind
    user: str
    posted_at: datetime


def post(tx: Transaction, added: Sequence[NewEntry], line_refs: Mapping[LineKey, int], stamp: Stamp) -> None:
    """Insert entries. `line_refs` maps the key of each line to its row id.

    Raises DBAPIError, and inserts none of them, if a deposit date lies in a closed month: a trigger refuses it
    (rule D7).
    """
    if not added:
        return
    append(tx, entries, _COLUMNS, (_values(new, line_refs[new.line.key], stamp) for new in added))


def _values(new: NewEntry, line_ref: int, stamp: Stamp) -> tuple[object, ...]:
    """Return the values of an entry in the order of `_COLUMNS`."""
    line, (amount, dimensions) = new.line, new.posting
    return (
        line_ref,
        line.version,
        new.part,
        stamp.kind,
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
        stamp.posted_at,
        stamp.user,
    )
