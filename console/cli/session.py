"""What a command works on: the settings of its environment, the engines in force and a transaction on the ledger."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from config.engines import Engines
    from config.settings import Settings
    from payments.store.db.connection import Database, Transaction


class Installation(NamedTuple):
    """The settings of this process, and where PostgreSQL and Redis are."""

    settings: Settings
    engines: Engines


def current_installation() -> Installation:
    """Read the environment. Raises SettingsError for a wrong setting and NotRunningError where nothing runs."""
    from config.engines import current_engines
    from config.settings import read_settings

    _keep_the_log_quiet()
    settings = read_settings(os.environ)
    return Installation(settings, current_engines(settings))


def _keep_the_log_quiet() -> None:
    """Leave it to the command to speak: what its parts log goes to the standard error, from a warning on."""
    from config.logging import log_warnings_only

    log_warnings_only(sys.stderr)


@contextmanager
def open_database(engines: Engines | None = None) -> Iterator[Database]:
    """Open the way to PostgreSQL, for more than one transaction."""
    from payments.store.db.connection import connect

    url = (engines or current_installation().engines).database_url
    opened = connect(url, application_name="payments console", pool_size=1)
    try:
        yield opened
    finally:
        opened.dispose()


@contextmanager
def open_transaction(engines: Engines | None = None) -> Iterator[Transaction]:
    """Open a transaction on the ledger, and commit it at the end."""
    from payments.store.db.connection import transaction

    with open_database(engines) as opened, transaction(opened) as tx:
        yield tx


@contextmanager
def open_snapshot() -> Iterator[Transaction]:
    """Open a transaction that sees the ledger as it is now, whatever is committed meanwhile."""
    from payments.store.db import connection

    with open_database() as opened, connection.snapshot_transaction(opened) as tx:
        yield tx


def current_user() -> str:
    """Return who types, for the record of what was changed."""
    try:
        return f"user:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):
        return "user:unknown"
