"""The console's process: `python -m console.web.serve`, on 127.0.0.1; knows no page."""

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

log = structlog.get_logger(__name__)

# sysexits.h, EX_CONFIG: starting again would end the same way.
EXIT_MISCONFIGURED = 78
_GRACE_SECONDS = 10


def main(environ: Mapping[str, str]) -> int:
    """Run the console until a signal ends it; return the exit status."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "console")
        engines = current_engines(settings)
        listener = _listen(settings.console_port)
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"console: {error}\n")
        return EXIT_MISCONFIGURED
    except OSError as error:
        port = settings.console_port
        sys.stderr.write(f"console: port {port}: {error.strerror}; set PAYMENTS_CONSOLE_PORT to a free one\n")
        return EXIT_MISCONFIGURED
    from console.web.app import create_app  # noqa: PLC0415 - a refusal above should not wait for every page

    with closing(listener):
        log.info("console_serving", url=f"http://127.0.0.1:{settings.console_port}")
        uvicorn.Server(_server(settings, create_app(settings, engines))).run(sockets=[listener])
    return 0


def _server(settings: Settings, app: object) -> uvicorn.Config:
    # It says so at every start and request; who did what is in the audit history.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # it is any ASGI application
        log_config=None,
        access_log=False,
        server_header=False,
        # What a request says of its origin is believed only where a proxy is known to have written it.
        proxy_headers=settings.console_https,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _listen(port: int) -> socket.socket:
    # Named in full: only a socket that says TCP is sent without delay, and each page would wait 40 ms otherwise.
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
