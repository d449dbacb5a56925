"""What people read of the ledger and of the life of one payment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import CursorResult

from payments.contract.event import LineKey
from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import conditions, parameters_of
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class GroupBy(StrEnum):
    """What the Patient Payment Log can be summed by."""

    CHARGE_TYPE = "charge_type"
    DEPOSIT_DATE = "deposit_date"
    METHOD = "method"
    CLINIC = "clinic"
    USER = "user"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of the Patient Payment Log; None leaves it open.

    Deposit dates are inclusive; `as_of` is a moment: the log as it was known then.
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


@dataclass(frozen=True, slots=True)
class LogSum:
    """Entries that share a key, their number and their sum in dollars."""

    key: str
    count: int
    total: Money


class TimelineRow(NamedTuple):
    """One thing that happened to a payment."""

    at: datetime
    what: str
    version: int | None
    detail: str
    who: str
    duration_ms: int | None
    error: str | None


# What of a line is not applied to a charge is shown on the patient's newest entries of it: the oldest money is spent
# first.
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
_SHARE = """
CASE WHEN sign(left_over) <> sign(amount) THEN 0.00
    WHEN amount > 0 THEN greatest(0.00, least(amount, left_over - later))
    ELSE least(0.00, greatest(amount, left_over - later))
END
"""
_FROM = "FROM entries LEFT JOIN lines ON lines.id = entries.line_ref"
_GROUPS = {
    GroupBy.CHARGE_TYPE: "entries.charge_type",
    GroupBy.DEPOSIT_DATE: "deposit_date::text",
    GroupBy.METHOD: "entries.method",
    GroupBy.CLINIC: "entries.clinic_id",
    GroupBy.USER: "entered_by",
}


def payment_log(tx: Transaction, query: LogQuery) -> list[LogRow]:
    """Return the entries of the ledger by deposit date, charge type and amount."""
    found = _asked(
        tx,
        query,
        "SELECT lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, entries.patient_id, "
        f"entries.charge_type, amount, entries.method, deposit_date, posting_date, kind, entered_by, {_SHARE} "
        f"{_FROM} {_UNASSIGNED} {_where(query)} ORDER BY deposit_date, entries.charge_type, amount, entries.id",
    )
    return [LogRow(*row) for row in found]


def payment_log_page(
    tx: Transaction, query: LogQuery, after: tuple[date, int] | None, limit: int
) -> list[tuple[int, LogRow]]:
    """Return up to `limit` entries with their numbers, the newest deposit first, that come after (date, number)."""
    place = "AND (deposit_date, entries.id) < (:after_day, :after_number)" if after else ""
    newest = "ORDER BY deposit_date DESC, id DESC LIMIT :limit"
    chosen = f"SELECT * FROM entries {_where(query)} {place} {newest}"
    if query.clinics is not None:
        # The newest of each clinic, by its index.
        where = _where(replace(query, clinics=None))
        own = f"SELECT * FROM entries {where} {place} AND entries.clinic_id = seen.clinic {newest}"
        each = f"unnest(CAST(:clinics AS text[])) AS seen(clinic), LATERAL ({own}) AS own"
        chosen = f"SELECT own.* FROM {each} {newest}"
    found = _asked(
        tx,
        query,
        "SELECT entries.id, lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, "
        "entries.patient_id, entries.charge_type, amount, entries.method, deposit_date, posting_date, kind, "
        f"entered_by, {_SHARE} FROM ({chosen}) AS entries LEFT JOIN lines ON lines.id = entries.line_ref "
        f"{_UNASSIGNED} ORDER BY deposit_date DESC, entries.id DESC",
        {"limit": limit} | dict(zip(("after_day", "after_number"), after or (), strict=False)),
    )
    return [(number, LogRow(*row)) for number, *row in found]


def payment_log_count(tx: Transaction, query: LogQuery, limit: int) -> int:
    """Count entries, up to `limit`."""
    counted = f"SELECT count(*) FROM (SELECT 1 FROM entries {_where(query)} LIMIT :limit) AS first_ones"
    return int(_asked(tx, query, counted, {"limit": limit}).scalar_one())


def payment_log_sums(tx: Transaction, query: LogQuery, group_by: GroupBy) -> list[LogSum]:
    """Return the entries of the ledger summed by what is asked for, sorted by it."""
    sums = f"SELECT {_GROUPS[group_by]}, count(*), sum(amount) FROM entries {_where(query)} GROUP BY 1 ORDER BY 1"
    found = _asked(tx, query, sums)
    return [LogSum(*row) for row in found]


def timeline(tx: Transaction, keys: Sequence[LineKey], numbers: Sequence[int]) -> list[TimelineRow]:
    """Return what happened to the lines under these keys and to the events set aside under these numbers, in order.

    A try that failed before the payment could be read is known by its entry of the stream only, and joins by it.
    """
    found = tx.execute(
        text(
            """
            WITH named AS (
                SELECT * FROM unnest(CAST(:clinics AS text[]), CAST(:payments AS text[]), CAST(:lines AS text[]))
                    AS named(clinic_id, payment_id, line_id)
            ),
            own AS (
                SELECT history.* FROM history JOIN lines ON lines.id = line_ref
                    JOIN named USING (clinic_id, payment_id, line_id)
                UNION ALL
                SELECT history.* FROM history JOIN set_aside ON set_aside.id = set_aside_ref
                    LEFT JOIN named USING (clinic_id, payment_id, line_id)
                WHERE named.clinic_id IS NOT NULL OR set_aside.id = ANY(:numbers)
            )
            SELECT at, what, version, detail, who, duration_ms, error FROM (
                SELECT * FROM own
                UNION ALL
                SELECT history.* FROM history
                WHERE line_ref IS NULL AND set_aside_ref IS NULL
                    AND entry_id IN (SELECT entry_id FROM own WHERE entry_id IS NOT NULL)
            ) AS happened ORDER BY at, id
            """
        ),
        {
            "clinics": [key.clinic_id for key in keys],
            "payments": [key.payment_id for key in keys],
            "lines": [key.line_id for key in keys],
            "numbers": list(numbers),
        },
    )
    return [TimelineRow(*row) for row in found]


def _where(query: LogQuery) -> str:
    parts = {
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
    return f"WHERE true{conditions(query, parts)}"


def _asked(
    tx: Transaction, query: LogQuery, statement: str, more: Mapping[str, object] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Ask a statement of the log, as of the moment that the query names."""
    known = as_of_query(query.as_of, "entries allocations lines", statement)
    return tx.execute(text(known), parameters_of(query) | dict(more or {}))
