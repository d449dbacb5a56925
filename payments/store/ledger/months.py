"""The company months, held still while an import decides by them."""

from collections.abc import Iterable
from datetime import datetime

from payments.core.month import Month, MonthState
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import company_months

CompanyMonth = tuple[str, Month]
_KEY = ["company_id", "month"]


def hold(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, MonthState]:
    """Share-lock months until the transaction ends, so that none closes meanwhile, and return their states."""
    keys = sorted(set(wanted))
    found = _hold(tx, keys)
    missing = [key for key in keys if key not in found]
    if missing:
        rows = [{"company_id": company_id, "month": month.first_day} for company_id, month in missing]
        tx.execute(text(insertion(company_months, _KEY, "ON CONFLICT DO NOTHING")), arrays(rows, _KEY))
        found |= _hold(tx, missing)
    return found


def _hold(tx: Transaction, keys: Iterable[CompanyMonth]) -> dict[CompanyMonth, MonthState]:
    rows = [{"company_id": company_id, "month": month.first_day} for company_id, month in keys]
    if not rows:
        return {}
    found = tx.execute(
        text(
            "SELECT company_months.company_id, company_months.month, state FROM company_months "
            f"JOIN {unnested(company_months, _KEY)} USING (company_id, month) "
            "ORDER BY 1, 2 FOR SHARE OF company_months"
        ),
        arrays(rows, _KEY),
    )
    return {(company_id, Month.of(first_day)): MonthState(state) for company_id, first_day, state in found}


def closed_at(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, datetime]:
    """Return when these months were closed, of those that are."""
    rows = [{"company_id": company_id, "month": month.first_day} for company_id, month in sorted(set(wanted))]
    found = tx.execute(
        text(
            "SELECT company_months.company_id, company_months.month, closed_at FROM company_months "
            f"JOIN {unnested(company_months, _KEY)} USING (company_id, month) WHERE closed_at IS NOT NULL"
        ),
        arrays(rows, _KEY),
    )
    return {(company_id, Month.of(first_day)): moment for company_id, first_day, moment in found}
