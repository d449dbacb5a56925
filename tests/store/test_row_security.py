"""Every table of company data has row-level security, which limits the rows that the console reads and writes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Database, Transaction, connect, transaction
from payments.store.db.isolation import (
    ALL_COMPANIES,
    AUTHENTICATION_ACCESS,
    NO_ACCESS,
    Access,
    connect_isolated,
    with_access,
)
from payments.store.db.policies import CONSOLE_ROLE
from payments.store.migrations import row_security
from tests.console.conftest import CHEAP
from tests.console.web.two_companies import EARLIER_USER, FOREIGN, FOREIGN_USER, OWN, fill_ledger
from tests.engines import scratch_database
from tests.store.test_tenant_keys import INSTALLATION_TABLES, TABLES_QUERY

UNLIMITED_TABLES = {
    "alembic_version": "the version of the schema",
    "backfills": "the progress of a migration; the console has no right on it",
    "import_tasks": "the Celery task of each import transaction, which may have payments of several companies",
    "job_runs": "jobs that run for all companies together; the console has no right on it",
    "login_failures": "counts names and addresses before anybody is known",
}
"""Tables without row-level security, with the reason."""
HIDDEN, DELETED = {"events", "job_runs", "backfills"}, {"sessions", "login_failures", "uploaded_logs", "saved_views"}
"""HIDDEN: tables on which the console has no right. DELETED: the only tables from which it may delete rows."""
ROW_CONDITIONS = {"audit": "company_id IS NULL OR company_id = '{0}'", "users": "companies = '{{{0}}}'"} | {
    "requeue_runs": """choice -> 'companies' = '["{0}"]'""",
    **dict.fromkeys(("sessions", "uploaded_logs"), "user_name IN (SELECT name FROM users WHERE companies = '{{{0}}}')"),
}
"""The SQL condition that selects a company's rows, for tables where a comparison of `company_id` is not enough."""
# Rows that `fill_ledger` does not create.
INSERT_MORE_ROWS = (
    "INSERT INTO account_marks (company_id, patient_id, marked_at) SELECT company_id, patient_id, now() FROM lines",
    """INSERT INTO allocations (line_ref, clinic_id, charge_id, company_id, patient_id, amount, rule, distribution_date,
        made_at) SELECT id, clinic_id, '1', company_id, patient_id, 1, '', '2026-06-05', now() FROM lines""",
    "INSERT INTO requeue_items (company_id, run_id, line_ref) SELECT company_id, 1, id FROM lines",
    "INSERT INTO nightly_results SELECT company_id, 'distribution', '2026-06-05', now(), now(), 1, 0, 0 FROM companies",
    "INSERT INTO postponed_work SELECT company_id, 'detect_exception', id, 1, '', now(), now(), now() FROM lines",
    "INSERT INTO notes (company_id, body, written_at, written_by) SELECT company_id, '', now(), '' FROM lines",
    "INSERT INTO daily_queues SELECT company_id, '2026-06-05', '', '', '', '', 1, 0, now() FROM companies",
    "INSERT INTO uploaded_logs (user_name, file_name, body, uploaded_at) SELECT name, '', '', now() FROM users",
    *(f"INSERT INTO {name}_was SELECT now(), {name}.* FROM {name}" for name in ("findings", "charges", "set_aside")),
)
AUDIT_COLUMNS = "(at, who, action, subject, detail, address, company_id)"
INSERT_USER = "INSERT INTO users (name, role, password_hash, added_at, added_by"
OWN_ACCESS = Access(frozenset({OWN}))
NOW = datetime(2026, 6, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    with scratch_database(postgres_url, ledger_template) as found:
        yield found


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Database]:
    """A connection with the role that owns the tables. Most tables contain rows of two companies."""
    opened = connect(url, application_name="tests")
    fill_ledger(opened)
    with transaction(opened) as tx:
        for user in (
            User("own", Role.BILLING, Scope.of_companies(OWN)),
            User(FOREIGN_USER, Role.BILLING, Scope.of_companies(FOREIGN)),
            User("both", Role.BILLING, Scope.of_companies(OWN, FOREIGN)),
            User("all", Role.ADMIN, EVERYTHING),
        ):
            authentication.add_user(tx, user, NewPassword("a long password", CHEAP), NOW, "user:all")
        for name in ("own", FOREIGN_USER, "both", "all", EARLIER_USER):
            authentication.create_token(tx, name, NOW, f"user:{name}")
        for statement in INSERT_MORE_ROWS:
            tx.execute(text(statement))
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def isolated(owner: Database, url: str) -> Iterator[Database]:
    opened = connect_isolated(url, application_name="tests", pool_size=1)
    yield opened
    opened.dispose()


