"""The list of Billing Exceptions, and the number of exceptions of each kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from payments.contract.money import Money
from payments.core.finding import FindingStatus
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Sort, Window
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, SortKey, order_by
from payments.store.db.patient_names import join_names
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.db.streaming import read_batches
from payments.store.reports.summary import Summary, first_rows, read_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Filter of the Billing Exceptions. A field that is None does not restrict them.

    `since` and `until` are inclusive transaction dates. `as_of` is a moment: the exceptions are read as they were then.
    `owner` is a user's name. `is_unassigned` selects exceptions without an owner. `overdue_at` selects exceptions that
    are overdue at that moment, in the company's time zone. `has_proposal` selects exceptions with proposed entries if
    it is True, and without proposed entries if it is False.
    """

    status: FindingStatus | None = FindingStatus.OPEN
    reason: str | None = None
    case: str | None = None
    scope: Scope = EVERYTHING
    patient: str | None = None
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None
    owner: str | None = None
    is_unassigned: Literal[True] | None = None
    overdue_at: datetime | None = None
    has_proposal: bool | None = None


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A row of the Billing Exceptions. Amounts are in dollars.

    An entry of `proposal` has a `patient` only if its patient is not the payment's current patient. `patient_name` is
    the current name, None if the EMR has not sent it. `owner` is a user's name. `due_on` is the date by which the
    exception must be decided (rule D6).
    """

    id: int
    type: str
    reason: str
    case: str | None
    payment: str
    patient: str
    amount_before: Money
    amount_now: Money
    difference: Money
    transaction_date: date | None
    status: str
    proposal: list[dict[str, str | None]]
    company: str
    clinic: str
    charge_type: str | None
    method: str | None
    version: int
    note: str
    opened_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    patient_name: str | None
    owner: str | None
    due_on: date


@dataclass(frozen=True, slots=True)
class ExceptionCount:
    """The number of exceptions with a reason and case, and the sum of their differences in dollars."""

    reason: str
    case: str | None
    count: int
    difference: Money


# Row versions from before migration 0014 have a sentence only.
_REASON_CODE = "coalesce(findings.reason_code, finding_code(findings.reason))"
JOIN_LINES = "JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref"
# `due_date` of `payments/core/service_level.py`: Monday has the number 0.
_OPENED_ON = "CAST(opened_at AT TIME ZONE companies.timezone AS date)"
HAS_PROPOSAL = "jsonb_array_length(proposal) > 0"
IS_OVERDUE = "due_on < CAST(CAST(:overdue_at AS timestamptz) AT TIME ZONE companies.timezone AS date)"
JOIN_DUE_DATE = (
    "JOIN companies ON companies.company_id = findings.company_id, "
    f"LATERAL (SELECT {_OPENED_ON} - greatest(CAST(extract(isodow FROM {_OPENED_ON}) AS integer) - 5, 0) AS weekday) "
    "AS opened, LATERAL (SELECT weekday + exception_days + 2 * "
    "((CAST(extract(isodow FROM weekday) AS integer) - 1 + exception_days) / 5) AS due_on) AS due"
)
_ROWS_QUERY = (
    f"SELECT {{positions}}findings.id, 'Payment' AS type, {_REASON_CODE} AS reason, closed_case AS case, "
    "{payment} AS payment, patient_id AS patient, amount_before, "
    "amount_now, amount_now - amount_before AS difference, transaction_date, findings.status, proposal, "
    "lines.company_id AS company, clinic_id AS clinic, charge_type, method, "
    "findings.version, note, opened_at, ended_at, ended_by, patient_name, owner, due_on "
    f"FROM findings {JOIN_LINES} {join_names('lines')} {JOIN_DUE_DATE} "
)
_PROPOSED_FIELDS = ("amount", "method", "charge_type")
BY_ID = "id"
OLDEST_FIRST = Sort(BY_ID)
_UNIQUE_SORT_KEY = SortKey("findings.id", "bigint")
SORTS = {
    BY_ID: (_UNIQUE_SORT_KEY,),
    "amount_before": (SortKey("amount_before", "numeric"), _UNIQUE_SORT_KEY),
    "amount_now": (SortKey("amount_now", "numeric"), _UNIQUE_SORT_KEY),
    "difference": (SortKey("(amount_now - amount_before)", "numeric"), _UNIQUE_SORT_KEY),
    "transaction_date": (SortKey.of_nullable("transaction_date", "date"), _UNIQUE_SORT_KEY),
    "opened_at": (SortKey("opened_at", "timestamptz"), _UNIQUE_SORT_KEY),
    "ended_at": (SortKey.of_nullable("ended_at", "timestamptz"), _UNIQUE_SORT_KEY),
    "reason": (SortKey.of_nullable(_REASON_CODE, "text"), _UNIQUE_SORT_KEY),
    "status": (SortKey("findings.status", "text"), _UNIQUE_SORT_KEY),
    "patient": (SortKey.of_nullable("patient_name", "text"), SortKey("patient_id", "text"), _UNIQUE_SORT_KEY),
    "clinic": (SortKey("clinic_id", "text"), _UNIQUE_SORT_KEY),
    "company": (SortKey("lines.company_id", "text"), _UNIQUE_SORT_KEY),
    "charge_type": (SortKey.of_nullable("charge_type", "text"), _UNIQUE_SORT_KEY),
    "method": (SortKey.of_nullable("method", "text"), _UNIQUE_SORT_KEY),
    "owner": (SortKey.of_nullable("owner", "text"), _UNIQUE_SORT_KEY),
    "due_on": (SortKey("due_on", "date"), _UNIQUE_SORT_KEY),
}
"""The sort keys of each column by which exceptions can be sorted. Only the order BY_ID has an index."""


def stream(tx: Transaction, exception_filter: ExceptionFilter, sort: Sort = OLDEST_FIRST) -> Iterator[ExceptionRow]:
    """Yield the matching exceptions, in the order of a column."""
    query = f"{_select_rows(exception_filter.scope)} {where(exception_filter)} {order_by(SORTS[sort.column], sort)}"
    statement = as_of_query(exception_filter.as_of, "findings lines", query)
    is_selective = sort.column != BY_ID or exception_filter.patient is not None
    for rows in read_batches(tx, statement, parameters_of(exception_filter), is_selective=is_selective):
        yield from (_to_row(row._mapping) for row in rows)


def read_page(
    tx: Transaction, exception_filter: ExceptionFilter, window: Window, sort: Sort = OLDEST_FIRST
) -> list[PositionedRow[ExceptionRow]]:
    """Return the rows of a page. The query reads all matching exceptions, unless they are sorted by BY_ID."""
    keyset = Keyset(SORTS[sort.column], sort.is_descending, window)
    rows = _select_rows(exception_filter.scope, f"{keyset.columns}, ")
    query = f"{rows} {where(exception_filter)}{keyset.condition} {keyset.order_by}"
    found = tx.execute(
        text(as_of_query(exception_filter.as_of, "findings lines", query)),
        parameters_of(exception_filter) | keyset.parameters,
    )
    count = len(keyset.keys)
    return keyset.in_order(_positioned(row, count) for row in found.mappings())


def summarize(tx: Transaction, exception_filter: ExceptionFilter, limit: int | None = None) -> Summary:
    """Count the matching exceptions and add up their differences. With `limit`, stop after that many."""
    matching = f"FROM findings {JOIN_LINES} {_join_due_date(exception_filter)} {where(exception_filter)}"
    first = f"SELECT amount_now - amount_before AS difference {matching} {first_rows(limit)}"
    query = f"SELECT count(*) AS count, coalesce(sum(difference), 0.00) AS total FROM ({first}) AS first_ones"
    statement = as_of_query(exception_filter.as_of, "findings lines", query)
    return read_summary(tx, statement, parameters_of(exception_filter), limit)


def read_one(tx: Transaction, finding_id: int, scope: Scope) -> ExceptionRow | None:
    """Return one exception, or None if there is none with this id in the scope."""
    query = f"{_select_rows(scope)} WHERE findings.id = :id{in_scope(scope, 'lines')}"
    row = tx.execute(text(query), {"id": finding_id, **scope_parameters(scope)}).mappings().one_or_none()
    return _to_row(row) if row else None


def counts(tx: Transaction, exception_filter: ExceptionFilter) -> list[ExceptionCount]:
    """Return the number of exceptions of each reason and case. The largest number comes first."""
    join = finding_joins(exception_filter)
    query = (
        f"SELECT {_REASON_CODE} AS reason, closed_case AS case, count(*) AS count, "
        "sum(amount_now - amount_before) AS difference "
        f"FROM findings {join} {where(exception_filter)} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )
    found = tx.execute(
        text(as_of_query(exception_filter.as_of, "findings lines", query)), parameters_of(exception_filter)
    )
    return [ExceptionCount(**row) for row in found.mappings()]


def _select_rows(scope: Scope, positions: str = "") -> str:
    """Return the query of the rows up to its FROM clause. The columns `positions` precede the others."""
    return _ROWS_QUERY.format(payment=printed_key(scope, "lines"), positions=positions)


def _positioned(row: Mapping[Any, Any], keys: int) -> PositionedRow[ExceptionRow]:
    """Return a row with its position. The first `keys` columns are its sort keys."""
    items = [*row.items()]
    return PositionedRow(tuple(value for _, value in items[:keys]), _to_row(dict(items[keys:])))


def _to_row(row: Mapping[Any, Any]) -> ExceptionRow:
    return ExceptionRow(**{**row, "proposal": [_proposed(entry, row["patient"]) for entry in row["proposal"]]})


def _proposed(entry: dict[str, str | None], patient_id: str) -> dict[str, str | None]:
    """Return a proposed entry. It has a `patient` only if this is not the payment's current patient."""
    other = {"patient": entry["patient_id"]} if entry["patient_id"] != patient_id else {}
    return {name: entry[name] for name in _PROPOSED_FIELDS} | other


