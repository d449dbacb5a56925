"""The payments and manual entries whose money refunds, returned payments and transfers take (rule D8)."""

from typing import Any

from payments.core.credit import EntrySource, SourceId
from payments.store.db.bulk import unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK
from payments.store.db.statement import text
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS
from payments.store.tables import patients

_ACCOUNTS = unnest_item(patients, PATIENT_KEY_COLUMNS)
_TAKEN_QUERY = f"""
SELECT entries.posted, coalesce(entries.line_ref, link.line_ref) AS line_ref, entries.id
FROM (
    SELECT repayments.company_id, entry_ref AS posted, line_ref, paid_entry_ref AS id
    FROM repayments JOIN {_ACCOUNTS} USING (company_id, patient_id)
    WHERE entry_ref IS NOT NULL AND num_nonnulls(line_ref, paid_entry_ref) = 1
    UNION ALL
    SELECT transfers.company_id, from_entry_ref, line_ref, moved_entry_ref
    FROM transfers JOIN {_ACCOUNTS}
        ON transfers.company_id = new.company_id AND transfers.from_patient_id = new.patient_id
    WHERE num_nonnulls(line_ref, moved_entry_ref) = 1
) AS entries {ACTIVE_LINK}
"""


def sources_of_taken_money(tx: Transaction, rows: dict[str, list[Any]]) -> dict[SourceId, SourceId]:
    """Return the sources from which refunds and transfers take money, by the source of the negative entry.

    `rows` are the arrays of the accounts' keys. The source of a manual entry that is linked to a line is that line.
    """
    found = tx.execute(text(_TAKEN_QUERY), rows)
    return {EntrySource(row.posted): EntrySource(row.id) if row.line_ref is None else row.line_ref for row in found}
