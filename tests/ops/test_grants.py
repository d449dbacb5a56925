"""The grants in PostgreSQL give each service only the rights that it needs. Compose and Kubernetes share the grants."""

import fcntl
import os
import subprocess
from contextlib import suppress
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from config.database_urls import libpq_url, with_database
from devstack.engines import embedded_postgres
from devstack.postgres_binaries import postgres_program
from payments.access import audit
from payments.access.audit import AuditEntry
from payments.store.db.connection import ConcurrentWriteError, connect, transaction
from payments.store.db.isolation import check_isolation
from payments.store.migrations import is_current, upgrade
from tests.builders.events import paid, saved_payment
from tests.builders.office import Office
from tests.engines import scratch_database
from tests.ops.composed import ROOT, services
from tests.store.test_partitions import PARTITIONED_TABLES, create_partitions

pytestmark = pytest.mark.acceptance

GRANTS_FILE = str(ROOT / "docs/ops/grants/grants.sql")
APPEND_ONLY_TABLES = {
    *"entries allocations manual_entries transfers history audit notes".split(),
    *"lines_was set_aside_was findings_was charges_was".split(),
    *"drawer_lines drawer_counts deposits deposit_items".split(),
}
TABLE_PRIVILEGES_QUERY = """
    SELECT relname, relispartition, (
        SELECT coalesce(string_agg(right_, ' ' ORDER BY place), '')
          FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
               WITH ORDINALITY AS each (right_, place)
         WHERE has_table_privilege(pg_class.oid, right_)) AS rights
      FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"""
ROLE_PRIVILEGES_QUERY = """
    SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, has_schema_privilege('public', 'CREATE')
      FROM pg_roles WHERE rolname = current_user"""


@pytest.fixture(scope="module")
def application_role_lock(tmp_path_factory):
    """Lock the role `payments_app` against other test processes, because all databases share the role."""
    with (tmp_path_factory.getbasetemp().parent / "payments_app").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def application_database(postgres_url, ledger_template, application_role_lock):
    """A connection pool of a migrated database. It uses the role of the services."""
    with scratch_database(postgres_url, ledger_template) as url:
        grant_rights(url)
        grant_rights(url)  # repeated at every start
        database = connect(url_with_user(url, "payments_app:app-secret"), application_name="rights")
        yield database
        database.dispose()
        with psycopg.connect(libpq_url(url), autocommit=True) as owner:
            owner.execute("DROP OWNED BY payments_app")
            owner.execute("DROP ROLE payments_app")


def url_with_user(url, login):
    parts = urlsplit(url)
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()


def grant_rights(url):
    # The command of docker-compose.yml, with the file in place of its mount.
    options = [GRANTS_FILE if each == "/grants.sql" else each for each in services()["grants"]["command"][1:]]
    done = subprocess.run(
        [postgres_program("psql"), *options, libpq_url(url)],
        check=False,
        env=os.environ | {"APP_DB_PASSWORD": "app-secret"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_service_roles_have_sufficient_rights(application_database):
    with transaction(application_database) as tx:
        office = Office(tx, date(2026, 6, 10))
        payment = saved_payment(**paid("25.00", "2026-05-05"))
        office.publish(payment, saved_payment(**paid("9.00", "2026-06-05", payment_id="other")), b"no event")
        office.set_today(date(2026, 7, 2))
        office.close_months("2026-05")
        office.publish(saved_payment(**paid("30.00", "2026-05-05", version=2)))
        assert len(office.accept_all(date(2026, 7, 1))) == 1
        office.requeue(["clinic/other/1"])
        office.distribute_all()
        assert len(office.ledger_entries()) == 3
    assert is_current(application_database)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = 0",
        "DELETE FROM history",
        "UPDATE audit SET who = 'nobody'",
        "TRUNCATE allocations",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TABLE lines",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version SET version_num = '0'",
        "DELETE FROM history_default",
        "INSERT INTO audit_default SELECT * FROM audit",
        "SELECT drop_partitions('history', '2036-01-01')",
    ],
)
def test_service_roles_cannot_change_append_only_rows_or_tables(application_database, statement):
    with pytest.raises(DBAPIError) as error, transaction(application_database) as tx:
        tx.execute(text(statement))
    assert getattr(error.value.orig, "sqlstate", None) == "42501"


def test_service_roles_create_partitions_and_read_them_only_through_the_parent_table(application_database):
    with transaction(application_database) as tx:
        assert create_partitions(tx, date(2026, 6, 10)) == 5 * len(PARTITIONED_TABLES)
        audit.add(tx, AuditEntry(datetime(2026, 6, 10, tzinfo=UTC), "user:ada", "logged in", "ada"))
        assert tx.execute(text("SELECT tableoid::regclass::text FROM audit")).scalars().all() == ["audit_2026_06"]
    for statement in ("DELETE FROM audit_2026_06", "SELECT FROM audit_2026_06"):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(application_database) as tx:
            tx.execute(text(statement))


def test_service_roles_have_exactly_the_intended_rights(application_database):
    with transaction(application_database) as tx:
        tables = tx.execute(text(TABLE_PRIVILEGES_QUERY)).all()
        guarded = tx.execute(text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_append_only'"))
        append_only_by_trigger = set(guarded.scalars())
        role = tx.execute(text(ROLE_PRIVILEGES_QUERY)).one()
    rights = {table.relname: table.rights for table in tables if not table.relispartition}
    limited = {name: held for name, held in rights.items() if held != "SELECT INSERT UPDATE DELETE"}

    assert limited == dict.fromkeys(APPEND_ONLY_TABLES, "SELECT INSERT") | {"alembic_version": "SELECT"}
    assert {table.rights for table in tables if table.relispartition} == {""}
    assert append_only_by_trigger & rights.keys() <= APPEND_ONLY_TABLES
    assert tuple(role) == (False,) * 5


def test_grants_need_no_superuser(tmp_path):
    """On a managed PostgreSQL the owner of the tables may create roles, but cannot grant BYPASSRLS."""
    with embedded_postgres(tmp_path, durable=False) as server:
        with psycopg.connect(libpq_url(server), autocommit=True) as superuser:
            superuser.execute("CREATE ROLE owner LOGIN CREATEROLE")
            superuser.execute("CREATE DATABASE theirs OWNER owner TEMPLATE template0")
        url = url_with_user(with_database(server, "theirs"), "owner")
        upgrade(url)
        grant_rights(url)
        grant_rights(url)

        database = connect(url_with_user(url, "payments_app:app-secret"), application_name="rights")
        with transaction(database) as tx:
            bypasses = text("SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user")
            assert tx.execute(bypasses).scalar() is False
        for _ in range(2):  # the first COPY is refused; then the process uses INSERT
            with suppress(ConcurrentWriteError), transaction(database) as tx:
                imported = Office(tx, date(2026, 6, 10)).publish(saved_payment(**paid("25.00", "2026-06-05")))
        assert imported
        database.dispose()
        check_isolation(url_with_user(url, "payments_app:app-secret"), application_name="rights")
