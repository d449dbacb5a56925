"""The console refuses a database with a policy that differs from its definition. An upgrade replaces the policy."""

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from payments.store.db.connection import Database, Transaction, UnsuitableDatabaseError, connect, transaction
from payments.store.db.isolation import check_isolation
from payments.store.db.policies import CONSOLE_ROLE, IS_INTACT, POLICY_VERSION, policies
from payments.store.migrations import row_security
from tests.engines import scratch_database
from workers.runtime.row_security import protect_tables

SAMPLE_TABLES = ["lines", *("history", "audit", "requeue_runs", "users", "sessions")]
"""One table for each kind of policy definition."""
DIGEST_BY_VERSION = {1: "0075862a44e27f92"}
"""The digest of the policy definitions, by their version."""


@pytest.fixture
def url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    with scratch_database(postgres_url, ledger_template) as found:
        yield found


@pytest.fixture
def owner_database(url: str) -> Iterator[Database]:
    opened = connect(url, application_name="tests")
    yield opened
    opened.dispose()


def intact_policies(tx: Transaction) -> set[tuple[str, str]]:
    query = f"SELECT polrelid::regclass::text, polname::text FROM pg_policy WHERE {IS_INTACT}"
    return {(table, name) for table, name in tx.execute(text(query))}


def rewrite_policies_as_a_dump_does(tx: Transaction, table: str) -> None:
    """Alter each policy of a table to PostgreSQL's own text of it, as a restored dump has it. The comments stay."""
    query = f"""
    SELECT format('ALTER POLICY %I ON {table} USING (%s) WITH CHECK (%s)', polname, pg_get_expr(polqual, polrelid),
        pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE polrelid = '{table}'::regclass
    """
    for statement in tx.execute(text(query)).scalars().all():
        tx.exec_driver_sql(statement.replace("%", "%%"))


@pytest.mark.parametrize(
    "changes",
    [
        ["ALTER POLICY companies ON lines USING (true)"],
        ["ALTER POLICY companies ON lines WITH CHECK (true)"],
        ["ALTER POLICY companies ON lines TO pg_monitor"],
        ["COMMENT ON POLICY companies ON lines IS NULL"],
        ["COMMENT ON POLICY companies ON lines IS 'payments policy 99 '"],
        [
            "DROP POLICY companies ON lines",
            f"CREATE POLICY companies ON lines TO {CONSOLE_ROLE} USING (true) WITH CHECK (true)",
        ],
    ],
    ids=lambda changes: changes[0],
)
def test_changed_policy_is_refused_until_the_migration_replaces_it(
    url: str, owner_database: Database, changes: list[str]
) -> None:
    check_isolation(url, application_name="tests")
    with transaction(owner_database) as tx:
        before = intact_policies(tx)
        for change in changes:
            tx.execute(text(change))

    with pytest.raises(UnsuitableDatabaseError, match="does not limit payments_console on the table lines"):
        check_isolation(url, application_name="tests")
    protect_tables(owner_database)

    check_isolation(url, application_name="tests")
    with transaction(owner_database) as tx:
        assert intact_policies(tx) == before
        assert list(row_security.missing_steps(tx)) == []


@pytest.mark.parametrize(
    ("version", "is_replaced"), [(POLICY_VERSION - 1, True), (POLICY_VERSION, False), (POLICY_VERSION + 1, False)]
)
def test_only_a_policy_of_an_earlier_version_is_replaced(
    owner_database: Database, version: int, *, is_replaced: bool
) -> None:
    stored = "SELECT obj_description(oid, 'pg_policy') FROM pg_policy WHERE polname = 'companies' AND polrelid = {}"
    with transaction(owner_database) as tx:
        comment = tx.execute(text(stored.format("'users'::regclass"))).scalar_one()
        other = comment.replace(f"policy {POLICY_VERSION} ", f"policy {version} ")
        tx.execute(text(f"COMMENT ON POLICY companies ON users IS '{other}'"))

        assert bool(list(row_security.missing_steps(tx))) == is_replaced


@pytest.mark.parametrize("table", SAMPLE_TABLES)
def test_policy_that_a_dump_restores_is_intact(tx: Transaction, table: str) -> None:
    rewrite_policies_as_a_dump_does(tx, table)

    assert {name for of_table, name in intact_policies(tx) if of_table == table} == {"everyone", "companies"}


def test_definitions_of_a_version_never_change() -> None:
    definitions = "\n".join(text for table in SAMPLE_TABLES for text in policies(table).values())

    # If the digest differs, increase POLICY_VERSION and enter the new digest. Otherwise no database gets the policies.
    assert hashlib.sha256(definitions.encode()).hexdigest()[:16] == DIGEST_BY_VERSION.get(POLICY_VERSION)
