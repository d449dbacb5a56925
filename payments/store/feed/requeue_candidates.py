"""What a requeue of all that match takes: counted and summed before anybody begins it, then picked step by step."""

from datetime import date
from typing import Any, NamedTuple

from payments.contract.money import Money
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import ASIDE_STANDS, LINE_IS_CURRENT
from payments.store.reports.claims_feed_filter import Wanted, aside_where, lines_where, parameters


class RequeueCandidate(NamedTuple):
    """What a requeue is to take next: keys of lines (row number, clinic, payment, line)."""

    number: int
    clinic_id: str
    payment_id: str
    line_id: str


class RequeueGroup(NamedTuple):
    """Lines that a requeue would treat alike: what they have in common, how many they are, their sum in dollars.

    `month` is the first day of the month that they are dated in, None where only a deletion was seen.
    """

    clinic_id: str
    charge_type: str | None
    internal_payment: bool | None
    reason: Reason | None
    month: date | None
    is_closed: bool
    number: int
    total: Money


_OF_CLINICS = "AND (CAST(:clinics AS text[]) IS NULL OR clinic_id = ANY(:clinics))"


def count(tx: Transaction, wanted: Wanted) -> int:
    """Count the rows: only where somebody asks, for it has to look at all of them."""
    found = tx.execute(
        text(f"SELECT count(*) FROM lines WHERE {LINE_IS_CURRENT} {lines_where(wanted)} {_OF_CLINICS}"),
        _given(wanted),
    )
    return int(found.scalar_one()) + count_aside(tx, wanted)


def alike(tx: Transaction, wanted: Wanted) -> list[RequeueGroup]:
    """Return the lines, summed by all that decides what would become of them."""
    found = tx.execute(
        text(
            "WITH picked AS (SELECT clinic_id, company_id, charge_type, internal_payment, reason, "
            "date_trunc('month', transaction_date)::date AS month, count(*) AS number, "
            "coalesce(sum(CASE WHEN deleted THEN 0.00 ELSE amount_paid END), 0.00) AS total "
            f"FROM lines WHERE {LINE_IS_CURRENT} {lines_where(wanted)} {_OF_CLINICS} GROUP BY 1, 2, 3, 4, 5, 6) "
            "SELECT clinic_id, charge_type, internal_payment, reason, month, coalesce(state = 'CLOSED', false), "
            "number, total FROM picked LEFT JOIN company_months USING (company_id, month)"
        ),
        _given(wanted),
    )
    return [
        RequeueGroup(clinic, kind, internal, Reason(reason) if reason else None, *rest)
        for clinic, kind, internal, reason, *rest in found
    ]


def count_aside(tx: Transaction, wanted: Wanted) -> int:
    """Count the events that were set aside."""
    found = tx.execute(
        text(f"SELECT count(*) FROM set_aside WHERE {ASIDE_STANDS} {aside_where(wanted)}"), parameters(wanted)
    )
    return int(found.scalar_one())


def pick_lines(tx: Transaction, wanted: Wanted, numbers: tuple[int, int], limit: int) -> list[RequeueCandidate]:
    """Return the next lines after the first number, up to the last, in the order of their rows."""
    found = tx.execute(
        text(
            "SELECT id, clinic_id, payment_id, line_id FROM lines "
            f"WHERE {LINE_IS_CURRENT} {lines_where(wanted)} {_OF_CLINICS} "
            "AND id > :reached AND id <= :last ORDER BY id LIMIT :limit"
        ),
        _given(wanted) | {"reached": numbers[0], "last": numbers[1], "limit": limit},
    )
    return [RequeueCandidate(*row) for row in found]


def pick_aside(tx: Transaction, wanted: Wanted, numbers: tuple[int, int], limit: int) -> list[int]:
    """Return the next events that were set aside, likewise, by their numbers."""
    found = tx.execute(
        text(
            f"SELECT id FROM set_aside WHERE {ASIDE_STANDS} {aside_where(wanted)} "
            "AND id > :reached AND id <= :last ORDER BY id LIMIT :limit"
        ),
        parameters(wanted) | {"reached": numbers[0], "last": numbers[1], "limit": limit},
    )
    return list(found.scalars())


def last_numbers(tx: Transaction) -> tuple[int, int]:
    """Return the numbers of the newest line and of the newest event that was set aside."""
    found = tx.execute(
        text("SELECT (SELECT coalesce(max(id), 0) FROM lines), (SELECT coalesce(max(id), 0) FROM set_aside)")
    )
    line, aside = found.one()
    return line, aside


def _given(wanted: Wanted) -> dict[str, Any]:
    return parameters(wanted) | {"clinics": None if wanted.clinics is None else list(wanted.clinics)}
