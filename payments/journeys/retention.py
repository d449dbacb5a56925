"""Make room for what the months to come will bring, and let go of the months that are no longer kept."""

from datetime import date
from typing import NamedTuple

from payments.core.month import Month
from payments.store.db import partitions
from payments.store.db.connection import Transaction

MONTHS_AHEAD = 3


class Kept(NamedTuple):
    """For how many months, beside the one that runs, something is kept; None is for ever."""

    events: int | None = None
    history: int | None = None
    audit: int | None = None


def make_room(tx: Transaction, today: date) -> int:
    """Make the months up to the third ahead, and return how many parts of tables were missing."""
    month = Month.of(today)
    return partitions.make(tx, month.plus(-1).first_day, month.plus(MONTHS_AHEAD).first_day)


def let_go(tx: Transaction, today: date, kept: Kept) -> int:
    """Drop what is older than it is kept, and return how many parts of tables that were; for the tables' owner."""
    limits = ((partitions.EVENTS, kept.events), (partitions.HISTORY, kept.history), (partitions.AUDIT, kept.audit))
    return sum(
        partitions.drop(tx, tables, Month.of(today).plus(-months).first_day)
        for tables, months in limits
        if months is not None
    )
