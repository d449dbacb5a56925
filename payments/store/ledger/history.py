"""The history of payments: attempts, requeues and decisions, with the worker or the user. Rows are only inserted."""

import json
import operator
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from payments.core.history import HistoryCode, Params
from payments.store.db.bulk import FEW_ROWS, append, append_few
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import history

_COLUMNS = "at what company_id line_ref set_aside_ref entry_id version detail who duration_ms error params".split()
_EVENT_FIELDS = "at code company_id line_ref dead_letter_id entry_id version detail who duration_ms error".split()
_field_values = attrgetter(*_EVENT_FIELDS)
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class HistoryEvent(NamedTuple):
    """One event in the history of a payment. `who` is a worker, or the user who caused it.

    The event refers to a line (`line_ref`, its row id), to a dead letter, or only to a stream entry (`entry_id`). An
    event in the life of an exception also has `finding_ref`, the row id of the exception. `params` are the values that
    belong to the code (see HistoryCode). `detail` is a text that a user entered.
    """

    at: datetime
    code: HistoryCode
    who: str
    company_id: str | None
    params: Params | None = None
    detail: str = ""
    line_ref: int | None = None
    dead_letter_id: int | None = None
    entry_id: str | None = None
    version: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    finding_ref: int | None = None


def add(tx: Transaction, history_events: Sequence[HistoryEvent]) -> None:
    """Insert history events."""
    if not history_events:
        return
    are_few, columns = len(history_events) <= FEW_ROWS, _COLUMNS
    convert = _or_none if are_few else _to_json
    rows: Iterable[tuple[object, ...]] = ((*_field_values(each), convert(each.params)) for each in history_events)
    if any(each.finding_ref for each in history_events):  # an import writes no more columns than it needs
        columns = [*_COLUMNS, "finding_ref"]
        rows = map(operator.add, rows, ((each.finding_ref,) for each in history_events))
    (append_few if are_few else append)(tx, history, columns, rows)


def last_errors(tx: Transaction, entry_ids: Sequence[str]) -> dict[str, str]:
    """Return the error of the last failed attempt at each stream entry, by entry id.

    Only attempts whose history event refers to the stream entry alone, not to a line or a dead letter, are considered.
    """
    found = tx.execute(
        text(
            "SELECT DISTINCT ON (entry_id) entry_id, error FROM history "
            "WHERE entry_id = ANY(:ids) AND line_ref IS NULL AND set_aside_ref IS NULL AND error IS NOT NULL "
            "ORDER BY entry_id, id DESC"
        ),
        {"ids": list(entry_ids)},
    )
    return {row.entry_id: row.error for row in found}


def _or_none(params: Params | None) -> Params | None:
    return params or None


def _to_json(params: Params | None) -> str | None:
    return _encode(params) if params else None
