"""Visitors' addresses behind the gateway of docker-compose.yml and an operator's own proxy."""

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
from tests.ops.composed import ROOT, ours, services
from workers.runtime.ports import free_port

pytestmark = pytest.mark.acceptance

CADDYFILE = ROOT / "docs/ops/Caddyfile"
VISITORS = ("203.0.113.7", "10.0.0.7")


@contextmanager
def running(command, port, folder, **environ):
    """Run a server until the block ends, and yield where it is."""
    log = folder / f"{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT, env={"HOME": str(folder), **environ})

    def answers():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/login", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, lambda: process.poll() is None, log.read_text)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def console(postgres_url, redis_url, empty_ledger, tmp_path):
    """A console of its own: `console(https="true")` gives its port and its database."""
    port = free_port()

    @contextmanager
    def start(https):
        with scratch_database(postgres_url, empty_ledger) as url:
            environ = {
                "DATABASE_URL": url,
                "REDIS_URL": redis_url,
                "PAYMENTS_HOME": str(tmp_path),
                "PAYMENTS_CONSOLE_PORT": str(port),
                "PAYMENTS_CONSOLE_HTTPS": https,
            }
            with running([sys.executable, "-m", "console.web.serve"], port, tmp_path, **environ):
                yield port, url

    return start


def guess(address, *hops):
    """Try to log in with a wrong password, through proxies that say from where they were asked."""
    told = {"x-forwarded-for": ", ".join(hops)}
    with httpx.Client(base_url=address, headers=told, trust_env=False) as client:
        page = client.get("/login")
        csrf = csrf_of(page)
        # A client keeps a Secure cookie to itself where no https is spoken.
        sent = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        assert client.post("/login", data={"csrf": csrf, "name": "nobody", "password": "?"}, headers=sent).is_error


def addresses(url):
    """Return from where somebody tried to log in."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT address FROM audit WHERE action = 'log-in failed' ORDER BY id"))
        addresses = found.scalars().all()
    engine.dispose()
    return addresses


@pytest.mark.parametrize(("https", "seen"), [("true", [*VISITORS]), ("false", ["127.0.0.1"] * 2)])
def test_forwarded_address_counts_only_with_https_enabled(console, https, seen):
    with console(https) as (port, url):
        for visitor in VISITORS:
            # Whoever asks may write any address; the proxy adds the true one at the end.
            guess(f"http://127.0.0.1:{port}", "198.51.100.1", visitor)

        assert addresses(url) == seen


def test_gateway_forwards_the_visitors_address_to_the_console():
    written = CADDYFILE.read_text()

    assert ours()["console"]["network_mode"] == "service:gateway"
    assert "./docs/ops/Caddyfile:/etc/caddy/Caddyfile:ro" in services()["gateway"]["volumes"]
    assert re.search(r"reverse_proxy 127\.0\.0\.1:8000 \{[^}]*header_up X-Forwarded-For \{header\.X-Forw", written)


def test_visitors_behind_the_gateway_have_distinct_addresses(console, tmp_path):
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed here, so what the gateway hands on cannot be tried")
    gateway = free_port()

    with console("true") as (port, url):
        moved = {"8080": gateway, "8081": free_port(), "8082": free_port(), "8000": port}
        written = re.sub(r":(8\d\d\d)\b", lambda found: f":{moved[found[1]]}", CADDYFILE.read_text())
        (tmp_path / "Caddyfile").write_text(written)
        with running([caddy, "run", "--config", str(tmp_path / "Caddyfile")], gateway, tmp_path) as address:
            for visitor in VISITORS:
                guess(address, "198.51.100.1", visitor)

        assert addresses(url) == [*VISITORS]
