"""A process exits at startup with one line if a server rejects the URL or the database is unusable."""

from contextlib import closing

import pytest

from config.celery import celery_settings
from config.database_urls import with_database
from config.engines import Engines
from config.redis_urls import normalize_redis_url
from config.settings import read_settings
from payments.store.migrations import upgrade
from tasks.app import make_app
from tasks.engine_check import require_database, require_feed
from tasks.resources import connect_redis
from tests.workers.conftest import ENCODED_PASSWORD, PASSWORD
from workers.runtime.config_errors import EXIT_MISCONFIGURED
from workers.runtime.ports import free_port

pytestmark = pytest.mark.slow

UNREACHABLE_REDIS_URL = "redis://127.0.0.1:1/0"
SERVICES = ("workers.intake", "workers.importer", "workers.retrier", "workers.backoffice", "console.web.serve")


def assert_one_line_error(ended, name, *words):
    """Assert that a process printed one line that names the setting and the cause, and no part of the password."""
    (line,) = ended.err.splitlines()
    for word in (f"{name}: ", *words):
        assert word in line
    assert "sEcr3t" not in line


def test_any_password_that_is_percent_encoded_logs_in(url_of_role, protected_redis):
    settings, (port, socket) = read_settings({}), protected_redis

    require_database(settings, url_of_role("app"))
    for url in (f"redis://:{ENCODED_PASSWORD}@127.0.0.1:{port}/0", f"unix://:{ENCODED_PASSWORD}@{socket}?db=0"):
        require_feed(settings, normalize_redis_url(url))


@pytest.mark.parametrize(
    ("login", "cause"),
    [
        (("app", "sEcr3t"), 'password authentication failed for user "app"'),
        (("app", ""), "no password supplied"),
        (("nameless", "sEcr3t"), 'password authentication failed for user "nameless"'),
        (("barred", PASSWORD), "pg_hba.conf rejects connection"),
        (("limited", PASSWORD), "role limited has no SELECT right on the table"),
        (("reader", PASSWORD), "role reader has no INSERT right on the table"),
    ],
)
@pytest.mark.parametrize("module", SERVICES)
def test_role_that_postgresql_refuses_stops_a_service(module, login, cause, run_module, url_of_role):
    ended = run_module(module, DATABASE_URL=url_of_role(*login), REDIS_URL=UNREACHABLE_REDIS_URL)

    assert ended.status == EXIT_MISCONFIGURED
    assert_one_line_error(ended, "DATABASE_URL", cause)


def test_console_that_cannot_isolate_companies_is_stopped(run_module, url_of_role):
    ended = run_module("console.web.serve", DATABASE_URL=url_of_role("app"), REDIS_URL=UNREACHABLE_REDIS_URL)

    assert ended.status == EXIT_MISCONFIGURED
    grant = "GRANT payments_console TO app WITH INHERIT FALSE, SET TRUE"
    assert_one_line_error(ended, "DATABASE_URL", f"role app may not become payments_console: {grant}")


@pytest.mark.parametrize(
    ("database", "cause"),
    [
        ("none", 'database "none" does not exist'),
        ("sql_ascii", "the database sql_ascii has the encoding SQL_ASCII; create it with ENCODING 'UTF8'"),
        ("latin1", "the database latin1 has the encoding LATIN1; create it with ENCODING 'UTF8'"),
    ],
)
@pytest.mark.parametrize("module", ["workers.migrate", *SERVICES])
def test_database_that_cannot_be_used_stops_a_process(module, database, cause, run_module, server_url):
    ended = run_module(module, DATABASE_URL=with_database(server_url, database), REDIS_URL=UNREACHABLE_REDIS_URL)

    assert ended.status == EXIT_MISCONFIGURED
    assert_one_line_error(ended, "DATABASE_URL", cause)


@pytest.mark.parametrize("module", ["workers.migrate", *SERVICES])
def test_wrong_value_of_a_libpq_option_stops_a_process(module, run_module, server_url):
    ended = run_module(module, DATABASE_URL=f"{server_url}&sslmode=requird", REDIS_URL=UNREACHABLE_REDIS_URL)

    assert ended.status == EXIT_MISCONFIGURED
    assert_one_line_error(ended, "DATABASE_URL", 'invalid sslmode value: "requird"')


