"""Find the Billing Exception that a command names."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from typing import TYPE_CHECKING

from payments.core.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from payments.journeys.reporting import ExceptionRow
    from payments.store.db.connection import Transaction


def find_exception(tx: Transaction, exception_id: int, scope: Scope = EVERYTHING) -> ExceptionRow:
    """Return the exception with this id in the scope. The scope determines how its payment's key is printed.

    Raises DecisionError if the scope has no such exception.
    """
    from payments.core.finding import DecisionError
    from payments.journeys import reporting

    row = reporting.exception(tx, exception_id, scope)
    if row is None:
        raise DecisionError(exception_id, "there is no exception with this number")
    return row
