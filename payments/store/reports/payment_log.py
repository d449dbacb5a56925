"""The Patient Payment Log: one row per ledger entry, and sums by a column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, Row

from payments.contract.money import Money
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Sort, Window
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import conditions, in_scope, parameters_of, rows_of_each_clinic
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, SortKey, order_by
from payments.store.db.line_entries import IS_OF_DEPOSIT
from payments.store.db.patient_names import join_names
from payments.store.db.printed_key import printed_clinic
from payments.store.db.statement import text
from payments.store.db.streaming import read_batches
from payments.store.reports import payment_log_details
from payments.store.reports.applied_amounts import AppliedRow
from payments.store.reports.summary import Summary, first_rows, read_summary


class GroupBy(StrEnum):
    """The columns by which the Patient Payment Log can be summed."""

    CHARGE_TYPE = "charge_type"
    DEPOSIT_DATE = "deposit_date"
    METHOD = "method"
    CLINIC = "clinic"
    USER = "user"


@dataclass(frozen=True, slots=True)
class PaymentLogFilter:
    """Filter of the Patient Payment Log. A field that is None does not restrict it.

    `since` and `until` are inclusive deposit dates. `as_of` is a moment: the log is read as it was then. With
    `only_deposits`, refunds, returned payments and transfers are omitted.
    """

    patient_id: str | None = None
    since: date | None = None
    until: date | None = None
    user: str | None = None
    as_of: datetime | None = None
    charge_type: str | None = None
    method: str | None = None
    kind: str | None = None
    scope: Scope = EVERYTHING
    company_id: str | None = None
    only_deposits: bool = False


class PaymentLogRow(NamedTuple):
    """An entry of the ledger as the Patient Payment Log shows it. Amounts are in dollars.

    `patient_name` is the current name of the patient, None if the EMR has not sent it. `reference` is the check number,
    if the EMR sent one. `entry` is the id of the entry. If it reverses another entry, `reverses` is the id of that one.
    `reason` is the reason that the user gave for a reversal or a manual entry.
    """

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
    company: str
    patient_name: str | None
    clinic: str
    reference: str | None
    entry: int
    reverses: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PaymentLogSum:
    """The number of entries with the same value in the grouping column, and their sum in dollars."""

    key: str
    count: int
    total: Money


BY_DEPOSIT_DATE = "deposit_date"
NEWEST_FIRST = Sort(BY_DEPOSIT_DATE, is_descending=True)
_UNIQUE_SORT_KEY = SortKey("entries.id", "bigint")
SORTS = {
    BY_DEPOSIT_DATE: (SortKey("deposit_date", "date"), _UNIQUE_SORT_KEY),
    "posting_date": (SortKey("posting_date", "date"), _UNIQUE_SORT_KEY),
    "amount": (SortKey("amount", "numeric"), _UNIQUE_SORT_KEY),
    "patient": (SortKey.of_nullable("patient_name", "text"), SortKey("entries.patient_id", "text"), _UNIQUE_SORT_KEY),
    "user": (SortKey("entered_by", "text"), _UNIQUE_SORT_KEY),
    "clinic": (SortKey("clinic_id", "text"), _UNIQUE_SORT_KEY),
    "company": (SortKey("company_id", "text"), _UNIQUE_SORT_KEY),
    "reference": (SortKey.of_nullable("reference", "text"), _UNIQUE_SORT_KEY),
} | {name: (SortKey(name, "text"), _UNIQUE_SORT_KEY) for name in ("charge_type", "method", "kind")}
"""The sort keys of each column by which the log can be sorted. Only the order BY_DEPOSIT_DATE has indexes."""
_ENTRY_COLUMNS = (
    "id, line_ref, patient_id, charge_type, amount, method, deposit_date, posting_date, kind, entered_by, company_id, "
    "clinic_id, reference, reverses, reason"
)
_JOIN_NAMES = join_names("entries")
_SHOWN_SLICE = slice(2, 10)
"""The columns of `_ENTRY_COLUMNS` that a PaymentLogRow shows unchanged: from `patient_id` to `entered_by`."""
_EXPRESSION_BY_GROUP = {
    GroupBy.CHARGE_TYPE: "entries.charge_type",
    GroupBy.DEPOSIT_DATE: "deposit_date::text",
    GroupBy.METHOD: "entries.method",
    GroupBy.USER: "entered_by",
}


def stream(tx: Transaction, log_filter: PaymentLogFilter, sort: Sort | None = None) -> Iterator[PaymentLogRow]:
    """Yield all matching entries, in the order of a column.

    Without `sort`, sort by deposit date, charge type and amount.
    """
    for entries in _batches(tx, log_filter, sort):
        yield from _rows(entries, _details(tx, log_filter, entries))


def stream_applied(
    tx: Transaction, log_filter: PaymentLogFilter, sort: Sort | None = None
) -> Iterator[tuple[PaymentLogRow, Sequence[AppliedRow]]]:
    """Yield the matching entries in the order of `stream`, each with the applied amounts of its line.

    Only amounts that are applied to charges of the entry's patient are included.
    """
    for entries in _batches(tx, log_filter, sort):
        details = _details(tx, log_filter, entries)
        applied = payment_log_details.load_applied(tx, entries, details, log_filter.as_of)
        yield from zip(_rows(entries, details), applied, strict=True)


def read_page(
    tx: Transaction, log_filter: PaymentLogFilter, window: Window, sort: Sort = NEWEST_FIRST
) -> list[PositionedRow[PaymentLogRow]]:
    """Return the rows of a page. The query reads all matching entries, unless they are sorted by BY_DEPOSIT_DATE."""
    keyset = Keyset(SORTS[sort.column], sort.is_descending, window)
    fields = f"{_ENTRY_COLUMNS}, patient_name, {keyset.columns}"
    if sort.column != BY_DEPOSIT_DATE:
        query = f"SELECT {fields} FROM entries {_JOIN_NAMES} {_where(log_filter)}{keyset.condition} {keyset.order_by}"
    else:
        where = f"true{_conditions(log_filter)}{keyset.condition}"
        rows = f"SELECT * FROM entries WHERE {where} {keyset.order_by}"
        if log_filter.scope != EVERYTHING:
            each = rows_of_each_clinic(log_filter.scope, "entries", f"{where} {keyset.order_by}")
            rows = f"SELECT * FROM ({each}) AS entries {keyset.order_by}"
        query = f"SELECT {fields} FROM ({rows}) AS entries {_JOIN_NAMES} {keyset.order_by}"
    entries = keyset.in_order(_execute(tx, log_filter, query, keyset.parameters))
    positions = (tuple(each[-len(keyset.keys) :]) for each in entries)
    return [*map(PositionedRow, positions, _rows(entries, _details(tx, log_filter, entries)))]


def summarize(tx: Transaction, log_filter: PaymentLogFilter, limit: int | None = None) -> Summary:
    """Count the matching entries and add up their amounts. With `limit`, stop after that many entries."""
    first = f"SELECT amount FROM entries {_where(log_filter)} {first_rows(limit)}"
    query = f"SELECT count(*) AS count, coalesce(sum(amount), 0.00) AS total FROM ({first}) AS first_ones"
    return read_summary(tx, _as_of(log_filter, query), parameters_of(log_filter), limit)


def sums(tx: Transaction, log_filter: PaymentLogFilter, group_by: GroupBy) -> list[PaymentLogSum]:
    """Return the sums of the matching entries by a column, sorted by that column."""
    is_by_clinic = group_by is GroupBy.CLINIC
    group = printed_clinic(log_filter.scope, "entries") if is_by_clinic else _EXPRESSION_BY_GROUP[group_by]
    totals = f"SELECT {group} AS key, count(*) AS count, sum(amount) AS total"
    found = _execute(tx, log_filter, f"{totals} FROM entries {_where(log_filter)} GROUP BY 1 ORDER BY 1")
    return [PaymentLogSum(**row) for row in found.mappings()]


def _batches(tx: Transaction, log_filter: PaymentLogFilter, sort: Sort | None) -> Iterator[Sequence[Row[Any]]]:
    order = order_by(SORTS[sort.column], sort) if sort else "ORDER BY deposit_date, charge_type, amount, id"
    query = f"SELECT {_ENTRY_COLUMNS}, patient_name FROM entries {_JOIN_NAMES} {_where(log_filter)} {order}"
    is_selective = log_filter.patient_id is not None
    return read_batches(tx, _as_of(log_filter, query), parameters_of(log_filter), is_selective=is_selective)


def _rows(
    entries: Sequence[Row[Any]], details: Mapping[int, payment_log_details.EntryDetails]
) -> Iterator[PaymentLogRow]:
    for entry in entries:
        found = details[entry.id]
        of_account = (entry.company_id, entry.patient_name, entry.clinic_id, entry.reference)
        of_entry = (entry.id, entry.reverses, entry.reason or None)
        yield PaymentLogRow._make((found.payment, *entry[_SHOWN_SLICE], found.unassigned, *of_account, *of_entry))


def _details(
    tx: Transaction, log_filter: PaymentLogFilter, entries: Sequence[Row[Any]]
) -> dict[int, payment_log_details.EntryDetails]:
    return payment_log_details.load(tx, entries, log_filter.scope, log_filter.as_of)


def _where(log_filter: PaymentLogFilter) -> str:
    return f"WHERE true{_conditions(log_filter)}{in_scope(log_filter.scope, 'entries')}"


def _conditions(log_filter: PaymentLogFilter) -> str:
    """Return the conditions on `entries`, each preceded by AND, without the conditions of the scope."""
    sql_by_field = {
        "patient_id": "entries.patient_id = :patient_id",
        "since": "deposit_date >= :since",
        "until": "deposit_date <= :until",
        "user": "entered_by = :user",
        "charge_type": "entries.charge_type = :charge_type",
        "method": "entries.method = :method",
        "kind": "kind = :kind",
        "company_id": "entries.company_id = :company_id",
    }
    of_deposits = f" AND {IS_OF_DEPOSIT}" if log_filter.only_deposits else ""
    return f"{conditions(log_filter, sql_by_field)}{of_deposits}"


def _execute(
    tx: Transaction, log_filter: PaymentLogFilter, query: str, more: Mapping[str, object] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    return tx.execute(text(_as_of(log_filter, query)), parameters_of(log_filter) | dict(more or {}))


def _as_of(log_filter: PaymentLogFilter, query: str) -> str:
    # The key of a line never changes, so the line is read as it is now.
    return as_of_query(log_filter.as_of, "entries allocations", query)
