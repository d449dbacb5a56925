"""How far the nightly distribution of each company is; PostgreSQL keeps it, so that a lost message loses no night."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.core.distribution import night_of
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_LOCK = 7_250_003
"""Advisory lock number: one at a time goes through the night."""
_AHEAD_MAX = timedelta(hours=14)
"""By how much a company's clock may be ahead of UTC."""


class Night(NamedTuple):
    """A company whose night has come: the day it belongs to, and the last patient who was dealt with."""

    company_id: str
    day: date
    reached: str


def due(tx: Transaction, now: datetime) -> Night | None:
    """Return a company whose night has come; None where there is none, or where somebody else is at it just now.

    A company that is looked at for the first time has its first night on the next day.
    """
    if not tx.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": _LOCK}).scalar_one():
        return None
    found = tx.execute(
        text(
            "SELECT company_id, timezone, distributed_on, coalesce(distributed_to, '') FROM companies "
            "WHERE distributed_on IS NULL OR distributed_on < :latest ORDER BY company_id"
        ),
        {"latest": night_of(now + _AHEAD_MAX)},
    )
    for company_id, timezone, done, reached in found.all():
        night = Night(company_id, night_of(now.astimezone(ZoneInfo(timezone))), reached)
        if done is None:
            move(tx, night, None)
        elif done < night.day:
            return night
    return None


def move(tx: Transaction, night: Night, reached: str | None) -> None:
    """Write down how far a night is; None says that it is done."""
    tx.execute(
        text(
            "UPDATE companies SET distributed_to = :reached, "
            "distributed_on = CASE WHEN CAST(:reached AS text) IS NULL THEN :day ELSE distributed_on END "
            "WHERE company_id = :company_id"
        ),
        {"reached": reached, "day": night.day, "company_id": night.company_id},
    )
