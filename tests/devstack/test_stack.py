"""`payments up`: errors, the file that describes the running stack, and the environment of the services."""

import os
import signal
import socket
import sys
from contextlib import closing

import pytest

from config.engines import Engines, running_stack
from config.settings import read_settings
from devstack import stack
from devstack.child_process import Child
from devstack.engines import home_lock
from workers.runtime.ports import accepts_connections, free_port

pytestmark = pytest.mark.acceptance

URL_SETTINGS = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://:secret@h:6379/0"}


@pytest.fixture(autouse=True)
def _unchanged_logging(monkeypatch):
    """Leave the log configuration of the test run unchanged."""
    monkeypatch.setattr("devstack.stack.configure_logging", lambda *_: None)


@pytest.fixture
def taken_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def settings_in(home, **environ):
    ports = {"PAYMENTS_FLOWER_PORT": str(free_port()), "PAYMENTS_CONSOLE_PORT": str(free_port())}
    return read_settings({"PAYMENTS_HOME": str(home), **ports, **environ})


def test_second_payments_up_in_the_same_home_exits_with_a_one_line_message(tmp_path, capsys):
    with home_lock(tmp_path):
        assert stack.main(settings_in(tmp_path)) == 1

    message = capsys.readouterr().err
    assert message.startswith("payments up: another `payments up` runs in")
    assert message.count("\n") == 1


def test_taken_port_is_reported_with_its_setting(tmp_path, capsys, taken_port):
    assert stack.main(settings_in(tmp_path, PAYMENTS_FLOWER_PORT=str(taken_port))) == 1

    assert f"port {taken_port} of 127.0.0.1 is taken by another program; set PAYMENTS_FLOWER_PORT" in (
        capsys.readouterr().err
    )


def test_unavailable_engine_is_reported_without_its_password(tmp_path, capsys):
    nowhere = {
        "DATABASE_URL": f"postgresql://u:secret@127.0.0.1:{free_port()}/d",
        "REDIS_URL": URL_SETTINGS["REDIS_URL"],
    }

    assert stack.main(settings_in(tmp_path, **nowhere)) == 1

    message = capsys.readouterr().err
    assert message.startswith("payments up: DATABASE_URL: postgresql://u:***@127.0.0.1:")
    assert "secret" not in message


def test_stack_file_exists_while_the_stack_runs(tmp_path, monkeypatch, capfd, postgres_url, redis_url):
    stop_stack = "import os, signal; print('service is up', flush=True); os.kill(os.getppid(), signal.SIGTERM)"
    seen = []

    def service(name, _settings, _engines):
        seen.append((name, running_stack(tmp_path)))
        return Child(name, (sys.executable, "-S", "-c", stop_stack))

    monkeypatch.setattr(stack, "service", service)
    monkeypatch.setattr(stack, "SERVICES", ("only",))
    monkeypatch.setattr(stack, "upgrade_schema", lambda url, _: seen.append(("schema", url)))

    assert stack.main(settings_in(tmp_path, DATABASE_URL=postgres_url, REDIS_URL=redis_url)) == 0

    schema, (name, running) = seen
    assert schema == ("schema", postgres_url)
    assert (name, running.supervisor_pid) == ("only", os.getpid())
    assert running.engines == Engines.from_urls(postgres_url, redis_url)
    assert running_stack(tmp_path) is None
    assert '"process": "only", "event": "service is up"' in capfd.readouterr().out


def test_stack_is_reported_up_when_the_console_and_flower_serve(tmp_path, monkeypatch, capfd, postgres_url, redis_url):
    slow_server = (
        "import socket, sys, time; time.sleep(0.3); print('listens', flush=True); "
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
    )
    settings = settings_in(tmp_path, DATABASE_URL=postgres_url, REDIS_URL=redis_url)
    ports = {"flower": settings.flower_port, "console": settings.console_port}
    served = []

    def server(name, _settings, _engines):
        return Child(name, (sys.executable, "-S", "-c", slow_server, str(ports[name])))

    def report(running):
        served.extend(map(accepts_connections, (running.console_url, running.flower_url)))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(stack, "service", server)
    monkeypatch.setattr(stack, "SERVICES", tuple(ports))
    monkeypatch.setattr(stack, "upgrade_schema", lambda *_: None)
    monkeypatch.setattr(stack, "_print_addresses", report)

    assert stack.main(settings) == 0

    assert capfd.readouterr().out.count("listens") == 2
    assert served == [True, True]


def test_service_gets_the_engines_through_its_environment(tmp_path):
    engines = Engines.from_urls(*URL_SETTINGS.values())

    embedded = stack.service("flower", settings_in(tmp_path), engines)
    named = stack.service("flower", settings_in(tmp_path, **URL_SETTINGS), engines)

    assert engines.environment().items() <= embedded.env.items()
    assert embedded.command[1:] == ("-m", "workers.flower")
    assert embedded.env["REMAP_SIGTERM"] == "SIGQUIT"
    assert embedded.env["FLOWER_UNAUTHENTICATED_API"] == "true"
    assert "FLOWER_UNAUTHENTICATED_API" not in named.env


@pytest.mark.parametrize(("address", "is_open"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104 (not opened)
def test_embedded_stack_opens_flower_without_a_login_on_this_machine_only(tmp_path, address, is_open):
    settings = read_settings({"PAYMENTS_HOME": str(tmp_path), "PAYMENTS_BIND_ADDRESS": address})
    engines = Engines.from_urls("postgresql://u@h/d", "redis://h/0")

    assert ("FLOWER_UNAUTHENTICATED_API" in stack.service("flower", settings, engines).env) is is_open
