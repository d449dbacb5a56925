"""The console's server listens on the bind address and on no other."""

import subprocess
import sys

import httpx
import pytest
from structlog.testing import capture_logs

from config.engines import Engines
from config.settings import read_settings
from console.web import serve
from devstack.engine_process import wait_until
from tests.acceptance.stack import clean_environment
from tests.engines import scratch_database
from workers.runtime.ports import free_port


@pytest.mark.acceptance
def test_console_listens_on_the_bind_address_only(postgres_url, ledger_template, redis_url, tmp_path):
    port = free_port()
    with scratch_database(postgres_url, ledger_template) as url, (tmp_path / "log").open("wb") as log:
        environment = clean_environment() | {
            **Engines.from_urls(url, redis_url).environment(),
            "PAYMENTS_HOME": str(tmp_path),
            "PAYMENTS_BIND_ADDRESS": "127.0.0.2",
            "PAYMENTS_CONSOLE_PORT": str(port),
        }
        process = subprocess.Popen([sys.executable, "-m", "console.web.serve"], env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers("127.0.0.2", port), lambda: process.poll() is None, "console")
            assert not _answers("127.0.0.1", port)
        finally:
            process.terminate()
            process.wait(15)


@pytest.mark.parametrize(
    ("settings", "is_logged"),
    [
        ({}, False),
        ({"PAYMENTS_BIND_ADDRESS": "::"}, True),
        ({"PAYMENTS_BIND_ADDRESS": "::", "PAYMENTS_CONSOLE_HTTPS": "true"}, False),
    ],
)
def test_console_warns_if_passwords_cross_the_network(settings, is_logged):
    with capture_logs() as logs:
        serve.warn_of_plain_http(read_settings(settings))

    assert [each["event"] for each in logs] == ["console_without_https"] * is_logged


def _answers(host, port):
    try:
        return httpx.get(f"http://{host}:{port}/alive", trust_env=False).is_success
    except httpx.TransportError:
        return False
