"""Run the whole stack for `payments up`: the embedded servers, the schema upgrade, and every service."""

import functools
import os
import sys

import structlog
from rich.console import Console
from rich.table import Table

from config.addresses import is_loopback
from config.database_urls import describe_database
from config.engines import Engines, StackFile, UnreachableEngineError, remove_running_stack, write_running_stack
from config.logging import configure_logging, resolve_log_format
from config.redis_urls import describe_redis
from config.settings import Settings, SettingsError, read_settings
from devstack.child_output import ChildOutput
from devstack.child_process import Child
from devstack.embedded_postgres import prepare_postgres
from devstack.embedded_valkey import prepare_valkey
from devstack.engine_process import Engine, EngineError
from devstack.engines import HomeInUseError, home_lock
from devstack.supervisor import Supervisor
from tasks.signing import read_keyring
from workers.runtime.ports import PortTakenError, accepts_connections, reserve_port, reserved_port
from workers.runtime.schema import upgrade_schema

log = structlog.get_logger(__name__)

# In start order. Each can also run alone: `python -m workers.NAME`, or the module named in _MODULE_BY_SERVICE.
SERVICES = ("intake", "importer", "retrier", "backoffice", "scheduler", "flower", "console")

# Longer than the soft shutdown of a Celery worker, and shorter than the 30 s that init systems usually wait.
_GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.1
_MODULE_BY_SERVICE = {"console": "console.web.serve"}


def main(settings: Settings) -> int:
    """Run the whole stack in the foreground until a signal stops it. Return the exit status.

    Raises SettingsError if the file of signing keys is invalid, or if a server rejects its URL.
    """
    configure_logging(settings, "up")
    read_keyring(settings)  # report an invalid file of keys before a process starts
    try:
        with (
            home_lock(settings.home),
            reserved_port("PAYMENTS_FLOWER_PORT", settings.flower_port, settings.bind_address),
            reserved_port("PAYMENTS_CONSOLE_PORT", settings.console_port, settings.bind_address),
        ):
            _run_stack(settings)
    except (HomeInUseError, PortTakenError, EngineError, UnreachableEngineError) as error:
        sys.stderr.write(f"payments up: {error}\n")
        return 1
    return 0


def service(name: str, settings: Settings, engines: Engines) -> Child:
    """Return a service as a child process. Its environment contains the URLs of the servers and the home directory."""
    env = engines.environment() | {
        "PAYMENTS_HOME": str(settings.home),
        "PAYMENTS_LOG_FORMAT": resolve_log_format(settings, sys.stdout),
        "PYTHONUNBUFFERED": "1",
        # With it, SIGTERM lets a Celery worker finish its task. Without it, the soft shutdown has no effect.
        "REMAP_SIGTERM": "SIGQUIT",
    }
    if settings.is_embedded and is_loopback(settings.bind_address):
        # For a single user: Flower can be reached from this machine only, and is read-only.
        env["FLOWER_UNAUTHENTICATED_API"] = "true"
    return Child(
        name, (sys.executable, "-m", _MODULE_BY_SERVICE.get(name, f"workers.{name}")), env, grace_seconds=_GRACE_SECONDS
    )


def _run_stack(settings: Settings) -> None:
    output = ChildOutput(settings.home / "log", sys.stdout, resolve_log_format(settings, sys.stdout))
    with Supervisor(output) as supervisor:
        try:
            engines = _start_engines(settings, supervisor)
        except EngineError:
            if supervisor.stopping:
                return
            raise
        upgrade_schema(engines.database_url, settings)
        _warn_of_losses(engines)
        running = _make_stack_file(settings, engines)
        supervisor.on_exit(functools.partial(remove_running_stack, settings.home))
        write_running_stack(settings.home, running)
        for name in SERVICES:
            supervisor.start(service(name, settings, engines))
        _supervise_until_served(supervisor, running)
        if not supervisor.stopping:
            _print_addresses(running)
        supervisor.run()


def _start_engines(settings: Settings, supervisor: Supervisor) -> Engines:
    """Start an embedded server for each URL that is not set. Return all URLs once all servers answer.

    Raises EngineError if an embedded server does not start, SettingsError if the server of a configured URL refuses the
    URL, and UnreachableEngineError if this server does not answer.
    """
    from tasks.engine_check import require_broker, require_database, require_feed  # noqa: PLC0415 - slow to load

    database_url, redis_url = settings.database_url, settings.redis_url
    if database_url is None:
        postgres = prepare_postgres(settings.home)
        supervisor.on_exit(postgres.remove_socket_folder)
        database_url = _start_engine(postgres, supervisor)
    else:
        require_database(settings, database_url)
    if redis_url is None:
        valkey = prepare_valkey(settings.home)
        supervisor.on_exit(reserve_port(valkey.port).close)
        redis_url = _start_engine(valkey, supervisor)
    else:
        require_feed(settings, redis_url)
    engines = Engines.from_urls(database_url, redis_url, settings.celery_broker_url)
    require_broker(settings, engines.broker_url)
    return engines


def _start_engine(engine: Engine, supervisor: Supervisor) -> str:
    supervisor.start(engine.child())
    engine.wait_until_ready(functools.partial(supervisor.poll_running, engine.name))
    return engine.url


def _warn_of_losses(engines: Engines) -> None:
    """Write a warning to stderr for each server setting that may lose payments."""
    from tasks.engine_check import durability_warnings  # noqa: PLC0415 - slow to load

    for warning in durability_warnings(engines):
        sys.stderr.write(f"payments up: warning: {warning}\n")


def _make_stack_file(settings: Settings, engines: Engines) -> StackFile:
    return StackFile(
        supervisor_pid=os.getpid(),
        engines=engines,
        flower_url=settings.local_url(settings.flower_port),
        console_url=settings.local_url(settings.console_port),
        log_folder=str(settings.home / "log"),
    )


def _supervise_until_served(supervisor: Supervisor, running: StackFile) -> None:
    """Supervise the services until the console and Flower accept connections, or a signal stops the stack."""
    waiting = [running.console_url, running.flower_url]
    while waiting and not supervisor.stopping:
        supervisor.poll(_POLL_SECONDS)
        waiting = [url for url in waiting if not accepts_connections(url)]


def _print_addresses(running: StackFile) -> None:
    """Print the addresses of the running stack: as a table on a terminal, otherwise as one log event."""
    addresses = {
        "PostgreSQL": describe_database(running.engines.database_url),
        "Redis or Valkey": describe_redis(running.engines.redis_url),
        "Console": running.console_url,
        "Flower": running.flower_url,
        "Logs": running.log_folder,
    }
    if not sys.stdout.isatty():
        log.info("stack_started", **{name.split()[0].lower(): address for name, address in addresses.items()})
        return
    table = Table(title="payments is up; Ctrl-C stops it", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for name, address in addresses.items():
        table.add_row(name, address)
    Console().print(table)


if __name__ == "__main__":
    try:
        sys.exit(main(read_settings(os.environ)))
    except SettingsError as error:
        sys.stderr.write(f"payments up: {error}\n")
        sys.exit(error.exit_status)
