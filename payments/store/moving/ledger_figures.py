"""The totals of a company's ledger, which are compared before and after a move, and the preconditions of a move."""

from payments.core.company_move import ClosedMonthTotal, LedgerDay, LedgerTotals, MoveError
from payments.core.month import Month
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import month_close
from payments.store.moving.moved_tables import COMPANY_COLUMN, MOVED_TABLES
from payments.store.tables import VERSIONED, audit, companies, dead_letters, history, versions_table

# Refused events leave rows in these tables before a company arrives. A table of row versions has rows only if its table
# has some.
_TABLES_NOT_COUNTED = {
    companies.name,
    audit.name,
    dead_letters.name,
    history.name,
    *(versions_table(each.name) for each in VERSIONED),
}


def load_ledger(tx: Transaction, company_id: str) -> LedgerTotals:
    """Return the totals of a company's ledger.

    Raises MoveError if the entries of a closed month differ from the totals that its close stored (rule D7).
    """
    parameters = {"company_id": company_id}
    days = tx.execute(
        text(
            "SELECT deposit_date, count(*) AS entries, sum(amount) AS total FROM entries "
            "WHERE company_id = :company_id GROUP BY deposit_date ORDER BY deposit_date"
        ),
        parameters,
    )
    months = tx.execute(
        text(
            "SELECT month, payments_total, encode(snapshot_hash, 'hex') AS hash FROM company_months "
            "WHERE company_id = :company_id AND state = 'CLOSED' ORDER BY month"
        ),
        parameters,
    )
    closed = tuple(ClosedMonthTotal(Month.of(row.month), row.payments_total, row.hash) for row in months.all())
    for each in closed:
        found = month_close.check_snapshot(
            tx, company_id, each.month, month_close.compute_snapshot(tx, company_id, each.month)
        )
        if found is None or not found.is_unchanged:
            raise MoveError(
                f"{each.month}: the entries of this closed month differ from the totals stored at its close"
            )
    return LedgerTotals(tuple(LedgerDay(row.deposit_date, row.entries, row.total) for row in days), closed)


def has_data(tx: Transaction, company_id: str) -> bool:
    """Return whether a company has data here. Dead letters of refused events and audit entries do not count."""
    return any(
        tx.execute(
            text(f"SELECT EXISTS (SELECT FROM {table} WHERE {COMPANY_COLUMN} = :company_id)"),
            {"company_id": company_id},
        ).scalar_one()
        for table in MOVED_TABLES
        if table not in _TABLES_NOT_COUNTED
    )


def schema_version(tx: Transaction) -> str:
    """Return the version of the database schema.

    Raises MoveError if the upgrade to keys by company is not finished, because rows may then lack their company.
    """
    if tx.execute(text("SELECT to_regclass('clinic_settings')")).scalar_one() is not None:
        raise MoveError("the upgrade of this installation is not finished; run `python -m workers.migrate --finish`")
    return str(tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
