"""The ledger: entries are added, never changed."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text

from payments.core.event import LineKey
from payments.core.line import EntryKind, Line, Posting
from payments.store.bulk import arrays, insertion
from payments.store.session import Transaction
from payments.store.tables import entries

_COLUMNS = (
    "line_ref version part kind amount company_id clinic_id patient_id charge_type method provider_id "
    "date_of_service reference deposit_date posting_date posted_at entered_by"
).split()


class NewEntry(NamedTuple):
    """A posting that goes into the ledger: for which line, as which of its entries, on which company day."""

    line: Line
    posting: Posting
    part: int
    posting_date: date


class Stamp(NamedTuple):
    """What entries that are posted together have in common."""

    kind: EntryKind
    user: str
    posted_at: datetime


def post(tx: Transaction, added: Sequence[NewEntry], line_refs: Mapping[LineKey, int], stamp: Stamp) -> None:
    """Add entries to the ledger; `line_refs` names the row of each line.

    The database refuses the whole statement where a deposit date lies in a closed month.
    """
    if not added:
        return
    rows = [
        {
            **new.posting.bearing._asdict(),
            "line_ref": line_refs[new.line.key],
            "version": new.line.version,
            "part": new.part,
            "kind": stamp.kind,
            "amount": new.posting.amount,
            "company_id": new.line.company_id,
            "clinic_id": new.line.key.clinic_id,
            "reference": new.line.content.reference if new.line.content else None,
            "posting_date": new.posting_date,
            "posted_at": stamp.posted_at,
            "entered_by": stamp.user,
        }
        for new in added
    ]
    tx.execute(text(insertion(entries, _COLUMNS)), arrays(rows, _COLUMNS))
