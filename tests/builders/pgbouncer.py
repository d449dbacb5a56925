"""PgBouncer in transaction mode, in front of an embedded PostgreSQL."""

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from devstack.postgres_binaries import ensure_unprivileged_user
from tests.faults.processes import wait_for
from workers.runtime.ports import free_port

SERVER_SESSIONS = 3
"""The number of sessions: fewer than the clients of a test, so that clients share sessions."""


def is_installed() -> bool:
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin") is not None


@contextmanager
def pgbouncer(postgres_url: str, folder: Path, ignored: str = "extra_float_digits") -> Iterator[str]:
    """Run PgBouncer in this folder, and yield its URL. `ignored` names the start-up parameters that it ignores."""
    options = parse_qs(urlsplit(postgres_url).query)
    port, user = free_port(), ensure_unprivileged_user(folder)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={options['host'][0]} port={options['port'][0]} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {SERVER_SESSIONS}\nignore_startup_parameters = {ignored}\n"
    )
    configuration.chmod(0o644)
    owner = {} if user is None else {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(configuration)], stdout=log, stderr=log, **owner)
    url = f"postgresql://postgres@127.0.0.1:{port}/payments"
    try:
        wait_for(lambda: _answers(url), 20, "PgBouncer answers")
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/payments?pgbouncer=true"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
