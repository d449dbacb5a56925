"""Behind the gateway of docker-compose.yml or another proxy, the audit history records the visitor's address."""

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import create_engine, text

from devstack.engine_process import wait_until
from tests.console.web.conftest import csrf_of
from tests.engines import scratch_database
from tests.ops.composed import ROOT, own_services, services
from workers.runtime.ports import free_port

pytestmark = pytest.mark.acceptance

CADDYFILE = ROOT / "docs/ops/Caddyfile"
VISITOR_ADDRESSES = ("203.0.113.7", "10.0.0.7")


@contextmanager
def running_server(command, port, folder, **environ):
    """Run a server until the block ends, and yield the server's URL."""
    log = folder / f"{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT, env={"HOME": str(folder), **environ})

    def is_responding():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/login", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(is_responding, lambda: process.poll() is None, log.read_text)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def console(postgres_url, redis_url, ledger_template, tmp_path):
    """Return a context manager that runs a console on a new database and yields the console's port and database URL."""
    port = free_port()

    @contextmanager
    def start(https, **more):
        with scratch_database(postgres_url, ledger_template) as url:
            environ = {
                "DATABASE_URL": url,
                "REDIS_URL": redis_url,
                "PAYMENTS_HOME": str(tmp_path),
                "PAYMENTS_CONSOLE_PORT": str(port),
                "PAYMENTS_CONSOLE_HTTPS": https,
                **more,
            }
            with running_server([sys.executable, "-m", "console.web.serve"], port, tmp_path, **environ):
                yield port, url

    return start


def attempt_failing_login(address, *hops):
    """Attempt a login with a wrong password. The X-Forwarded-For header lists the addresses `hops`."""
    headers = {"x-forwarded-for": ", ".join(hops)}
    with httpx.Client(base_url=address, headers=headers, trust_env=False) as client:
        page = client.get("/login")
        csrf = csrf_of(page)
        # The client does not send a Secure cookie over HTTP.
        sent = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        assert client.post("/login", data={"csrf": csrf, "name": "nobody", "password": "?"}, headers=sent).is_error


def failed_login_addresses(database_url):
    """Return the client addresses of the failed logins."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT address FROM audit WHERE action = 'login failed' ORDER BY id"))
        addresses = found.scalars().all()
    engine.dispose()
    return addresses


@pytest.mark.parametrize(("https", "expected"), [("true", [*VISITOR_ADDRESSES]), ("false", ["127.0.0.1"] * 2)])
def test_forwarded_address_counts_only_with_https_enabled(console, https, expected):
    with console(https) as (port, url):
        for visitor in VISITOR_ADDRESSES:
            # A client may send any address; the proxy appends the real one.
            attempt_failing_login(f"http://127.0.0.1:{port}", "198.51.100.1", visitor)

        assert failed_login_addresses(url) == expected


@pytest.mark.parametrize(
    ("proxies", "expected"), [("127.0.0.0/8", VISITOR_ADDRESSES[0]), ("10.1.0.0/16,::1", "127.0.0.1")]
)
def test_forwarded_address_counts_only_from_trusted_proxies(console, proxies, expected):
    with console("true", PAYMENTS_TRUSTED_PROXIES=proxies) as (port, url):
        attempt_failing_login(f"http://127.0.0.1:{port}", VISITOR_ADDRESSES[0])

        assert failed_login_addresses(url) == [expected]


def test_gateway_forwards_the_visitors_address_to_the_console():
    caddyfile = CADDYFILE.read_text()

    assert own_services()["console"]["network_mode"] == "service:gateway"
    assert "./docs/ops/Caddyfile:/etc/caddy/Caddyfile:ro" in services()["gateway"]["volumes"]
    assert re.search(r"reverse_proxy 127\.0\.0\.1:8000 \{[^}]*header_up X-Forwarded-For \{header\.X-Forw", caddyfile)


def test_visitors_behind_the_gateway_have_distinct_addresses(console, tmp_path):
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed")
    gateway = free_port()

    with console("true") as (port, url):
        ports = {"8080": gateway, "8081": free_port(), "8082": free_port(), "8000": port}
        caddyfile = re.sub(r":(8\d\d\d)\b", lambda found: f":{ports[found[1]]}", CADDYFILE.read_text())
        (tmp_path / "Caddyfile").write_text(caddyfile)
        with running_server([caddy, "run", "--config", str(tmp_path / "Caddyfile")], gateway, tmp_path) as address:
            for visitor in VISITOR_ADDRESSES:
                attempt_failing_login(address, "198.51.100.1", visitor)

        assert failed_login_addresses(url) == [*VISITOR_ADDRESSES]
