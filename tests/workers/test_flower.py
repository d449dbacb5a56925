import base64
import http.client
import os
import subprocess
import sys
import time
from contextlib import closing

import pytest

from config.engines import Engines
from config.settings import read_settings
from workers import flower
from workers.runtime.config_errors import EXIT_MISCONFIGURED
from workers.runtime.ports import free_port

PATIENCE_SECONDS = 20.0
NAMED = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://:secret@h:6379/0"}
LOGIN = {"PAYMENTS_FLOWER_USER": "ann", "PAYMENTS_FLOWER_PASSWORD": "a,b"}


@pytest.mark.parametrize(
    ("environ", "login"),
    [
        (LOGIN, "ann:a,b"),
        (LOGIN | {"FLOWER_UNAUTHENTICATED_API": "true"}, "ann:a,b"),
        ({"FLOWER_UNAUTHENTICATED_API": "true"}, None),
    ],
)
def test_flower_has_a_login_or_the_word_of_the_operator(environ, login):
    assert flower.required_login(read_settings(environ), environ) == login


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (NAMED, "PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both"),
        ({"PAYMENTS_FLOWER_PROT": "1"}, "PAYMENTS_FLOWER_PROT: there is no such setting"),
    ],
)
def test_flower_refuses_to_start_in_one_line_and_is_not_started_again(monkeypatch, capsys, environ, said):
    monkeypatch.setattr(flower, "configure_logging", lambda *_: None)

    assert flower.main(environ) == EXIT_MISCONFIGURED

    assert capsys.readouterr().err.startswith(f"flower: {said}")


@pytest.fixture
def served(postgres_url, redis_url, tmp_path):
    """The port of a Flower that asks for a login."""
    port = free_port()
    env = (
        os.environ | Engines.named(postgres_url, redis_url).environment() | LOGIN | {"PAYMENTS_FLOWER_PORT": str(port)}
    )
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "workers.flower"], env=env, stdout=out, stderr=out)
    yield port
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0


def status(port, path, login=None, method="GET"):
    """The status of the answer, once the server is there to give one."""
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
            try:
                connection.request(method, path, headers=headers)
                return connection.getresponse().status
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


@pytest.mark.acceptance
def test_flower_shows_its_pages_to_those_who_log_in_and_changes_nothing_for_them(served):
    assert status(served, "/tasks") == 401
    assert status(served, "/tasks", "ann:a") == 401
    assert status(served, "/tasks", "ann:a,b") == 200
    assert status(served, "/api/task/send-task/payments.retry_due", "ann:a,b", method="POST") == 403
