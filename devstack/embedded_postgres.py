"""An embedded PostgreSQL from the installed wheel. It runs in the foreground and listens on a Unix socket."""

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
from devstack.postgres_binaries import ensure_unprivileged_user, postgres_program, run_as

DATABASE = "payments"
_SUPERUSER = "postgres"
# The kernel allows about 108 bytes for the path of a socket, 104 on macOS.
_SOCKET_PATH_MAX = 100

# PostgreSQL must not write rejected rows or failed statements to its log, because they contain patient data.
_LOG_SETTINGS = {"log_error_verbosity": "terse", "log_min_error_statement": "panic"}
_DURABLE_SETTINGS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SHARED_BUFFERS_DEFAULT = "512MB"
"""`shared_buffers` of a durable database. The memory is used only as needed.

PostgreSQL's default of 128 MB is too small for a million payments: see docs/explanation/performance.md.
"""
_DURABLE_DEFAULTS = {"shared_buffers": SHARED_BUFFERS_DEFAULT, "min_wal_size": "1GB", "max_wal_size": "4GB"}
"""Settings that postgresql.conf may override.

A commit that needs a new WAL file of 16 MB waits about 50 ms until the file is written. Up to `min_wal_size`,
PostgreSQL reuses old WAL files instead.
"""
_FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A PostgreSQL server that is ready to be started, with its data folder."""

    data: Path
    sockets: Path
    user: int | None
    durable: bool

    name = "postgres"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `payments`."""
        return f"postgresql+psycopg://{self._url_without_scheme(DATABASE)}"

    def child(self) -> Child:
        """Return the server as a child process. It is stopped with SIGINT, PostgreSQL's fast shutdown."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **_LOG_SETTINGS,
        } | (_DURABLE_SETTINGS if self.durable else _FAST_SETTINGS)
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = (postgres_program("postgres"), "-D", str(self.data), *arguments)
        return Child(
            self.name, command, cwd=self.data, user=self.user, stop_signal=signal.SIGINT, grace_seconds=8.0, tier=0
        )

    def wait_until_ready(self, is_alive: Callable[[], bool]) -> None:
        """Wait until the server answers, then create the database `payments` if it does not exist.

        Raises EngineError if `is_alive` returns False, or after the time-out.
        """
        wait_until(self._does_answer, is_alive, "PostgreSQL")
        self._create_missing_database()

    def _create_missing_database(self) -> None:
        with psycopg.connect(f"postgresql://{self._url_without_scheme(_SUPERUSER)}", autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not exists:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")

    def remove_socket_folder(self) -> None:
        """Remove the folder of the socket if it is a temporary folder outside the home directory."""
        if self.sockets.parent != self.data.parent:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()

    def _does_answer(self) -> bool:
        try:
            psycopg.connect(f"postgresql://{self._url_without_scheme(_SUPERUSER)}", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _url_without_scheme(self, database: str) -> str:
        return f"{_SUPERUSER}@/{database}?host={quote(str(self.sockets))}&port=5432"


def prepare_postgres(home: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """Prepare the data folder below `home`. Stop a server of an earlier run, and run initdb if the folder is new.

    If `durable` is False, fsync is off. Raises EngineError if a server cannot be stopped, or if the folder cannot be
    prepared.
    """
    folder = home / "postgres"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = ensure_unprivileged_user(folder)
    data = folder / "data"
    if (data / "postmaster.pid").exists():
        _stop_leftover(data)
    if not (data / "PG_VERSION").exists():
        _initdb(data, user, durable=durable)
    return EmbeddedPostgres(data, _socket_folder(folder, user), user, durable)


def _initdb(data: Path, user: int | None, *, durable: bool) -> None:
    """Run initdb in a temporary folder, and rename the folder to `data` at the end.

    So an interrupted start leaves no incomplete data folder. Raises EngineError if initdb fails.
    """
    temporary = data.with_name("data.new")
    defaults = [part for name, value in _DURABLE_DEFAULTS.items() for part in ("--set", f"{name}={value}")]
    command = [
        *(postgres_program("initdb"), "--pgdata", str(temporary), "--username", _SUPERUSER),
        *("--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *(defaults if durable else ("--no-sync",)),
    ]
    run_as(user, data.parent, ["rm", "-rf", str(temporary)])
    result = run_as(user, data.parent, command)
    if result.returncode:
        raise EngineError(f"PostgreSQL's data folder {data} could not be created: {result.stdout.strip()[-500:]}")
    temporary.rename(data)


def _socket_folder(folder: Path, user: int | None) -> Path:
    """Return the folder of the socket. Only its owner may enter it, because the socket gives superuser access.

    If the path below `folder` would be too long for a socket, return a temporary folder with a short path.
    """
    sockets = folder / "socket"
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) > _SOCKET_PATH_MAX:
        sockets = _temporary_folder(folder / "socket-folder")
    sockets.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        shutil.chown(sockets, user, folder.stat().st_gid)
    return sockets


def _temporary_folder(note: Path) -> Path:
    """Create a temporary folder. Store its path in the file `note`, so that the next start can remove the folder."""
    if note.exists():
        with contextlib.suppress(OSError):
            Path(note.read_text()).rmdir()
    folder = Path(tempfile.mkdtemp(prefix="payments-"))
    note.write_text(str(folder))
    return folder


def _stop_leftover(data: Path) -> None:
    """Stop the PostgreSQL server of an earlier run, unless it has already ended, and remove its pid file.

    Raises EngineError if the server does not stop.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except (ValueError, IndexError):
        pid = 0
    for stop_signal in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + 10
        if _serves(pid, data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop_signal)
        while _serves(pid, data) and time.monotonic() < deadline:
            time.sleep(0.02)
    if _serves(pid, data):
        raise EngineError(f"an earlier PostgreSQL (process {pid}) still serves {data}; end it, then start again")
    # In a container, process ids are soon reused, and PostgreSQL would mistake another process for a server.
    pid_file.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Return whether the process `pid` is a PostgreSQL server of this data folder."""
    if pid <= 0:
        return False
    if Path("/proc/self/cwd").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
        return False
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return str(data) in shown.stdout
