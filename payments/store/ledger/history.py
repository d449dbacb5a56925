"""What happened to each payment, row by row: tries, requeues, and who or which worker it was."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from payments.store.db.bulk import append
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import history

_COLUMNS = "at what line_ref set_aside_ref entry_id version detail who duration_ms error".split()
_FIELDS = "at what line_ref dead_letter_id entry_id version detail who duration_ms error".split()


class HistoryEvent(NamedTuple):
    """One thing that happened to a payment. `who` is a worker, or the person who asked for it."""

    at: datetime
    what: str
    who: str
    detail: str = ""
    line_ref: int | None = None
    dead_letter_id: int | None = None
    entry_id: str | None = None
    version: int | None = None
    duration_ms: int | None = None
    error: str | None = None


def add(tx: Transaction, happened: Sequence[HistoryEvent]) -> None:
    """Write down what happened."""
    if happened:
        append(tx, history, _COLUMNS, map(attrgetter(*_FIELDS), happened))


def last_errors(tx: Transaction, entry_ids: Sequence[str]) -> dict[str, str]:
    """Return, by the stream's entry, the error of the last try that failed before the payment could be read."""
    found = tx.execute(
        text(
            "SELECT DISTINCT ON (entry_id) entry_id, error FROM history "
            "WHERE entry_id = ANY(:ids) AND line_ref IS NULL AND set_aside_ref IS NULL AND error IS NOT NULL "
            "ORDER BY entry_id, id DESC"
        ),
        {"ids": list(entry_ids)},
    )
    return {row.entry_id: row.error for row in found}
