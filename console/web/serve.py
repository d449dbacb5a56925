"""The console's web server: `python -m console.web.serve`, on 127.0.0.1."""

import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing

import structlog
import uvicorn

from config.engines import NotRunningError, current_engines
from config.logging import configure_logging
from config.settings import Settings, SettingsError, read_settings
from tasks.engine_check import require_engines, require_isolation

log = structlog.get_logger(__name__)

# EX_CONFIG of sysexits.h: a restart would fail in the same way.
EXIT_MISCONFIGURED = 78
_GRACE_SECONDS = 10


def main(environ: Mapping[str, str]) -> int:
    """Serve the console until a signal ends it. Return the exit status; 78 for a configuration error."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "console")
        engines = current_engines(settings)
        require_engines(settings, engines)
        require_isolation(settings, engines.database_url)
        listener = _listen(settings.console_port)
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"console: {error}\n")
        return EXIT_MISCONFIGURED
    except OSError as error:
        port = settings.console_port
        sys.stderr.write(f"console: port {port}: {error.strerror}; set PAYMENTS_CONSOLE_PORT to a free one\n")
        return EXIT_MISCONFIGURED
    from console.web.app import create_app  # noqa: PLC0415 - report a configuration error before loading the pages

    with closing(listener):
        log.info("console_serving", url=f"http://127.0.0.1:{settings.console_port}")
        uvicorn.Server(_server(settings, create_app(settings, engines))).run(sockets=[listener])
    return 0


def _server(settings: Settings, app: object) -> uvicorn.Config:
    # Uvicorn logs every start and request; the audit history records the actions of users.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # it is any ASGI application
        log_config=None,
        access_log=False,
        server_header=False,
        # Trust forwarded headers only from the https proxy in front of the console.
        proxy_headers=settings.console_https,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is named; without it each page takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


if __name__ == "__main__":
    sys.exit(main(os.environ))
