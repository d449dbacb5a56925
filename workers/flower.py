"""The Flower service: read-only web pages of the tasks and workers."""

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
from celery import Celery
from flower.options import default_options as options
from flower.urls import settings as flower_settings

from config.celery import celery_settings
from config.engines import Engines, NotRunningError, current_engines
from config.logging import configure_logging
from config.redis_urls import split_sentinel_url
from config.settings import Settings, SettingsError, read_settings
from tasks.engine_check import require_engines
from tasks.replicas import FLOWER, signs_of_life
from workers.runtime.config_errors import EXIT_MISCONFIGURED
from workers.runtime.flower_broker import read_queues_through_sentinels
from workers.runtime.flower_pages import LinkedPages
from workers.runtime.ports import PortTakenError, require_free_port

log = structlog.get_logger(__name__)

# Flower's own variable, which opens its API without a login. Its pages are open whenever no login is set.
_VARIABLE_PREFIX = "FLOWER_"
_UNAUTHENTICATED_VARIABLE = "FLOWER_UNAUTHENTICATED_API"
# Flower drops the oldest tasks first. A task takes about two kilobytes.
_TASKS_MAX = 20_000
# The interval at which Flower saves its tasks. Flower also saves them when it stops.
_SAVE_MILLISECONDS = 5 * 60_000
_TASK_COLUMNS = (
    "name",
    "state",
    "result",
    "exception",
    "received",
    "runtime",
    "routing_key",
    "kwargs",
    "worker",
    "uuid",
)


class LoginMissingError(Exception):
    """No login for Flower is configured, so anyone who can reach its port would see the tasks."""

    def __init__(self) -> None:
        super().__init__(
            f"PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both, "
            f"or {_UNAUTHENTICATED_VARIABLE}=true for access without a login"
        )


def main(environ: Mapping[str, str]) -> int:
    """Run Flower until a signal stops it. Return the exit status."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "flower")
        login = flower_credentials(settings, environ)
        require_free_port("PAYMENTS_FLOWER_PORT", settings.flower_port, settings.bind_address)
        engines = current_engines(settings)
        require_engines(settings, engines, database=False, feed=False)
    except (SettingsError, LoginMissingError, PortTakenError, NotRunningError) as error:
        sys.stderr.write(f"flower: {error}\n")
        return EXIT_MISCONFIGURED
    _remove_flower_variables()
    flower_settings["template_loader"] = LinkedPages(settings.console_address)
    if sentinel := split_sentinel_url(engines.broker_url):
        read_queues_through_sentinels(sentinel.hosts)
    with signs_of_life(engines.broker_url, FLOWER):
        serve(_celery_app(engines), settings, login)
    return 0


def flower_credentials(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Return Flower's login as `user:password`, or None if the environment explicitly permits access without a login.

    Raises LoginMissingError if no login is configured and access without a login is not permitted.
    """
    if settings.flower_user is not None and settings.flower_password is not None:
        return f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"
    if environ.get(_UNAUTHENTICATED_VARIABLE, "").lower() in {"true", "1", "yes"}:
        return None
    raise LoginMissingError


def serve(app: Celery, settings: Settings, login: str | None) -> None:
    """Serve Flower's pages about the application until a signal stops the process.

    `login` is `user:password`; None means access without a login.
    """
    if login is not None:
        # Not on the command line, which would split a password at a comma into two logins.
        options.basic_auth = [login]
    # At every start Flower inspects the workers before they are up, and logs four warnings about it.
    logging.getLogger("flower.inspector").setLevel(logging.ERROR)
    log.info("flower_serving", url=settings.local_url(settings.flower_port), login=login is not None)
    app.start(
        [
            "--quiet",
            "flower",
            f"--conf={os.devnull}",  # otherwise it reads flowerconfig.py of the current folder
            f"--address={settings.bind_address}",
            f"--port={settings.flower_port}",
            "--read_only=true",
            *persistence_options(settings.home / "flower"),
            f"--max_tasks={_TASKS_MAX}",
            f"--tasks_columns={','.join(_TASK_COLUMNS)}",
            "--natural_time=false",
            "--logging=warning",
        ]
    )


def persistence_options(folder: Path) -> list[str]:
    """Return the options that make Flower store its tasks in `folder`, or store nothing if `folder` is not writable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        log.warning("flower_forgets_at_restart", folder=str(folder))
        return ["--persistent=false"]
    return ["--persistent=true", f"--db={folder / 'tasks'}", f"--state_save_interval={_SAVE_MILLISECONDS}"]


def _remove_flower_variables() -> None:
    """Remove the environment variables that Flower reads as options, and log their names.

    Such an option could expose Flower to the network or permit changes. Kubernetes also sets some of these variables
    for a service named `flower`.
    """
    found = sorted(
        name for name in os.environ if name.startswith(_VARIABLE_PREFIX) and name != _UNAUTHENTICATED_VARIABLE
    )
    for name in found:
        del os.environ[name]
    if found:
        log.warning("flower_variables_ignored", variables=", ".join(found), hint="use the settings PAYMENTS_FLOWER_...")


def _celery_app(engines: Engines) -> Celery:
    from tasks.app import make_app  # noqa: PLC0415 - slow to load, and not needed to report an error

    app: Celery = make_app(_with_separate_keys(celery_settings(engines)))
    return app


def _with_separate_keys(configuration: dict[str, object]) -> dict[str, object]:
    """Return the Celery configuration for Flower, with separate Redis keys for unacknowledged messages.

    With the workers' keys, Flower would redeliver the workers' messages.
    """
    options = configuration["broker_transport_options"]
    assert isinstance(options, dict)  # noqa: S101 (celery_settings returns a dict)
    keys = {f"unacked{part}_key": f"flower:unacked{part}" for part in ("", "_index", "_mutex")}
    return configuration | {"broker_transport_options": options | keys}


if __name__ == "__main__":
    sys.exit(main(os.environ))
