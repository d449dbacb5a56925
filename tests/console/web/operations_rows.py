"""Add what operators see of a company: a nightly result, postponed work, and an import task."""

from sqlalchemy import text

from payments.store.db.connection import Database, transaction

_INSERT_STATEMENTS = (
    """INSERT INTO nightly_results SELECT company_id, 'balancing', '2026-06-05', now(), now(), 1, 0, 0
        FROM companies WHERE company_id = :company""",
    """INSERT INTO postponed_work SELECT company_id, 'close_month', '2026-07', 1, '', now(), now(), now()
        FROM companies WHERE company_id = :company""",
    """INSERT INTO import_tasks SELECT at, who, :task FROM history WHERE company_id = :company
        AND line_ref IS NOT NULL ON CONFLICT DO NOTHING""",
)


def add_operations(database: Database, company: str, task: str) -> None:
    """Add a nightly result and postponed work of a company, and record that this task imported its payments."""
    with transaction(database) as tx:
        for statement in _INSERT_STATEMENTS:
            tx.execute(text(statement), {"company": company, "task": task})
