"""What people ask the Claims Feed for, as conditions in SQL: each only where it is asked for, for the indexes' sake."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from payments.contract.event import LineKey
from payments.contract.money import Money
from payments.core.outcome import Reason, Status
from payments.store.db.conditions import asked, values


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the feed; None leaves that open. `clinics` is both what is asked for and what may be seen.

    Dates are the clinics' own days of the save, inclusive; amounts are dollars.
    """

    since: date | None = None
    until: date | None = None
    status: Status | None = None
    reason: Reason | None = None
    clinics: tuple[str, ...] | None = None
    patient: str | None = None
    payment: str | None = None
    amount: Money | None = None


# A payment is named with or without its line; each way in which that can be read is looked up by the unique index.
_NAMED = (
    "(clinic_id, payment_id) IN (SELECT * FROM unnest(CAST(:of_clinic AS text[]), CAST(:of_payment AS text[]))) "
    "AND :payment IN (clinic_id || '/' || payment_id || '/' || line_id, clinic_id || '/' || payment_id)"
)


def lines_where(wanted: Wanted) -> str:
    """Return the conditions for lines, but for the clinic, so that the planner sees which index serves."""
    amount = "(CASE WHEN deleted THEN 0.00 ELSE amount_paid END)"
    # The clinic's own day is at most a day away from the moment in UTC, by which the index goes.
    since = " AND saved_at >= CAST(:since AS date) - interval '1 day'" if wanted.since else ""
    until = " AND saved_at < CAST(:until AS date) + interval '2 days'" if wanted.until else ""
    return _where(wanted, "saved_on", amount) + since + until


def aside_where(wanted: Wanted) -> str:
    """Return the conditions for events that were set aside, likewise."""
    day = "coalesce(saved_on, (received_at AT TIME ZONE 'UTC')::date)"
    return _where(wanted, day, "amount_paid") + (
        "" if wanted.clinics is None else " AND clinic_id = ANY(CAST(:clinics AS text[]))"
    )


def _where(wanted: Wanted, day: str, amount: str) -> str:
    parts = {
        "since": f"{day} >= :since",
        "until": f"{day} <= :until",
        "status": f"status = '{wanted.status}'",  # of an enum of ours, written out for the partial index
        "reason": "reason = :reason",
        "patient": "patient_id = :patient",
        "payment": _NAMED,
        "amount": f"{amount} = :amount",
    }
    return asked(wanted, parts)


def parameters(wanted: Wanted) -> dict[str, Any]:
    """Return the values that the conditions speak of."""
    given = values(wanted)
    if wanted.payment is not None:
        pairs = {(key.clinic_id, key.payment_id) for key in LineKey.parse_all(f"{wanted.payment}/")}
        given |= {"of_clinic": [clinic for clinic, _ in pairs], "of_payment": [payment for _, payment in pairs]}
    return given
