"""Company months. An import or an adjustment share-locks the months whose states it depends on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from payments.core.month import LockedMonths, Month, MonthState
from payments.core.scope import Scope
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.conditions import company_in_scope, has_not_moved, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import Query, fetch, fetch_together
from payments.store.db.statement import text
from payments.store.tables import company_months

CompanyMonth = tuple[str, Month]
"""The id of a company, and a month."""
_KEY_COLUMNS = ["company_id", "month"]


def share_lock(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, MonthState]:
    """Share-lock months, and return the state that each counts as until the transaction ends (rules D3 and D7).

    A month up to the company's latest closed month counts as CLOSED. Other months without a row are inserted as OPEN.
    Locks: FOR SHARE, in the order (company, month). Waits for a running close.
    """
    keys = sorted(set(wanted))
    found, dates = fetch_together(tx, share_lock_query(keys), lock_dates_query(keys))
    return insert_missing(tx, keys, found, dates)


def share_lock_query(keys: Sequence[CompanyMonth]) -> Query[dict[CompanyMonth, MonthState]]:
    """Return the query that locks the months that have a row, and reads their stored states.

    Pass the result of the query to `insert_missing`.
    """
    statement = (
        "SELECT company_months.company_id, company_months.month, state FROM company_months "
        f"JOIN {unnest_item(company_months, _KEY_COLUMNS)} USING (company_id, month) "
        "ORDER BY 1, 2 FOR SHARE OF company_months"
    )
    return Query(
        statement if keys else "",
        column_arrays(_key_rows(keys), _KEY_COLUMNS),
        lambda rows: {(row.company_id, Month.of(row.month)): MonthState(row.state) for row in rows},
    )


def lock_dates_query(keys: Iterable[CompanyMonth]) -> Query[dict[str, LockedMonths]]:
    """Return the query of `lock_dates` for the companies of months.

    Send it after `share_lock_query`, which waits for a close that has locked the rows and changes the dates.
    """
    return _lock_dates_query({company_id for company_id, _ in keys})


def insert_missing(
    tx: Transaction,
    keys: Sequence[CompanyMonth],
    found: Mapping[CompanyMonth, MonthState],
    dates: Mapping[str, LockedMonths],
) -> dict[CompanyMonth, MonthState]:
    """Return the result of `share_lock`, and insert missing rows.

    `found` and `dates` are the results of `share_lock_query` and `lock_dates_query`.
    """
    # No lock is needed for a month that counts as closed: it remains so.
    missing = [key for key in keys if key not in found and not dates[key[0]].is_closed(key[1])]
    if missing:
        statement = insert_statement(company_months, _KEY_COLUMNS, "ON CONFLICT DO NOTHING")
        tx.execute(text(statement), column_arrays(_key_rows(missing), _KEY_COLUMNS))
        added, dates = fetch_together(tx, share_lock_query(missing), lock_dates_query(keys))
        found = {**found, **added}
    return {key: dates[key[0]].state(key[1], found.get(key, MonthState.OPEN)) for key in keys}


def load_state(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Return the state that a month counts as. It is CLOSED, for example, if a later month is closed. Takes no lock."""
    stored = tx.execute(
        text("SELECT state FROM company_months WHERE company_id = :company_id AND month = :month"),
        {"company_id": company_id, "month": month.first_day},
    )
    state = MonthState(stored.scalar_one_or_none() or MonthState.OPEN)
    return lock_date(tx, company_id).state(month, state)


def lock_date(tx: Transaction, company_id: str) -> LockedMonths:
    """Return the latest closed month and the latest closing month of a company. Takes no lock."""
    return lock_dates(tx, [company_id])[company_id]


def lock_dates(tx: Transaction, company_ids: Iterable[str]) -> dict[str, LockedMonths]:
    """Return the latest closed month and the latest closing month of each company. Takes no row lock."""
    return fetch(tx, _lock_dates_query(company_ids))


class OpenMonth(NamedTuple):
    """The oldest month of a company that is not closed, and the company's time zone (IANA name)."""

    company_id: str
    month: Month
    state: MonthState
    timezone: str


def oldest_open(tx: Transaction, scope: Scope, limit: int) -> list[OpenMonth]:
    """Return, for up to `limit` companies of a scope, the oldest month that has payments and is not closed."""
    query = (
        "SELECT DISTINCT ON (company_id) company_id, month, state, timezone FROM company_months AS own "
        "JOIN companies USING (company_id) WHERE state <> 'CLOSED' "
        "AND month > coalesce(months_closed_through(company_id), '-infinity') "
        f"AND {has_not_moved('companies')}{company_in_scope(scope, 'companies')} "
        "ORDER BY company_id, month LIMIT :limit"
    )
    found = tx.execute(text(query), scope_parameters(scope) | {"limit": limit})
    return [OpenMonth(row[0], Month.of(row[1]), MonthState(row[2]), row[3]) for row in found]


def _lock_dates_query(company_ids: Iterable[str]) -> Query[dict[str, LockedMonths]]:
    ids = sorted(set(company_ids))
    statement = (
        "SELECT company_id, months_closed_through(company_id) AS closed, months_closing_through(company_id) "
        "AS closing FROM unnest(CAST(:company_ids AS text[])) AS company_id"
    )
    return Query(
        statement if ids else "",
        {"company_ids": ids},
        lambda rows: {
            row.company_id: LockedMonths(*(day and Month.of(day) for day in (row.closed, row.closing))) for row in rows
        },
    )


def closing_times(tx: Transaction, wanted: Iterable[CompanyMonth]) -> dict[CompanyMonth, datetime]:
    """Return the time from which on each month counts as closed. Open months are omitted."""
    found = tx.execute(
        text(
            "SELECT new.company_id, new.month, min(closed_at) AS closed_at "
            f"FROM {unnest_item(company_months, _KEY_COLUMNS)} JOIN company_months AS closed "
            "ON closed.company_id = new.company_id AND closed.month >= new.month "
            "WHERE closed_at IS NOT NULL GROUP BY 1, 2"
        ),
        column_arrays(_key_rows(sorted(set(wanted))), _KEY_COLUMNS),
    )
    return {(row.company_id, Month.of(row.month)): row.closed_at for row in found}


def _key_rows(keys: Iterable[CompanyMonth]) -> list[dict[str, object]]:
    return [{"company_id": company_id, "month": month.first_day} for company_id, month in keys]