def finding_joins(exception_filter: ExceptionFilter) -> str:
    """Return the joins to `findings` that the conditions of a filter need."""
    return f"{JOIN_LINES if _has_line_filter(exception_filter) else ''} {_join_due_date(exception_filter)}"


def _join_due_date(exception_filter: ExceptionFilter) -> str:
    return JOIN_DUE_DATE if exception_filter.overdue_at else ""


def _has_line_filter(exception_filter: ExceptionFilter) -> bool:
    dates = exception_filter.since, exception_filter.until
    return exception_filter.scope != EVERYTHING or any(day is not None for day in dates)


def where(exception_filter: ExceptionFilter) -> str:
    """Return the WHERE clause of a filter, for `findings` with the joins that `finding_joins` returns."""
    # The status is written out, because the planner uses a partial index for a literal only. The enum checks it.
    status = f"findings.status = '{FindingStatus(exception_filter.status)}'" if exception_filter.status else ""
    # OFFSET lets PostgreSQL look up the patient's lines once. Without statistics it would do so for each exception.
    of_patient = (
        f"SELECT company_id, id FROM lines WHERE patient_id = :patient{in_scope(exception_filter.scope, 'lines')}"
    )
    sql_by_field = {
        "status": status,
        "reason": f"{_REASON_CODE} = :reason",
        "case": "closed_case = :case",
        "patient": f"(findings.company_id, line_ref) IN ({of_patient} OFFSET 0)",
        "since": "transaction_date >= :since",
        "until": "transaction_date <= :until",
        "owner": "owner = :owner",
        "is_unassigned": "owner IS NULL",
        "overdue_at": IS_OVERDUE,
        "has_proposal": f"({HAS_PROPOSAL}) = :has_proposal",
    }
    return f"WHERE true{conditions(exception_filter, sql_by_field)}{in_scope(exception_filter.scope, 'lines')}"
