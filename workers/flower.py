"""Flower, where people watch the tasks: read only, on 127.0.0.1; knows the Celery application and no journey."""

import logging
import os
import sys
from collections.abc import Mapping

import structlog
from celery import Celery
from flower.options import default_options as options
from flower.urls import settings as flower_settings

from config.celery import celery_settings
from config.engines import NotRunningError, engines_in_force
from config.logging import configure_logging
from config.settings import Settings, SettingsError, read_settings
from workers.runtime.config_errors import EXIT_MISCONFIGURED
from workers.runtime.flower_pages import LinkedPages
from workers.runtime.ports import PortTakenError, refuse_taken_port

log = structlog.get_logger(__name__)

# Flower's own switch; it leaves the API open, and the pages are open whenever no login is set.
_OPEN = "FLOWER_UNAUTHENTICATED_API"
# The oldest go first; each takes about two kilobytes.
_TASKS_MAX = 20_000
_COLUMNS = ("name", "state", "result", "received", "runtime", "routing_key", "kwargs", "worker", "uuid")


class LoginMissingError(Exception):
    """Flower would show the tasks to everyone who reaches its port."""

    def __init__(self) -> None:
        super().__init__(
            f"PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both (or {_OPEN}=true to go without a login)"
        )


def main(environ: Mapping[str, str]) -> int:
    """Run Flower until a signal ends it; return the exit status."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "flower")
        login = required_login(settings, environ)
        refuse_taken_port("PAYMENTS_FLOWER_PORT", settings.flower_port)
        app = _app(settings)
    except (SettingsError, LoginMissingError, PortTakenError, NotRunningError) as error:
        sys.stderr.write(f"flower: {error}\n")
        return EXIT_MISCONFIGURED
    flower_settings["template_loader"] = LinkedPages(settings.console_address)
    serve(app, settings.flower_port, login)
    return 0


def required_login(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Return `user:password`, or None where the environment says that nobody needs one."""
    if settings.flower_user is not None and settings.flower_password is not None:
        return f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"
    if environ.get(_OPEN, "").lower() in {"true", "1", "yes"}:
        return None
    raise LoginMissingError


def serve(app: Celery, port: int, login: str | None) -> None:
    """Serve the pages of this application until a signal ends it."""
    if login is not None:
        # Not by its command line, which would take a comma in the password for the start of a second login.
        options.basic_auth = [login]
    # It asks the workers before the first of them is up, and says so four times at every start.
    logging.getLogger("flower.inspector").setLevel(logging.ERROR)
    log.info("flower_serving", url=f"http://127.0.0.1:{port}", login=login is not None)
    app.start(
        [
            "--quiet",
            "flower",
            "--address=127.0.0.1",
            f"--port={port}",
            "--read_only=true",
            "--persistent=false",
            f"--max_tasks={_TASKS_MAX}",
            f"--tasks_columns={','.join(_COLUMNS)}",
            "--natural_time=false",
            "--logging=warning",
        ]
    )


def _app(settings: Settings) -> Celery:
    from tasks.app import make_app  # noqa: PLC0415 - a refusal above should not wait for the whole application

    app: Celery = make_app(_looking_on(celery_settings(engines_in_force(settings), settings)))
    return app


def _looking_on(configuration: dict[str, object]) -> dict[str, object]:
    """Give what it keeps of messages of its own other keys, or it would give the workers' back to their queues, too."""
    options = configuration["broker_transport_options"]
    assert isinstance(options, dict)  # noqa: S101 (so it is built)
    keys = {f"unacked{part}_key": f"flower:unacked{part}" for part in ("", "_index", "_mutex")}
    return configuration | {"broker_transport_options": options | keys}


if __name__ == "__main__":
    sys.exit(main(os.environ))
