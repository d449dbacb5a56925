"""The Billing Exceptions, oldest first, and the number of each kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import RowMapping

from payments.contract.money import Money
from payments.core.finding import FindingStatus
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.db.streaming import batches


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Filter of the Billing Exceptions; a field that is None does not restrict them.

    `since` and `until` are inclusive transaction dates. `as_of` reads the exceptions as they were at that moment.
    """

    status: FindingStatus | None = FindingStatus.OPEN
    reason: str | None = None
    case: str | None = None
    scope: Scope = EVERYTHING
    patient: str | None = None
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A row of the Billing Exceptions. Amounts are in dollars.

    An entry of `proposal` has a `patient` only if this patient is not the payment's current patient.
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


@dataclass(frozen=True, slots=True)
class ExceptionCount:
    """Number of exceptions with a reason and case, and the sum of their differences in dollars (EMR less Billing)."""

    reason: str
    case: str | None
    count: int
    difference: Money


# Row versions from before migration 0014 have a sentence only.
_REASON = "coalesce(findings.reason_code, finding_code(findings.reason))"
_JOIN = "JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref"
_ROWS = (
    f"SELECT findings.id, 'Payment' AS type, {_REASON} AS reason, closed_case AS case, "
    "{payment} AS payment, patient_id AS patient, amount_before, "
    "amount_now, amount_now - amount_before AS difference, transaction_date, findings.status, proposal, "
    "lines.company_id AS company, clinic_id AS clinic, charge_type, method, "
    "findings.version, note, opened_at, ended_at, ended_by "
    f"FROM findings {_JOIN} "
)
_PROPOSED = ("amount", "method", "charge_type")


def stream(tx: Transaction, exception_filter: ExceptionFilter) -> Iterator[ExceptionRow]:
    """Yield the exceptions that match, by id."""
    query = f"{_rows(exception_filter.scope)} {_where(exception_filter)} ORDER BY findings.id"
    statement = as_of_query(exception_filter.as_of, "findings lines", query)
    for rows in batches(
        tx, statement, parameters_of(exception_filter), is_selective=exception_filter.patient is not None
    ):
        yield from (_row(row._mapping) for row in rows)


def read_page(tx: Transaction, exception_filter: ExceptionFilter, after: int, limit: int) -> list[ExceptionRow]:
    """Return up to `limit` exceptions that match with an id above `after`, by id."""
    rows = f"{_rows(exception_filter.scope)} {_where(exception_filter)}"
    query = f"{rows} AND findings.id > :after ORDER BY findings.id LIMIT :limit"
    found = tx.execute(
        text(as_of_query(exception_filter.as_of, "findings lines", query)),
        parameters_of(exception_filter) | {"after": after, "limit": limit},
    )
    return [_row(row) for row in found.mappings()]


def read_one(tx: Transaction, finding_id: int, scope: Scope) -> ExceptionRow | None:
    """Return one exception, or None if there is none with this id in the scope."""
    query = f"{_rows(scope)} WHERE findings.id = :id{in_scope(scope, 'lines')}"
    row = tx.execute(text(query), {"id": finding_id, **scope_parameters(scope)}).mappings().one_or_none()
    return _row(row) if row else None


def counts(tx: Transaction, exception_filter: ExceptionFilter) -> list[ExceptionCount]:
    """Return the number of exceptions of each kind, the largest first, then by reason and case."""
    join = _JOIN if _has_line_filter(exception_filter) else ""
    query = (
        f"SELECT {_REASON} AS reason, closed_case AS case, count(*) AS count, "
        "sum(amount_now - amount_before) AS difference "
        f"FROM findings {join} {_where(exception_filter)} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )
    found = tx.execute(
        text(as_of_query(exception_filter.as_of, "findings lines", query)), parameters_of(exception_filter)
    )
    return [ExceptionCount(**row) for row in found.mappings()]


def _rows(scope: Scope) -> str:
    return _ROWS.format(payment=printed_key(scope, "lines"))


def _row(row: RowMapping) -> ExceptionRow:
    return ExceptionRow(**{**row, "proposal": [_proposed(entry, row["patient"]) for entry in row["proposal"]]})


def _proposed(entry: dict[str, str | None], patient_id: str) -> dict[str, str | None]:
    """Return a proposed entry. It has a `patient` only if that differs from the payment's current patient."""
    other = {"patient": entry["patient_id"]} if entry["patient_id"] != patient_id else {}
    return {name: entry[name] for name in _PROPOSED} | other


def _has_line_filter(exception_filter: ExceptionFilter) -> bool:
    return exception_filter.scope != EVERYTHING or any(
        getattr(exception_filter, name) is not None for name in ("patient", "since", "until")
    )


def _where(exception_filter: ExceptionFilter) -> str:
    # The status is written out, because the planner uses a partial index for a literal only. The enum checks it.
    status = f"findings.status = '{FindingStatus(exception_filter.status)}'" if exception_filter.status else ""
    sql_by_field = {
        "status": status,
        "reason": f"{_REASON} = :reason",
        "case": "closed_case = :case",
        "patient": "patient_id = :patient",
        "since": "transaction_date >= :since",
        "until": "transaction_date <= :until",
    }
    return f"WHERE true{conditions(exception_filter, sql_by_field)}{in_scope(exception_filter.scope, 'lines')}"