def tables(tx: Transaction) -> dict[str, bool]:
    return {row.relname: row.exists for row in tx.execute(text(TABLES_QUERY))}


def rows(tx: Transaction, table: str, company: str | None = None) -> list[str]:
    of_company = ROW_CONDITIONS.get(table, "company_id = '{0}'").format(company)
    condition = "true" if company is None else f"({of_company})"
    if company is not None and table == "audit":
        condition += f" AND who IN (SELECT 'user:' || name FROM users WHERE {ROW_CONDITIONS['users'].format(company)})"
    found = tx.execute(text(f"SELECT CAST({table} AS text) FROM {table} WHERE {condition}".replace(":", "\\:")))
    return sorted(found.scalars())


def test_every_table_of_company_data_has_row_level_security(tx: Transaction) -> None:
    query = f"""
    SELECT relname::text FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
    WHERE relrowsecurity AND NOT relforcerowsecurity AND NOT polpermissive AND polcmd = '*'
        AND polroles = ARRAY['{CONSOLE_ROLE}'::regrole::oid] AND polqual IS NOT NULL AND polwithcheck IS NOT NULL
    """
    protected = set(tx.execute(text(query)).scalars())

    assert {name for name, has_company in tables(tx).items() if has_company} - protected == set()
    assert set(tables(tx)) - protected == set(UNLIMITED_TABLES)
    assert set(UNLIMITED_TABLES) <= set(INSTALLATION_TABLES)


def test_console_role_has_no_rights_on_partitions_and_changes_no_append_only_row(tx: Transaction) -> None:
    granted = f"""
    SELECT relname::text, relispartition, privilege_type FROM pg_class, aclexplode(relacl) AS acl
    WHERE acl.grantee = '{CONSOLE_ROLE}'::regrole AND relkind IN ('r', 'p')
    """
    found = {(name, kind): is_partition for name, is_partition, kind in tx.execute(text(granted))}

    assert not any(found.values())
    append_only = ("entries", "allocations", "history", "audit", "notes", "lines_was")
    assert {kind for name, kind in found if name in append_only} == {"SELECT", "INSERT"}
    assert {each for each, kind in found if kind == "DELETE"} == DELETED
    assert {name for name, _ in found} == set(tables(tx)) - HIDDEN


def test_transaction_reads_only_rows_of_its_companies(owner: Database, isolated: Database) -> None:
    with transaction(owner) as tx:
        names = sorted(set(tables(tx)) - set(UNLIMITED_TABLES) - HIDDEN)
        expected, foreign = ({name: rows(tx, name, company) for name in names} for company in (OWN, FOREIGN))
    with transaction(with_access(isolated, OWN_ACCESS)) as tx:
        found = {name: rows(tx, name) for name in names}

    assert found == expected
    assert [name for name, stored in foreign.items() if not stored] == []
    assert {"users", "audit", "lines", "companies"} <= {name for name, stored in expected.items() if stored}


@pytest.mark.parametrize("access", [None, NO_ACCESS, AUTHENTICATION_ACCESS])
def test_transaction_without_companies_reads_no_row_of_company_data(
    isolated: Database, owner: Database, access: Access | None
) -> None:
    database = isolated if access is None else with_access(isolated, access)
    with transaction(owner) as tx:
        users = rows(tx, "users")
    with transaction(database) as tx:
        found = {name: rows(tx, name) for name in set(tables(tx)) - set(UNLIMITED_TABLES) - HIDDEN}
    if access is AUTHENTICATION_ACCESS:
        assert found.pop("users") == users
        assert len(found.pop("sessions")) == len(users)
    assert {name: found for name, found in found.items() if found} == {}


