"""The role of the console reads company ids only in tables with a policy."""

from sqlalchemy import text

from payments.store.db.connection import Transaction
from payments.store.db.policies import CONSOLE_ROLE
from payments.store.migrations import row_security


def test_console_reads_no_column_with_a_company_from_a_table_without_a_policy(tx: Transaction) -> None:
    query = f"""
    SELECT relname::text, attname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname ~ 'compan(y|ies)'
        AND has_table_privilege('{CONSOLE_ROLE}', pg_class.oid, 'SELECT')
        AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND NOT polpermissive)
    """

    assert [tuple(row) for row in tx.execute(text(query))] == []


def test_upgrade_revokes_a_right_that_an_earlier_release_granted(tx: Transaction) -> None:
    tx.execute(text(f"GRANT SELECT ON job_runs TO {CONSOLE_ROLE}"))

    assert [*row_security.missing_steps(tx)] == [[f"REVOKE ALL ON job_runs FROM {CONSOLE_ROLE}"]]
