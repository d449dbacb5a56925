"""The payments of one transaction date, for the front desk, whether or not they are in Billing."""

from datetime import date
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.scope import Scope
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.patient_names import join_names
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT_IN_ORDER
from payments.store.feed.feed_columns import DEAD_LETTER_DAY, dead_letter_columns, line_columns
from payments.store.feed.posted import IS_NO_PAYMENT


class DayRow(NamedTuple):
    """A payment as the EMR states it, and the amount that Billing holds for it. Amounts are in dollars.

    `reference` is a check number, for example. `refused` is the printed key of a dead letter, None for a line. For a
    dead letter, `method` and `reference` are None, and `amount` is None if it is unreadable.
    """

    payment: str | None
    clinic: str | None
    patient: str | None
    charge_type: str | None
    method: str | None
    reference: str | None
    amount: Money | None
    status: str
    reason: str | None
    posted: str | None
    posted_amount: Money
    refused: str | None
    company: str | None
    patient_name: str | None


_ROW_COLUMNS = (
    "payment, clinic, patient, charge_type, method, reference, emr_amount AS amount, status, reason, posted, "
    "posted_amount, refused, company"
)
# A refused event without a readable transaction date counts on the day of its save.
_IS_DEAD_LETTER_OF_DAY = f"coalesce(transaction_date, {DEAD_LETTER_DAY}) = :day"
_MAY_BE_PAYMENT = f"({IS_NO_PAYMENT.format('set_aside')}) IS NOT TRUE"


def read(tx: Transaction, scope: Scope, day: date, limit: int) -> list[DayRow]:
    """Return up to `limit` payments of a day in a scope, oldest save first. Payments of 0.00 are omitted."""
    lines = (
        f"SELECT {line_columns(scope)}, method, reference FROM lines "
        f"WHERE transaction_date = :day AND {LINE_IS_CURRENT_IN_ORDER}{in_scope(scope, 'lines')}"
    )
    letters = (
        f"SELECT {dead_letter_columns(scope)}, NULL::text, NULL::text FROM set_aside "
        f"WHERE {_IS_DEAD_LETTER_OF_DAY} AND {_MAY_BE_PAYMENT} AND {DEAD_LETTER_IS_CURRENT}"
        f"{in_scope(scope, 'set_aside')}"
    )
    query = (
        f"SELECT {_ROW_COLUMNS}, patient_name FROM ({lines} UNION ALL {letters}) AS day "
        f"{join_names('day', 'company', 'patient')} "
        "WHERE emr_amount IS NULL OR emr_amount <> 0 OR posted_amount <> 0 "
        "ORDER BY cursor_at, cursor_source, cursor_id LIMIT :limit"
    )
    found = tx.execute(text(query), {"day": day, "limit": limit, **scope_parameters(scope)})
    return [DayRow._make(row) for row in found]
