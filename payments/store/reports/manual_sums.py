"""The sum of manual entries in the period of a balance (rule D9)."""

from datetime import date

from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.reports.balancing import BalanceFilter


def total_of(tx: Transaction, balance_filter: BalanceFilter) -> Money:
    """Return the sum in dollars of the manual entries with a deposit date in the period, in the scope of a balance."""
    query = (
        "SELECT coalesce(sum(entries.amount), 0.00) FROM manual_entries JOIN entries "
        "ON entries.company_id = manual_entries.company_id AND entries.id = manual_entries.entry_ref "
        f"WHERE deposit_date BETWEEN :since AND :until{in_scope(balance_filter.scope, 'entries')}"
    )
    found = tx.execute(
        text(as_of_query(balance_filter.as_of, "entries", query)),
        {
            "since": balance_filter.since or date.min,
            "until": balance_filter.until or date.max,
            "as_of": balance_filter.as_of,
            **scope_parameters(balance_filter.scope),
        },
    )
    return Money(found.scalar_one())
