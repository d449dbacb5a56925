"""The months in which lies what only grows: room for those to come, and an end for those that are no longer kept."""

from collections.abc import Sequence
from datetime import date

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

EVENTS = ("events",)
HISTORY = ("history", "lines_was", "set_aside_was", "findings_was", "charges_was")
AUDIT = ("audit",)


def make(tx: Transaction, first: date, through: date) -> int:
    """Make the months that are missing up to this day's, and return how many parts that were.

    `first` counts the first time only. What is older, or lies further ahead, has a place of its own.
    """
    made = tx.execute(text("SELECT make_partitions(:first, :through)"), {"first": first, "through": through})
    return int(made.scalar_one())


def drop(tx: Transaction, tables: Sequence[str], kept_from: date) -> int:
    """Drop the months before this day's, and return how many parts that were; for the owner of the tables alone."""
    statement = text("SELECT sum(drop_partitions(parent, :kept_from)) FROM unnest(CAST(:tables AS text[])) AS parent")
    return int(tx.execute(statement, {"tables": list(tables), "kept_from": kept_from}).scalar_one())
