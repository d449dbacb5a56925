"""Flower is read-only and requires a login. If the settings have no login, it exits."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from config.celery import FINDINGS, KEY_PREFIX, celery_settings
from config.engines import Engines
from config.settings import read_settings
from tasks import wire_names
from tasks.app import close_app, make_app
from tasks.enqueue import send
from tasks.resources import connect_redis
from tests.workers.conftest import ENCODED_PASSWORD
from workers import flower
from workers.runtime.config_errors import EXIT_MISCONFIGURED
from workers.runtime.ports import free_port

TIMEOUT_SECONDS = 60.0
URL_SETTINGS = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://:secret@h:6379/0"}
LOGIN_SETTINGS = {"PAYMENTS_FLOWER_USER": "ann", "PAYMENTS_FLOWER_PASSWORD": "a,b"}


@pytest.mark.parametrize(
    ("environ", "login"),
    [
        (LOGIN_SETTINGS, "ann:a,b"),
        (LOGIN_SETTINGS | {"FLOWER_UNAUTHENTICATED_API": "true"}, "ann:a,b"),
        ({"FLOWER_UNAUTHENTICATED_API": "true"}, None),
    ],
)
def test_flower_requires_a_login_unless_the_operator_allows_access_without(environ, login):
    assert flower.flower_credentials(read_settings(environ), environ) == login


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (URL_SETTINGS, "PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both"),
        ({"PAYMENTS_FLOWER_PROT": "1"}, "PAYMENTS_FLOWER_PROT: there is no such setting"),
    ],
)
def test_flower_without_a_login_exits_with_one_line_and_is_not_restarted(monkeypatch, capsys, environ, message):
    monkeypatch.setattr(flower, "configure_logging", lambda *_: None)

    assert flower.main(environ) == EXIT_MISCONFIGURED

    assert capsys.readouterr().err.startswith(f"flower: {message}")


# Variables from which Flower or Celery would take an option, and those of a Kubernetes service called `flower`.
FOREIGN_VARIABLES = {
    "FLOWER_PORT": "tcp://10.0.0.1:5555",
    "FLOWER_SERVICE_HOST": "10.0.0.1",
    "FLOWER_ADDRESS": "0.0.0.0",  # noqa: S104 (Flower must not see it)
    "FLOWER_READ_ONLY": "false",
    "FLOWER_BASIC_AUTH": "eve:eve",
    "FLOWER_AUTH": ".*",
    "FLOWER_URL_PREFIX": "flower",
    "FLOWER_UNIX_SOCKET": "/nowhere/socket",
    "FLOWER_BROKER_API": "nonsense",
    "FLOWER_UNAUTHENTICATED_API": "true",
    "APP": "billing",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:1/0",
    "CELERY_CONFIG_MODULE": "nowhere",
    "CELERY_LOADER": "nowhere",
}


def test_flower_keeps_its_tasks_at_a_restart_where_it_can_write(tmp_path):
    home, not_a_folder = tmp_path / "home", tmp_path / "file"
    not_a_folder.touch()

    assert flower.persistence_options(home)[:2] == ["--persistent=true", f"--db={home / 'tasks'}"]
    assert home.stat().st_mode & 0o777 == 0o700
    assert flower.persistence_options(not_a_folder / "home") == ["--persistent=false"]


@contextmanager
def running_flower(folder, environment):
    """Run Flower with a login in this folder, and yield the port. Flower's output goes to the file `out`."""
    port = free_port()
    env = os.environ | environment | LOGIN_SETTINGS | {"PAYMENTS_FLOWER_PORT": str(port)}
    command = [sys.executable, "-m", "workers.flower"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=out)
    try:
        yield port
    finally:
        process.terminate()
        exit_status = process.wait(TIMEOUT_SECONDS)
    assert exit_status == 0


def get_page(port, path, login=None, method="GET", host="127.0.0.1"):
    """Wait until the server answers, and return the HTTP status and the page."""
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        with closing(http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)) as connection:
            try:
                connection.request(method, path, headers=headers)
                response = connection.getresponse()
                return response.status, response.read().decode()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def status(*request, **options):
    return get_page(*request, **options)[0]


@pytest.fixture
def flower_port(postgres_url, redis_url, tmp_path):
    """Run Flower with a login, and yield the port."""
    with running_flower(tmp_path, Engines.from_urls(postgres_url, redis_url).environment()) as port:
        yield port


@pytest.mark.acceptance
def test_flower_is_read_only_and_shows_pages_after_a_login(flower_port):
    assert_read_only(flower_port)


