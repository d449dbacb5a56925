import io
import os
import re
import signal
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from devstack.child_output import ChildOutput
from devstack.child_process import has_ended, spawn
from devstack.embedded_postgres import prepare_postgres
from devstack.embedded_valkey import prepare_valkey
from devstack.engines import HomeInUseError, embedded_engines, embedded_postgres, home_lock
from devstack.supervisor import RestartBackoff, Supervisor

ROOT = Path(__file__).resolve().parents[2]
# Every one of them starts servers.
pytestmark = pytest.mark.acceptance


def connect(url):
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def started(child, folder):
    with (folder / f"{child.name}.out").open("wb") as output:
        return spawn(child, output)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home of its own in which engines have run once, shared by the tests of this file."""
    home = tmp_path_factory.mktemp("another")
    with embedded_engines(home):
        return home


def test_two_homes_do_not_collide(home, postgres_url, redis_url):
    with embedded_engines(home) as engines:
        assert engines.database_url != postgres_url
        assert engines.redis_url != redis_url
        with connect(engines.database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE only_here (id int)")
        with connect(postgres_url) as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_a_ledger_at_a_desk_has_as_much_of_postgresqls_memory_as_one_of_compose(home):
    given = re.search(r"shared_buffers=\$\{POSTGRES_MEMORY:-(\w+)\}", (ROOT / "docker-compose.yml").read_text())
    assert given
    with embedded_engines(home) as engines, connect(engines.database_url) as connection:
        assert connection.execute("SHOW shared_buffers").fetchone() == (given[1],)


def test_a_home_is_held_by_one_alone(home):
    with home_lock(home), pytest.raises(HomeInUseError, match="another `payments up` runs in"), home_lock(home):
        pass


def test_what_is_private_is_readable_by_its_owner_alone(home):
    assert [mode(home / part) for part in ("run", "log", "valkey", "postgres", "postgres/socket")] == [0o700] * 5
    assert [mode(home / "valkey" / file) for file in ("access.json", "valkey.conf")] == [0o600] * 2


def test_valkey_refuses_those_who_do_not_know_the_password(home):
    with embedded_engines(home) as engines:
        open_url = "redis://127.0.0.1:" + engines.redis_url.rpartition(":")[2]
        with redis.Redis.from_url(open_url) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(engines.redis_url) as client:
            settings = client.config_get("append*") | client.config_get("maxmemory-policy")

    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")
    assert settings["maxmemory-policy"] == "noeviction"


def test_engines_come_back_after_a_kill_with_what_was_committed(home):
    postgres, valkey = prepare_postgres(home), prepare_valkey(home)
    output = ChildOutput(home / "log", io.StringIO(), "columns")
    with Supervisor(output, RestartBackoff(initial_seconds=0.05)) as supervisor:
        for engine in (postgres, valkey):
            supervisor.start(engine.child())
            engine.wait_until_ready(lambda name=engine.name: supervisor.is_running(name))
        with connect(postgres.url) as connection, redis.Redis.from_url(valkey.url) as client:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            client.xadd("feed", {"event": "{}"})

        for watched in supervisor._watched:
            os.kill(watched.process.pid, signal.SIGKILL)
        for name in ("postgres", "valkey"):
            while supervisor.is_running(name):
                supervisor.poll(10)
        for engine in (postgres, valkey):
            engine.wait_until_ready(lambda: supervisor.poll(0.05) is None)

        with connect(postgres.url) as connection, redis.Redis.from_url(valkey.url) as client:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert client.xlen("feed") == 1


def test_valkey_is_ready_once_it_has_read_its_file(home):
    with embedded_engines(home) as engines, redis.Redis.from_url(engines.redis_url) as client:
        client.eval("for number = 1, 300000 do redis.call('xadd', 'long', '*', 'event', '{}') end", 0)

    with embedded_engines(home) as engines, redis.Redis.from_url(engines.redis_url) as client:
        assert client.xlen("long") == 300_000
        client.delete("long")


def test_engines_left_by_an_earlier_run_are_ended_at_the_next_start(home):
    left = []
    for engine in (prepare_postgres(home), prepare_valkey(home)):
        left.append(started(engine.child(), home))
        engine.wait_until_ready(lambda: not has_ended(left[-1]))

    with embedded_engines(home) as engines, connect(engines.database_url):
        assert [process.wait(10) for process in left] == [0, 0]


def test_the_note_of_a_server_whose_number_is_now_a_strangers_is_removed(home):
    note = home / "postgres" / "data" / "postmaster.pid"
    note.write_text(f"{os.getpid()}\n{note.parent}\n")

    prepare_postgres(home)

    assert not note.exists()


def test_a_home_with_a_long_name_has_its_socket_elsewhere_and_leaves_none(tmp_path):
    home = tmp_path / ("long" * 30)

    with embedded_postgres(home, durable=False) as url, connect(url) as connection:
        sockets = Path(connection.execute("SHOW unix_socket_directories").fetchone()[0].strip('"'))
        assert not sockets.is_relative_to(home)
        assert mode(sockets) == 0o700

    assert not sockets.exists()
