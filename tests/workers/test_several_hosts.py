"""DATABASE_URL with several hosts: each process uses the host that accepts writes."""

import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from config.database_urls import libpq_url, normalize_database_url
from config.settings import read_settings
from devstack.engines import embedded_postgres
from payments.store.db.connection import accepts_no_writes, connect, is_reachable, transaction
from payments.store.db.isolation import check_isolation
from payments.store.db.statement import text
from payments.store.migrations import is_current
from tasks.engine_check import require_database
from tests.acceptance.stack import clean_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def several_hosts(tmp_path_factory):
    """Run a read-only server and a primary. Return a URL that names a missing server and these two, in this order."""
    with (
        embedded_postgres(tmp_path_factory.mktemp("standby")) as standby,
        embedded_postgres(tmp_path_factory.mktemp("primary")) as primary,
    ):
        with psycopg.connect(libpq_url(standby), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")
        hosts = [parse_qs(urlsplit(url).query)["host"][0] for url in (standby, primary)]
        yield normalize_database_url(
            f"postgresql://postgres@/payments?host=127.0.0.1,{','.join(hosts)}&port=1,5432,5432"
        )


@pytest.fixture(scope="module")
def migrated_hosts(several_hosts):
    """Run `workers.migrate` as a process on the database, and return the URL."""
    environment = clean_environment() | {"DATABASE_URL": several_hosts}
    subprocess.run([sys.executable, "-m", "workers.migrate"], env=environment, check=True)
    return several_hosts


def test_connections_reach_the_host_that_accepts_writes(migrated_hosts):
    engine = connect(migrated_hosts, application_name="tests")
    with transaction(engine) as tx:
        tx.execute(text("INSERT INTO companies VALUES ('several-hosts')"))

    assert is_reachable(engine)
    assert is_current(engine)
    assert not accepts_no_writes(engine)
    engine.dispose()


def test_services_and_console_accept_several_hosts(migrated_hosts):
    require_database(read_settings({"DATABASE_URL": migrated_hosts}), migrated_hosts)
    check_isolation(migrated_hosts, application_name="tests")
    with psycopg.connect(libpq_url(migrated_hosts)) as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)


def test_command_accepts_several_hosts(migrated_hosts):
    environment = clean_environment() | {"DATABASE_URL": migrated_hosts, "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "-m", "console.cli.main", "users", "list"]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")
