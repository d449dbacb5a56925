"""The console's web server: `python -m console.web.serve`."""

import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing

import structlog
import uvicorn

from config.addresses import is_loopback
from config.engines import NotRunningError, current_engines
from config.logging import configure_logging
from config.settings import Settings, SettingsError, read_settings
from tasks.engine_check import require_engines, require_isolation
from tasks.replicas import signs_of_life
from workers.runtime.ports import address_family

log = structlog.get_logger(__name__)

# EX_CONFIG of sysexits.h: the settings are wrong, so a restart would fail in the same way.
EXIT_MISCONFIGURED = 78
_GRACE_SECONDS = 10


def main(environ: Mapping[str, str]) -> int:
    """Serve the console until a signal stops it. Return the exit status, which is 78 for a configuration error."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "console")
        engines = current_engines(settings)
        require_engines(settings, engines)
        require_isolation(settings, engines.database_url)
        listener = _listening_socket(settings.bind_address, settings.console_port)
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"console: {error}\n")
        return EXIT_MISCONFIGURED
    except OSError as error:
        place = f"port {settings.console_port} of {settings.bind_address}"
        sys.stderr.write(f"console: {place}: {error.strerror}; set PAYMENTS_CONSOLE_PORT to a free one\n")
        return EXIT_MISCONFIGURED
    from console.web.app import create_app  # noqa: PLC0415 - report a configuration error before loading the pages

    with closing(listener), signs_of_life(engines.redis_url, "console"):
        warn_of_plain_http(settings)
        _Server(settings, create_app(settings, engines)).run(sockets=[listener])
    return 0


def warn_of_plain_http(settings: Settings) -> None:
    """Log a warning if other machines can reach the console, and the settings name no proxy that terminates https."""
    if not (settings.console_https or is_loopback(settings.bind_address)):
        log.warning("console_without_https", hint="use an https proxy, and set PAYMENTS_CONSOLE_HTTPS=true")


class _Server(uvicorn.Server):
    """Uvicorn, which logs `console_serving` as soon as it accepts connections."""

    def __init__(self, settings: Settings, app: object) -> None:
        super().__init__(_uvicorn_config(settings, app))
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            url = self._settings.local_url(self._settings.console_port)
            log.info("console_serving", url=url, address=self._settings.bind_address)


def _uvicorn_config(settings: Settings, app: object) -> uvicorn.Config:
    # Uvicorn logs every start and request; the audit history records the actions of users.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # it is any ASGI application
        log_config=None,
        access_log=False,
        server_header=False,
        # Trust forwarded headers only from the https proxies in front of the console.
        proxy_headers=settings.console_https,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _listening_socket(address: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is named; without it each page takes 40 ms longer.
    listener = socket.socket(address_family(address), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


if __name__ == "__main__":
    sys.exit(main(os.environ))
