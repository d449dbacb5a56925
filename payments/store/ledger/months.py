"""Company months, share-locked while an import or an adjustment depends on their state."""

from collections.abc import Iterable
from datetime import datetime

from payments.core.month import Month, MonthState
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import company_months

CompanyMonth = tuple[str, Month]
"""(company, month)."""
_KEY = ["company_id", "month"]


def share_lock(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, MonthState]:
    """Return the states of months, which cannot change until the transaction ends (rule D3).

    Months without a row are inserted as OPEN. Locks: FOR SHARE, in the order (company, month); waits for a close in
    progress.
    """
    keys = sorted(set(wanted))
    found = _share_lock(tx, keys)
    missing = [key for key in keys if key not in found]
    if missing:
        rows = _rows(missing)
        tx.execute(text(insertion(company_months, _KEY, "ON CONFLICT DO NOTHING")), arrays(rows, _KEY))
        found |= _share_lock(tx, missing)
    return found


def _share_lock(tx: Transaction, keys: Iterable[CompanyMonth]) -> dict[CompanyMonth, MonthState]:
    rows = _rows(keys)
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
    return {(row.company_id, Month.of(row.month)): MonthState(row.state) for row in found}


def closed_at(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, datetime]:
    """Return when these months were closed. Months that are not closed are left out."""
    found = tx.execute(
        text(
            "SELECT company_months.company_id, company_months.month, closed_at FROM company_months "
            f"JOIN {unnested(company_months, _KEY)} USING (company_id, month) WHERE closed_at IS NOT NULL"
        ),
        arrays(_rows(sorted(set(wanted))), _KEY),
    )
    return {(row.company_id, Month.of(row.month)): row.closed_at for row in found}


def _rows(keys: Iterable[CompanyMonth]) -> list[dict[str, object]]:
    return [{"company_id": company_id, "month": month.first_day} for company_id, month in keys]
