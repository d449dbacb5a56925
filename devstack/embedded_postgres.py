"""PostgreSQL from the installed wheel, in the foreground on a unix socket; knows nothing of what is stored in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from devstack.child_process import Child
from devstack.engine_process import EngineError, wait_until
from devstack.postgres_binaries import postgres_program, run_as, unprivileged_user

DATABASE = "payments"
_SUPERUSER = "postgres"
# The kernel allows about 108 bytes for the path of a socket, 104 on macOS.
_SOCKET_PATH_MAX = 100

# What it says of an error in its log: not the row that was refused, nor the statement.
_DISCREET = {"log_error_verbosity": "terse", "log_min_error_statement": "panic"}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
MEMORY = "512MB"
"""What a ledger in earnest keeps in PostgreSQL's own memory; only what is used of it is taken. The 128 MB that it takes
by itself are too few for a million payments: see docs/explanation/performance.md. Override it in postgresql.conf."""
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A data folder that is ready to be served."""

    data: Path
    sockets: Path
    user: int | None
    durable: bool

    name = "postgres"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `payments`."""
        return f"postgresql+psycopg://{self._address(DATABASE)}"

    def child(self) -> Child:
        """Return the server as a child process: SIGINT is PostgreSQL's fast shutdown."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **_DISCREET,
        } | (_DURABLE if self.durable else _FAST)
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = (postgres_program("postgres"), "-D", str(self.data), *given)
        return Child(
            self.name, command, cwd=self.data, user=self.user, stop_signal=signal.SIGINT, grace_seconds=8.0, tier=0
        )

    def wait_until_ready(self, alive: Callable[[], bool]) -> None:
        """Wait until the server answers, and create the database `payments` in it if it is new."""
        wait_until(self._answers, alive, "PostgreSQL")
        with psycopg.connect(f"postgresql://{self._address(_SUPERUSER)}", autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")

    def forget_sockets(self) -> None:
        """Remove the socket's folder where it had to lie outside the home."""
        if self.sockets.parent != self.data.parent:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"postgresql://{self._address(_SUPERUSER)}", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self, database: str) -> str:
        return f"{_SUPERUSER}@/{database}?host={quote(str(self.sockets))}&port=5432"


def prepare_postgres(home: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """Make the data folder of this home ready: created if it is new, and freed of a server left from an earlier run."""
    folder = home / "postgres"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = unprivileged_user(folder)
    data = folder / "data"
    if (data / "postmaster.pid").exists():
        _end_leftover(data)
    if not (data / "PG_VERSION").exists():
        _initdb(data, user, durable=durable)
    return EmbeddedPostgres(data, _socket_folder(folder, user), user, durable)


def _initdb(data: Path, user: int | None, *, durable: bool) -> None:
    """Fill a folder beside the final one and rename it, so that an interrupted start leaves nothing half made."""
    beside = data.with_name("data.new")
    command = [
        *(postgres_program("initdb"), "--pgdata", str(beside), "--username", _SUPERUSER),
        *("--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *(("--set", f"shared_buffers={MEMORY}") if durable else ("--no-sync",)),
    ]
    run_as(user, data.parent, ["rm", "-rf", str(beside)])
    done = run_as(user, data.parent, command)
    if done.returncode:
        raise EngineError(f"PostgreSQL's data folder {data} could not be made: {done.stdout.strip()[-500:]}")
    beside.rename(data)


def _socket_folder(folder: Path, user: int | None) -> Path:
    """Return a folder for the socket that its owner alone may enter: whoever reaches the socket may do anything."""
    sockets = folder / "socket"
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) > _SOCKET_PATH_MAX:
        sockets = _remembered_folder(folder / "socket-folder")
    sockets.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        shutil.chown(sockets, user, folder.stat().st_gid)
    return sockets


def _remembered_folder(note: Path) -> Path:
    """Return a short folder among the system's temporary ones; the note lets the next start remove this one's."""
    if note.exists():
        with contextlib.suppress(OSError):
            Path(note.read_text()).rmdir()
    made = Path(tempfile.mkdtemp(prefix="payments-"))
    note.write_text(str(made))
    return made


def _end_leftover(data: Path) -> None:
    """End a server that an earlier run left behind, or remove the note of one that is gone."""
    note = data / "postmaster.pid"
    try:
        pid = int(note.read_text().splitlines()[0])
    except (ValueError, IndexError):
        pid = 0
    for how in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + 10
        if _serves(pid, data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        while _serves(pid, data) and time.monotonic() < deadline:
            time.sleep(0.02)
    if _serves(pid, data):
        raise EngineError(f"an earlier PostgreSQL (process {pid}) still serves {data}; end it, then start again")
    # Process numbers are soon used again in a container, and PostgreSQL then takes a stranger for its own kind.
    note.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Tell whether that process is a server of this data folder: a server works in its folder."""
    if pid <= 0:
        return False
    if Path("/proc/self/cwd").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
        return False
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return str(data) in shown.stdout
