"""The life of one Billing Exception: its events, and the entries that decisions on it posted."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.money import Money
from payments.core.history import EXCEPTION_CODES
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class DecisionEntry(NamedTuple):
    """A ledger entry that a decision on an exception posted. `amount` is in dollars.

    For a reversal, `reverses` is the id of the reversed entry, and `reason` is the user's reason.
    """

    id: int
    amount: Money
    patient: str
    charge_type: str
    method: str
    deposit_date: date
    posting_date: date
    posted_at: datetime
    entered_by: str
    reverses: int | None
    reason: str | None


class LifeEvent(NamedTuple):
    """An event in the life of an exception. `code` is a HistoryCode, and `params` are the values that belong to it."""

    at: datetime
    code: str
    version: int | None
    detail: str
    who: str
    params: dict[str, Any] | None


# Events from before the column `finding_ref` are those of the line between the opening and the end of the exception.
_WANTED_EXCEPTIONS = "(SELECT *, id AS asked_id FROM findings WHERE findings.id = ANY(:ids)) AS asked"
_EVENTS_QUERY = f"""
SELECT history.at, what AS code, history.version, detail, who, params
FROM {_WANTED_EXCEPTIONS} JOIN history ON history.company_id = asked.company_id AND history.line_ref = asked.line_ref
WHERE what = ANY(:codes) AND (finding_ref = asked_id OR finding_ref IS NULL
    AND at >= opened_at AND (ended_at IS NULL OR at <= ended_at))
ORDER BY at, history.id
"""
# Entries from before the column `finding_ref` have the time of the acceptance, or are named by a reversal.
_ENTRIES_QUERY = f"""
SELECT asked_id, own.id, own.amount, own.patient_id AS patient, own.charge_type, own.method, own.deposit_date,
    own.posting_date, own.posted_at, own.entered_by, own.reverses, own.reason
FROM {_WANTED_EXCEPTIONS} JOIN entries AS own ON own.company_id = asked.company_id AND own.line_ref = asked.line_ref
WHERE own.finding_ref = asked_id OR own.finding_ref IS NULL AND (
    asked.status = 'resolved' AND own.posted_at = ended_at AND own.version = asked.version
    OR EXISTS (SELECT FROM entries AS later WHERE later.company_id = asked.company_id
        AND later.line_ref = asked.line_ref AND later.finding_ref = asked_id AND later.reverses = own.id))
ORDER BY own.id
"""


def events(tx: Transaction, finding_id: int) -> list[LifeEvent]:
    """Return the events of an exception, in order."""
    found = tx.execute(text(_EVENTS_QUERY), {"ids": [finding_id], "codes": list(EXCEPTION_CODES)})
    return [LifeEvent(**row) for row in found.mappings()]


def entries(tx: Transaction, finding_ids: Sequence[int]) -> dict[int, list[DecisionEntry]]:
    """Return, by exception id, the entries that accepting the exception posted, and that undoing the acceptance posted.

    The entries of each exception are sorted, oldest first.
    """
    found: dict[int, list[DecisionEntry]] = {finding_id: [] for finding_id in finding_ids}
    for asked_id, *values in tx.execute(text(_ENTRIES_QUERY), {"ids": list(finding_ids)}) if finding_ids else ():
        found[asked_id].append(DecisionEntry(*values))
    return found