def test_transaction_of_the_installation_reads_all_rows(owner: Database, isolated: Database) -> None:
    with transaction(owner) as tx:
        expected = {name: rows(tx, name) for name in set(tables(tx)) - HIDDEN}
    with transaction(with_access(isolated, ALL_COMPANIES)) as tx:
        assert {name: rows(tx, name) for name in expected} == expected


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO companies (company_id) VALUES ('beta-company-2')",
        "INSERT INTO clinics (company_id, clinic_id) VALUES ('beta-company', 'another')",
        "INSERT INTO account_marks (company_id, patient_id, marked_at) VALUES ('beta-company', 'p', '2026-06-05')",
        "INSERT INTO history (at, what, company_id, detail, who) VALUES ('2026-06-05', 'x', 'beta-company', '', 'x')",
        "INSERT INTO history (at, what, line_ref, detail, who) VALUES ('2026-06-05', 'x', 1, '', 'x')",
        f"INSERT INTO audit {AUDIT_COLUMNS} VALUES ('2026-06-05', 'user:own', 'x', '', '', '', 'beta-company')",
        f"{INSERT_USER}, companies) VALUES ('spy', 'admin', '', now(), 'x', '{{alpha,beta-company}}')",
        f"{INSERT_USER}) VALUES ('spy', 'admin', '', now(), 'x')",
        "UPDATE users SET companies = NULL WHERE name = 'own'",
        "UPDATE companies SET company_id = 'beta-company-3'",
        "UPDATE lines SET company_id = 'beta-company'",
        "DELETE FROM lines",
        "SELECT FROM history_default",
        "SELECT FROM events",
        "ALTER TABLE lines DISABLE ROW LEVEL SECURITY",
    ],
)
def test_transaction_writes_no_row_of_another_company(isolated: Database, owner: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as error, transaction(with_access(isolated, OWN_ACCESS)) as tx:
        tx.execute(text(statement))

    assert getattr(error.value.orig, "sqlstate", None) == "42501"


@pytest.mark.parametrize(
    ("table", "column"),
    {
        **dict.fromkeys(("lines", "set_aside", "findings"), "status"),
        "companies": "timezone",
        "company_months": "scheduled_by",
        "requeue_runs": "state",
        "users": "name",
        "sessions": "kind",
    }.items(),
)
def test_update_of_all_rows_changes_those_of_the_own_company(
    isolated: Database, owner: Database, table: str, column: str
) -> None:
    with transaction(owner) as tx:
        own = rows(tx, table, OWN)
    with transaction(with_access(isolated, OWN_ACCESS)) as tx:
        changed = tx.execute(text(f"UPDATE {table} SET {column} = {column}"))

    assert changed.rowcount == len(own)


def test_role_and_companies_last_until_the_transaction_ends(isolated: Database) -> None:
    state = text("SELECT current_user, current_setting('payments.companies', true) = '{alpha}'")
    with with_access(isolated, OWN_ACCESS).connect() as connection:
        assert connection.execute(state).one() == (CONSOLE_ROLE, True)
        connection.rollback()
        driver: Any = connection.connection.dbapi_connection
        after = driver.execute("SELECT current_user = session_user, current_setting('payments.companies', true)")
        assert after.fetchone() == (True, "")
        driver.rollback()


def test_company_ids_are_taken_literally(owner: Database, isolated: Database) -> None:
    names = ["*", "{alpha,beta-company}", 'a","beta-company', "NULL", ""]
    for name in names:
        with transaction(with_access(isolated, Access(frozenset({name})))) as tx:
            assert rows(tx, "companies") == []
    with transaction(with_access(isolated, Access(frozenset({OWN, *names})))) as tx:
        assert len(rows(tx, "companies")) == 1


def test_protection_is_complete_and_a_missing_part_is_created_again(url: str, owner: Database) -> None:
    with owner.connect() as tx:
        assert list(row_security.missing_steps(tx)) == []
        tx.execute(text("DROP POLICY companies ON entries"))
        tx.execute(text("ALTER TABLE patients DISABLE ROW LEVEL SECURITY"))
        tx.execute(text(f"REVOKE INSERT ON history FROM {CONSOLE_ROLE}"))
        row_security.apply_to_new_database(tx)
        assert list(row_security.missing_steps(tx)) == []
        tx.rollback()
