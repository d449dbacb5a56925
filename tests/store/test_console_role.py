"""The console's role: its creation, its rejection if it does not isolate companies, and the imports of other roles."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from config.database_urls import libpq_url, with_database
from devstack.engines import embedded_postgres
from payments.journeys import configuring, reporting
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.bulk import FEW_ROWS
from payments.store.db.connection import (
    ConcurrentWriteError,
    Database,
    UnsuitableDatabaseError,
    connect,
    transaction,
)
from payments.store.db.isolation import Access, check_isolation, connect_isolated, with_access
from payments.store.db.policies import CONSOLE_ROLE
from payments.store.migrations import row_security, upgrade
from tests.builders.earlier_release import database_of_revision
from tests.builders.events import saved_payment
from tests.builders.ledger import create_clinic, import_chunk, ledger_entries
from tests.builders.two_companies import add_company, add_second_company
from tests.engines import scratch_database
from workers.runtime.company_keys import adopt_keys
from workers.runtime.row_security import prepare_roles, protect_tables

pytestmark = pytest.mark.slow

GRANT_CONSOLE_ROLE = f"GRANT {CONSOLE_ROLE} TO {{}} WITH INHERIT FALSE, SET TRUE"
NOW = datetime(2020, 6, 12, tzinfo=UTC)
GRANT_SERVICE_RIGHTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a separate server, because roles belong to all databases of a server."""
    with embedded_postgres(tmp_path_factory.mktemp("roles"), durable=False) as url:
        yield url


