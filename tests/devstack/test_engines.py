"""The embedded engines: isolation, permissions, durability and recovery."""

import io
import os
import re
import signal
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from config.database_urls import libpq_url
from devstack.child_output import ChildOutput
from devstack.child_process import has_ended, spawn
from devstack.embedded_postgres import prepare_postgres
from devstack.embedded_valkey import prepare_valkey
from devstack.engines import HomeInUseError, embedded_engines, embedded_postgres, home_lock
from devstack.supervisor import RestartBackoff, Supervisor

ROOT = Path(__file__).resolve().parents[2]
# Every test starts servers.
pytestmark = pytest.mark.acceptance


def connect(url):
    return psycopg.connect(libpq_url(url), autocommit=True)


def start_engine(child, folder):
    with (folder / f"{child.name}.out").open("wb") as output:
        return spawn(child, output)


def file_permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home folder where the engines have run once, shared by the tests of this file."""
    home = tmp_path_factory.mktemp("home")
    with embedded_engines(home):
        return home


def test_engines_of_two_homes_are_independent(home, postgres_url, redis_url):
    with embedded_engines(home) as engines:
        assert engines.database_url != postgres_url
        assert engines.redis_url != redis_url
        with connect(engines.database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE only_here (id int)")
        with connect(postgres_url) as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_embedded_postgres_has_the_same_memory_and_log_sizes_as_in_compose(home):
    compose = (ROOT / "docker-compose.yml").read_text().replace("${POSTGRES_MEMORY:-512MB}", "512MB")
    configured = dict(re.findall(r"-c(shared_buffers|min_wal_size|max_wal_size)=(\w+)$", compose, re.MULTILINE))
    assert len(configured) == 3
    with embedded_engines(home) as engines, connect(engines.database_url) as connection:
        assert {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in configured} == configured


def test_home_is_locked_by_one_process(home):
    with home_lock(home), pytest.raises(HomeInUseError, match="another `payments up` runs in"), home_lock(home):
        pass


def test_private_files_are_readable_by_their_owner_only(home):
    assert [file_permissions(home / part) for part in ("run", "log", "valkey", "postgres", "postgres/socket")] == [
        0o700
    ] * 5
    assert [file_permissions(home / "valkey" / file) for file in ("access.json", "valkey.conf")] == [0o600] * 2


def test_valkey_requires_its_password(home):
    with embedded_engines(home) as engines:
        open_url = "redis://127.0.0.1:" + engines.redis_url.rpartition(":")[2]
        with redis.Redis.from_url(open_url) as client_without_password, pytest.raises(redis.AuthenticationError):
            client_without_password.ping()
        with redis.Redis.from_url(engines.redis_url) as client:
            settings = client.config_get("append*") | client.config_get("maxmemory-policy")

    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")
    assert settings["maxmemory-policy"] == "noeviction"


def test_killed_engines_restart_with_their_committed_data(home):
    postgres, valkey = prepare_postgres(home), prepare_valkey(home)
    output = ChildOutput(home / "log", io.StringIO(), "columns")
    with Supervisor(output, RestartBackoff(initial_seconds=0.05)) as supervisor:
        for engine in (postgres, valkey):
            supervisor.start(engine.child())
            engine.wait_until_ready(lambda name=engine.name: supervisor.poll_running(name))
        with connect(postgres.url) as connection, redis.Redis.from_url(valkey.url) as client:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            client.xadd("feed", {"event": "{}"})

        for watched in supervisor._watched:
            os.kill(watched.process.pid, signal.SIGKILL)
        for name in ("postgres", "valkey"):
            while supervisor.poll_running(name):
                supervisor.poll(10)
        for engine in (postgres, valkey):
            engine.wait_until_ready(lambda: supervisor.poll(0.05) is None)

        with connect(postgres.url) as connection, redis.Redis.from_url(valkey.url) as client:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert client.xlen("feed") == 1


def test_valkey_is_ready_after_loading_its_data(home):
    with embedded_engines(home) as engines, redis.Redis.from_url(engines.redis_url) as client:
        client.eval("for number = 1, 300000 do redis.call('xadd', 'long', '*', 'event', '{}') end", 0)

    with embedded_engines(home) as engines, redis.Redis.from_url(engines.redis_url) as client:
        assert client.xlen("long") == 300_000
        client.delete("long")


def test_engines_left_by_an_earlier_run_are_stopped_at_the_next_start(home):
    leftovers = []
    for engine in (prepare_postgres(home), prepare_valkey(home)):
        leftovers.append(start_engine(engine.child(), home))
        engine.wait_until_ready(lambda: not has_ended(leftovers[-1]))

    with embedded_engines(home) as engines, connect(engines.database_url):
        assert [process.wait(10) for process in leftovers] == [0, 0]


def test_pid_file_whose_pid_was_reused_is_removed(home):
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")

    prepare_postgres(home)

    assert not pid_file.exists()


def test_long_home_has_its_socket_in_a_temporary_folder(tmp_path):
    home = tmp_path / ("long" * 30)

    with embedded_postgres(home, durable=False) as url, connect(url) as connection:
        sockets = Path(connection.execute("SHOW unix_socket_directories").fetchone()[0].strip('"'))
        assert not sockets.is_relative_to(home)
        assert file_permissions(sockets) == 0o700

    assert not sockets.exists()