@pytest.mark.acceptance
def test_flower_listens_on_the_bind_address_only(postgres_url, redis_url, tmp_path):
    environment = Engines.from_urls(postgres_url, redis_url).environment() | {"PAYMENTS_BIND_ADDRESS": "127.0.0.2"}

    with running_flower(tmp_path, environment) as port:
        assert status(port, "/healthcheck", host="127.0.0.2") == 200
        with pytest.raises(ConnectionRefusedError), closing(http.client.HTTPConnection("127.0.0.1", port)) as elsewhere:
            elsewhere.connect()


def assert_read_only(port):
    assert status(port, "/tasks") == 401
    assert status(port, "/tasks", "ann:a") == 401
    assert status(port, "/tasks", "ann:a,b") == 200
    assert status(port, "/api/task/send-task/payments.retry_due", "ann:a,b", method="POST") == 403


@pytest.mark.acceptance
def test_variables_named_like_options_of_flower_and_celery_are_ignored(postgres_url, redis_url, tmp_path):
    (tmp_path / "flowerconfig.py").write_text("port = 1\nbasic_auth = ['eve:eve']\n")

    with running_flower(tmp_path, Engines.from_urls(postgres_url, redis_url).environment() | FOREIGN_VARIABLES) as port:
        assert_read_only(port)
        assert status(port, "/tasks", "eve:eve") == 401

    log = (tmp_path / "out").read_text()
    assert log.count("flower_variables_ignored") == 1
    assert "FLOWER_ADDRESS, FLOWER_AUTH, FLOWER_BASIC_AUTH, " in log
    assert "eve:eve" not in log


@pytest.mark.acceptance
@pytest.mark.parametrize("form", ["redis://:{}@127.0.0.1:{port}/0", "unix://:{}@{socket}"])
def test_password_of_the_broker_is_on_no_page_and_in_no_log(form, protected_redis, tmp_path):
    port, socket = protected_redis
    url = form.format(ENCODED_PASSWORD, port=port, socket=socket)

    with running_flower(tmp_path, {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": url}) as flower_port:
        pages = [get_page(flower_port, path, "ann:a,b") for path in ("/broker", "/workers", "/tasks", "/api/workers")]

    assert [found for found, _ in pages] == [200] * 4
    for text in (*(page for _, page in pages), (tmp_path / "out").read_text()):
        assert "sEcr3t" not in text
        assert "Unable to get queues" not in text


@pytest.fixture
def failing_worker(postgres_url, redis_url, tmp_path):
    """Run the back office on a database without tables, so that every task fails.

    Yield a function that returns the number of messages in a queue.
    """
    engines = Engines.from_urls(postgres_url, redis_url)
    env = os.environ | engines.environment() | {"PAYMENTS_HOME": str(tmp_path)}
    with connect_redis(engines.broker_url) as broker:
        broker.flushdb()  # other tests leave messages
    with (tmp_path / "worker").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "workers.backoffice"], env=env, stdout=out, stderr=out)
    with connect_redis(engines.broker_url) as broker:
        make_app(celery_settings(engines))
        yield lambda queue: broker.llen(f"{KEY_PREFIX}{queue}")
        close_app()
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0
        broker.flushdb()


@pytest.mark.acceptance
def test_flower_shows_a_failed_task_as_failed_and_its_message_is_gone(flower_port, failing_worker):
    assert status(flower_port, "/tasks", "ann:a,b") == 200

    send(wire_names.DETECT_EXCEPTIONS)

    (failed,) = wait_for_tasks(flower_port, "FAILURE")
    assert (failed["name"], failed["exception"]) == (
        wire_names.DETECT_EXCEPTIONS,
        "TaskFailedError('ProgrammingError')",
    )
    assert failing_worker(FINDINGS) == 0
    assert tasks_of(flower_port, "SUCCESS") == []
    assert 'data-column="exception"' in read_page(flower_port, "/tasks")


def wait_for_tasks(port, state):
    """Wait until Flower shows a task in this state, and return all tasks in this state."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (found := tasks_of(port, state)):
        assert time.monotonic() < deadline, tasks_of(port, "")
        time.sleep(0.05)
    return found


def tasks_of(port, state):
    """Return the tasks in this state as Flower's API shows them."""
    return list(json.loads(read_page(port, f"/api/tasks?state={state}")).values())


def read_page(port, path):
    """Return the body of a page after a login."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)) as connection:
        login = {"Authorization": "Basic " + base64.b64encode(b"ann:a,b").decode()}
        connection.request("GET", path, headers=login)
        return connection.getresponse().read().decode()