@pytest.fixture
def superuser(server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(libpq_url(server), autocommit=True) as connection:
        for role in ("limited", "app"):
            connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute("CREATE DATABASE theirs OWNER limited TEMPLATE template0")
        yield connection


def url_of(server: str, role: str, database: str = "theirs") -> str:
    parts = urlsplit(with_database(server, database))
    return parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()


def open_database(url: str, name: str = "tests") -> Database:
    return connect(url, application_name=name, pool_size=1)


def refusal(url: str) -> str:
    with pytest.raises(UnsuitableDatabaseError) as error:
        check_isolation(url, application_name="tests")
    return str(error.value)


def test_migration_without_the_right_to_create_roles_names_the_statement(
    server: str, superuser: psycopg.Connection
) -> None:
    url = url_of(server, "limited")
    assert refusal(url) == f"the role {CONSOLE_ROLE} does not exist: run `python -m workers.migrate`"

    with pytest.raises(
        UnsuitableDatabaseError, match="role limited may not create roles; as an administrator"
    ) as error:
        upgrade(url)
    create, grant = str(error.value).rpartition("run: ")[2].split("; ")
    superuser.execute(create)
    with pytest.raises(UnsuitableDatabaseError, match=f"role limited may not become {CONSOLE_ROLE}"):
        upgrade(url)
    superuser.execute(grant)
    upgrade(url)

    check_isolation(url, application_name="tests")


def test_owner_who_may_create_roles_needs_no_administrator(server: str, superuser: psycopg.Connection) -> None:
    superuser.execute("ALTER ROLE limited CREATEROLE")
    url = url_of(server, "limited")

    upgrade(url)

    check_isolation(url, application_name="tests")


def test_databases_of_one_server_can_be_migrated_at_the_same_time(server: str, superuser: psycopg.Connection) -> None:
    urls = [server, with_database(server, "theirs")]
    program = "import sys; from payments.store.migrations import upgrade; upgrade(sys.argv[1])"
    migrations = [subprocess.Popen([sys.executable, "-c", program, url]) for url in urls]

    assert [each.wait(60) for each in migrations] == [0, 0]
    for url in urls:
        check_isolation(url, application_name="tests")


def test_console_role_without_complete_row_security_is_rejected(server: str, superuser: psycopg.Connection) -> None:
    upgrade(server)
    superuser.execute(GRANT_SERVICE_RIGHTS)
    check_isolation(server, application_name="tests")
    app = url_of(server, "app", "payments")
    assert refusal(app) == f"role app may not become {CONSOLE_ROLE}: {GRANT_CONSOLE_ROLE.format('app')}"
    superuser.execute(GRANT_CONSOLE_ROLE.format("app"))
    check_isolation(app, application_name="tests")

    unlimited = f"row-level security does not limit {CONSOLE_ROLE} on the table {{}}: run `python -m workers.migrate`"
    for undo, do, table in (
        ("ALTER TABLE lines ENABLE ROW LEVEL SECURITY", "ALTER TABLE lines DISABLE ROW LEVEL SECURITY", "lines"),
        (f"ALTER ROLE {CONSOLE_ROLE} NOBYPASSRLS", f"ALTER ROLE {CONSOLE_ROLE} BYPASSRLS", "account_marks"),
        (f"REVOKE postgres FROM {CONSOLE_ROLE}", f"GRANT postgres TO {CONSOLE_ROLE}", "account_marks"),
    ):
        superuser.execute(do)
        assert refusal(app) == unlimited.format(table)
        superuser.execute(undo)
    superuser.execute("DROP POLICY companies ON users")
    assert refusal(app) == unlimited.format("users")
    superuser.execute(f"REVOKE ALL ON lines FROM {CONSOLE_ROLE}")
    assert refusal(app) == f"the role {CONSOLE_ROLE} may not read the tables: run `python -m workers.migrate`"

    engine = open_database(server)
    protect_tables(engine)
    engine.dispose()

    check_isolation(app, application_name="tests")


def test_role_of_the_services_keeps_copy(server: str, superuser: psycopg.Connection) -> None:
    upgrade(server)
    superuser.execute(GRANT_SERVICE_RIGHTS)

    engine = open_database(server)
    prepare_roles(engine)
    engine.dispose()

    (bypasses,) = superuser.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = 'app'").fetchone() or ()
    assert bypasses


def test_role_without_copy_imports_by_insert(server: str, superuser: psycopg.Connection) -> None:
    upgrade(server)
    superuser.execute(GRANT_SERVICE_RIGHTS)
    superuser.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app")
    engine = open_database(url_of(server, "app", "payments"))

    def import_payments() -> None:
        with transaction(engine) as tx:
            create_clinic(tx)
            import_chunk(tx, *(saved_payment("25.00", payment_id=f"payment-{each}") for each in range(FEW_ROWS + 1)))

    with pytest.raises(ConcurrentWriteError, match="row-level security of events refuses COPY"):
        import_payments()
    import_payments()  # as the worker repeats it
    with transaction(engine) as tx:
        found = ledger_entries(tx, "payment-0")
        assert tx.execute(text("SELECT count(*) FROM history")).scalar_one() > 0
    engine.dispose()

    assert found == [("25.00", "2026-06-05")]


def test_role_without_copy_is_reported_and_stops_the_upgrade_while_an_earlier_release_runs(
    server: str, superuser: psycopg.Connection
) -> None:
    superuser.execute("ALTER ROLE limited CREATEROLE")
    upgrade(url_of(server, "limited"))
    with psycopg.connect(libpq_url(url_of(server, "limited")), autocommit=True) as owner:
        owner.execute(GRANT_SERVICE_RIGHTS)
    engine = open_database(url_of(server, "limited"))
    with transaction(engine) as tx:
        assert row_security.prepare_roles(tx) == ["app"]
    earlier = libpq_url(url_of(server, "app"))
    with (
        psycopg.connect(earlier, application_name="payments importer"),
        pytest.raises(UnsuitableDatabaseError, match=r"payments importer.*ALTER ROLE app BYPASSRLS"),
    ):
        prepare_roles(engine)
    engine.dispose()


def test_database_of_the_previous_release_is_protected_while_it_is_upgraded(
    postgres_url: str, ledger_template: str
) -> None:
    with scratch_database(postgres_url, ledger_template) as current:
        source = open_database(current)
        with transaction(source) as tx:
            add_second_company(tx)
            add_company(tx)
        source.dispose()
        with database_of_revision(postgres_url, "0020", rows_of=current) as url:
            database = open_database(url)
            prepare_roles(database)
            upgrade(url)
            assert "may not read the tables" in refusal(url)
            adopt_keys(database, finishing=False)
            protect_tables(database)
            work_in_console(url, integration=False)
            adopt_keys(database, finishing=True)
            protect_tables(database)
            work_in_console(url, integration=True)
            database.dispose()


def work_in_console(url: str, *, integration: bool) -> None:
    """Change settings and list exceptions as a user of one company. Another company uses the same ids."""
    update = SettingsUpdate("clinic", "company", integration=integration)
    database = connect_isolated(url, application_name="tests", pool_size=1)
    with transaction(with_access(database, Access(frozenset({"company"})))) as tx:
        configuring.set_clinic(tx, update, now=NOW, who="user:biller")
        rows = list(reporting.exceptions(tx, ExceptionFilter()))
        assert {row.company for row in rows} == {"company"}
        assert len(configuring.list_clinic_settings(tx, NOW)) == 1
    database.dispose()
