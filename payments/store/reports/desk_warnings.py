"""The drawers and the deposits that are not finished before a month is closed (rules D7, D10 and D11)."""

from payments.core.month import Month
from payments.store.db.conditions import IN_MONTH
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.deposit_entries import IS_UNDEPOSITED
from payments.store.reports.close_warning import CloseWarning, UnclosedDrawer, UndepositedMoney


def drawers_to_close(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    """Return the drawers of the month's days that are open or not closed by a second person."""
    query = (
        "SELECT id, clinic_id, day, shift, CASE WHEN locked_at IS NULL THEN 'open' ELSE 'locked' END AS what "
        f"FROM drawers WHERE company_id = :company_id AND closed_at IS NULL AND {IN_MONTH.format('day')} "
        "ORDER BY day, id"
    )
    found = tx.execute(text(query), {"company_id": company_id, "month": month.first_day})
    return [
        CloseWarning(
            *(row.what, None, "", None),
            company=company_id,
            drawer=UnclosedDrawer(row.id, row.clinic_id, row.day, row.shift),
        )
        for row in found
    ]


def undeposited_money(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    """Return the month's money that is on no deposit: a row for each clinic and method.

    A method counts only if the clinic has made a deposit of it, because not every office makes deposits, and the money
    of cards arrives without one.
    """
    query = (
        "SELECT clinic_id, method, count(*) AS entry_count, min(deposit_date) AS since, max(deposit_date) AS until, "
        "sum(amount) AS amount FROM entries WHERE company_id = :company_id "
        "AND (clinic_id, method) IN (SELECT clinic_id, method FROM deposits WHERE company_id = :company_id) "
        f"AND {IN_MONTH.format('deposit_date')} AND {IS_UNDEPOSITED} GROUP BY clinic_id, method ORDER BY 1, 2"
    )
    found = tx.execute(text(query), {"company_id": company_id, "month": month.first_day})
    return [
        CloseWarning(
            *("undeposited", None, "", row.amount),
            company=company_id,
            undeposited=UndepositedMoney(row.clinic_id, row.method, row.entry_count, row.since, row.until),
        )
        for row in found
    ]
