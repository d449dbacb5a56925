"""The Patient Payment Log: one row an entry of the ledger, and its sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from sqlalchemy import CursorResult

from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import conditions, parameters_of
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class GroupBy(StrEnum):
    """The columns by which the Patient Payment Log can be summed."""

    CHARGE_TYPE = "charge_type"
    DEPOSIT_DATE = "deposit_date"
    METHOD = "method"
    CLINIC = "clinic"
    USER = "user"


class LogOrder(Enum):
    """Order of the log: by deposit date, charge type and amount, or newest deposit first."""

    DEPOSIT = "deposit_date, entries.charge_type, amount, entries.id"
    NEWEST = "deposit_date DESC, entries.id DESC"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Filter of the Patient Payment Log; a field that is None does not restrict it.

    `since` and `until` are inclusive deposit dates. `as_of` reads the log as it was at that moment.
    """

    patient_id: str | None = None
    since: date | None = None
    until: date | None = None
    user: str | None = None
    as_of: datetime | None = None
    charge_type: str | None = None
    method: str | None = None
    kind: str | None = None
    clinics: Sequence[str] | None = None
    company_id: str | None = None


class LogCursor(NamedTuple):
    """Position of an entry in the order NEWEST: its deposit date and id."""

    deposit_date: date
    id: int


class LogRow(NamedTuple):
    """An entry of the ledger as the Patient Payment Log shows it; amounts in dollars."""

    payment: str | None
    patient: str
    charge_type: str
    amount: Money
    method: str
    deposit_date: date
    posting_date: date
    kind: str
    user: str
    unassigned: Money


class PositionedLogRow(NamedTuple):
    """A row of the log and its cursor."""

    cursor: LogCursor
    row: LogRow


@dataclass(frozen=True, slots=True)
class LogSum:
    """Number of entries with the same value in the grouping column, and their sum in dollars."""

    key: str
    count: int
    total: Money


# The part of a line that is not applied to a charge appears on the patient's newest entries of the line, because the
# oldest money is applied first (rule D8).
_UNASSIGNED = """
LEFT JOIN LATERAL (
    SELECT coalesce((SELECT sum(amount) FROM entries AS own
            WHERE own.line_ref = entries.line_ref AND own.patient_id = entries.patient_id), entries.amount)
            - coalesce((SELECT sum(amount) FROM allocations
                WHERE allocations.line_ref = entries.line_ref AND allocations.patient_id = entries.patient_id), 0.00)
            AS left_over,
        coalesce((SELECT sum(amount) FROM entries AS later
            WHERE later.line_ref = entries.line_ref AND later.patient_id = entries.patient_id
            AND later.id > entries.id AND sign(later.amount) = sign(entries.amount)), 0.00) AS later
) AS of_line ON true
"""
_UNASSIGNED_SHARE = """
CASE WHEN sign(left_over) <> sign(amount) THEN 0.00
    WHEN amount > 0 THEN greatest(0.00, least(amount, left_over - later))
    ELSE least(0.00, greatest(amount, left_over - later))
END
"""
_SQL_OF_COLUMNS = {
    "payment": "lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id",
    "patient": "entries.patient_id",
    "charge_type": "entries.charge_type",
    "amount": "amount",
    "method": "entries.method",
    "deposit_date": "deposit_date",
    "posting_date": "posting_date",
    "kind": "kind",
    "user": "entered_by",
    "unassigned": _UNASSIGNED_SHARE,
}
_COLUMNS = ", ".join(_SQL_OF_COLUMNS[name] for name in LogRow._fields)
_SQL_OF_GROUPS = {
    GroupBy.CHARGE_TYPE: "entries.charge_type",
    GroupBy.DEPOSIT_DATE: "deposit_date::text",
    GroupBy.METHOD: "entries.method",
    GroupBy.CLINIC: "entries.clinic_id",
    GroupBy.USER: "entered_by",
}


def read(tx: Transaction, log_filter: LogFilter, order: LogOrder = LogOrder.DEPOSIT) -> list[LogRow]:
    """Return all entries that match, in this order."""
    entries = f"SELECT * FROM entries {_where(log_filter)}"
    found = _execute(tx, log_filter, f"SELECT {_COLUMNS} {_from(entries)} ORDER BY {order.value}")
    return [LogRow._make(row) for row in found]


def read_page(tx: Transaction, log_filter: LogFilter, after: LogCursor | None, limit: int) -> list[PositionedLogRow]:
    """Return up to `limit` entries after a cursor, newest deposit first."""
    position = "AND (deposit_date, entries.id) < (:after_day, :after_id)" if after else ""
    newest = "ORDER BY deposit_date DESC, id DESC LIMIT :limit"
    entries = f"SELECT * FROM entries {_where(log_filter)} {position} {newest}"
    if log_filter.clinics is not None:
        # The newest entries of each clinic, by the index of that clinic.
        where = _where(replace(log_filter, clinics=None))
        own = f"SELECT * FROM entries {where} {position} AND entries.clinic_id = seen.clinic {newest}"
        each = f"unnest(CAST(:clinics AS text[])) AS seen(clinic), LATERAL ({own}) AS own"
        entries = f"SELECT own.* FROM {each} {newest}"
    query = f"SELECT deposit_date, entries.id, {_COLUMNS} {_from(entries)} ORDER BY {LogOrder.NEWEST.value}"
    page = {"limit": limit} | ({"after_day": after.deposit_date, "after_id": after.id} if after else {})
    found = _execute(tx, log_filter, query, page)
    return [PositionedLogRow(LogCursor._make(row[:2]), LogRow._make(row[2:])) for row in found]


def count(tx: Transaction, log_filter: LogFilter, limit: int) -> int:
    """Count the entries that match, up to `limit`."""
    counted = f"SELECT count(*) FROM (SELECT 1 FROM entries {_where(log_filter)} LIMIT :limit) AS first_ones"
    return int(_execute(tx, log_filter, counted, {"limit": limit}).scalar_one())


def sums(tx: Transaction, log_filter: LogFilter, group_by: GroupBy) -> list[LogSum]:
    """Group the matching entries by a column. Return the totals, sorted by that column."""
    group = _SQL_OF_GROUPS[group_by]
    totals = f"SELECT {group} AS key, count(*) AS count, sum(amount) AS total"
    found = _execute(tx, log_filter, f"{totals} FROM entries {_where(log_filter)} GROUP BY 1 ORDER BY 1")
    return [LogSum(**row) for row in found.mappings()]


def _from(entries: str) -> str:
    return f"FROM ({entries}) AS entries LEFT JOIN lines ON lines.id = entries.line_ref {_UNASSIGNED}"


def _where(log_filter: LogFilter) -> str:
    sql_by_field = {
        "patient_id": "entries.patient_id = :patient_id",
        "since": "deposit_date >= :since",
        "until": "deposit_date <= :until",
        "user": "entered_by = :user",
        "charge_type": "entries.charge_type = :charge_type",
        "method": "entries.method = :method",
        "kind": "kind = :kind",
        "clinics": "entries.clinic_id = ANY(:clinics)",
        "company_id": "entries.company_id = :company_id",
    }
    return f"WHERE true{conditions(log_filter, sql_by_field)}"


def _execute(
    tx: Transaction, log_filter: LogFilter, query: str, more: Mapping[str, object] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    statement = as_of_query(log_filter.as_of, "entries allocations lines", query)
    return tx.execute(text(statement), parameters_of(log_filter) | dict(more or {}))