@pytest.mark.parametrize("client_encoding", ["LATIN1", "SQL_ASCII"])
def test_client_encoding_of_the_environment_changes_nothing(client_encoding, server_url, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", client_encoding)

    require_database(read_settings({}), server_url)
    upgrade(server_url)


def test_role_without_schema_rights_gets_an_error_naming_the_right(run_module, url_of_role, owner):
    owner.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    try:
        ended = run_module("workers.importer", DATABASE_URL=url_of_role("app"), REDIS_URL=UNREACHABLE_REDIS_URL)
    finally:
        owner.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")

    assert_one_line_error(ended, "DATABASE_URL", "role app may use no schema: GRANT USAGE ON SCHEMA public TO the role")


@pytest.mark.parametrize("module", ["workers.importer", "workers.migrate"])
def test_role_with_another_search_path_gets_an_error_naming_it(module, run_module, url_of_role, owner):
    owner.execute("CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO app; ALTER ROLE app SET search_path = other")
    try:
        ended = run_module(module, DATABASE_URL=url_of_role("app"), REDIS_URL=UNREACHABLE_REDIS_URL)
    finally:
        owner.execute("ALTER ROLE app RESET search_path; DROP SCHEMA other")

    assert_one_line_error(ended, "DATABASE_URL", "role app finds the schema other first; the tables are in public")


def test_migration_by_a_role_that_may_not_create_tables_names_the_cause(run_module, url_of_role, owner):
    owner.execute("CREATE DATABASE fresh TEMPLATE template0")

    ended = run_module(
        "workers.migrate", DATABASE_URL=with_database(url_of_role("app"), "fresh"), REDIS_URL=UNREACHABLE_REDIS_URL
    )

    assert ended.status == EXIT_MISCONFIGURED
    assert_one_line_error(ended, "DATABASE_URL", "permission denied for schema public")


def test_migration_without_a_server_ends_with_the_status_of_an_outage(run_module):
    url = f"postgresql://u:sEcr3t@127.0.0.1:{free_port()}/d"

    ended = run_module("workers.migrate", DATABASE_URL=url, REDIS_URL=UNREACHABLE_REDIS_URL)

    assert ended.status == 1
    assert_one_line_error(ended, "DATABASE_URL", "does not answer", "Connection refused")


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        (":sEcr3t@{}/0", "invalid username-password pair or user is disabled"),
        ("{}/0", "Authentication required"),
        ("ann:sEcr3t@{}/0", "invalid username-password pair or user is disabled"),
        (f":{ENCODED_PASSWORD}@{{}}/7", "DB index is out of range"),
        # The feed has the last database, so the broker would have one that does not exist.
        (
            f":{ENCODED_PASSWORD}@{{}}/1",
            "Celery's broker uses database 2, the next one; CELERY_BROKER_URL can name",
        ),
    ],
)
@pytest.mark.parametrize("module", [*SERVICES, "workers.scheduler", "workers.flower"])
def test_redis_that_refuses_its_url_stops_a_service(module, place, cause, run_module, protected_redis):
    ended = run_module(
        module,
        DATABASE_URL="postgresql://127.0.0.1:1/none",
        REDIS_URL=f"redis://{place.format(f'127.0.0.1:{protected_redis[0]}')}",
        FLOWER_UNAUTHENTICATED_API="true",
        PAYMENTS_FLOWER_PORT=str(free_port()),
    )

    assert ended.status == EXIT_MISCONFIGURED
    # The scheduler and Flower use the broker alone, whose URL is derived.
    assert_one_line_error(ended, "REDIS_URL", cause)


def test_configured_broker_is_named_in_its_error(run_module, protected_redis, server_url):
    good, port = ENCODED_PASSWORD, protected_redis[0]
    urls = {
        "REDIS_URL": f"redis://:{good}@127.0.0.1:{port}/0",
        "CELERY_BROKER_URL": f"redis://:sEcr3t@127.0.0.1:{port}/1",
    }

    ended = run_module("workers.importer", DATABASE_URL=server_url, **urls)

    assert_one_line_error(ended, "CELERY_BROKER_URL", f"redis://127.0.0.1:{port}/1: ", "invalid username-password pair")


def test_redis_user_without_ping_permission_passes_the_check(protected_redis):
    require_feed(read_settings({}), f"redis://nobody:any@127.0.0.1:{protected_redis[0]}/0")


@pytest.mark.parametrize("variable", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
@pytest.mark.parametrize("form", ["redis://:{}@127.0.0.1:{port}/1", "unix://:{}@{socket}?db=1"])
def test_celery_uses_the_configured_broker_and_not_that_of_its_environment(
    form, variable, protected_redis, monkeypatch
):
    port, socket = protected_redis
    broker_url = normalize_redis_url(form.format(ENCODED_PASSWORD, port=port, socket=socket))
    monkeypatch.setenv(variable, f"redis://:{PASSWORD}@127.0.0.1:1/9")

    app = make_app(celery_settings(Engines("", "redis://127.0.0.1:1/0", broker_url)))
    app.send_task("payments.retry_due", ignore_result=True)

    with closing(connect_redis(broker_url)) as broker, app.connection_for_read() as connection:
        assert broker.delete("payments:retries") == 1
        assert connection.ensure_connection(max_retries=1)
    with app.connection() as connection:
        assert "sEcr3t" not in connection.as_uri()
