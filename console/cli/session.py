"""The context of a command: its settings, the addresses of PostgreSQL and Redis, and its transactions."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from config.engines import Engines
    from config.settings import Settings
    from console.actor import Actor
    from payments.store.db.connection import Database, Transaction


_WARNINGS_MAX = 5


class CliContext(NamedTuple):
    """The settings of this process, and the addresses of PostgreSQL and Redis."""

    settings: Settings
    engines: Engines


def current_context() -> CliContext:
    """Return the context that the environment variables describe.

    Raises SettingsError if a setting is invalid, and NotRunningError if a URL is not set and no stack is running here.
    """
    from config.engines import current_engines
    from config.logging import warn_of_service_links
    from config.settings import read_settings

    _log_warnings_only()
    settings = read_settings(os.environ)
    warn_of_service_links(settings)
    return CliContext(settings, current_engines(settings))


def _log_warnings_only() -> None:
    """Log only warnings and errors, to the standard error, because commands print their results without the log."""
    from config.logging import log_warnings_only

    log_warnings_only(sys.stderr)


@contextmanager
def open_database(engines: Engines | None = None) -> Iterator[Database]:
    """Open a connection pool to PostgreSQL until the block ends, for more than one transaction."""
    from payments.store.db.connection import connect

    url = (engines or current_context().engines).database_url
    opened = connect(url, application_name="payments console", pool_size=1)
    try:
        yield opened
    finally:
        opened.dispose()


@contextmanager
def open_transaction(engines: Engines | None = None) -> Iterator[Transaction]:
    """Open a transaction on the ledger. It is committed at the end of the block."""
    from payments.store.db.connection import transaction

    with open_database(engines) as opened, transaction(opened) as tx:
        yield tx


@contextmanager
def open_snapshot() -> Iterator[Transaction]:
    """Open a transaction whose queries all see the same snapshot."""
    from payments.store.db import connection

    with open_database() as opened, connection.snapshot_transaction(opened) as tx:
        yield tx


@contextmanager
def open_report() -> Iterator[Transaction]:
    """Open a snapshot for a report, and spool the report's output. So a slow reader does not keep the snapshot open."""
    from console.cli.spooled_stdout import spooled_stdout

    with spooled_stdout(), open_snapshot() as tx:
        yield tx


def default_timezone() -> str:
    """Return the time zone of new companies, an IANA name. Raises the errors of `current_context`."""
    return current_context().settings.default_timezone


def warn_without_timezone(tx: Transaction, companies: Sequence[str] | None = None) -> None:
    """Warn on the standard error about each company whose time zone was never chosen.

    If `companies` is given, warn only about these companies.
    """
    from console.cli.terminal import print_warning
    from console.plurals import plural
    from payments import wording
    from payments.journeys import configuring

    found = configuring.companies_without_timezone(tx, companies)
    for row in found[:_WARNINGS_MAX]:
        command = f"payments company set {row.company} --timezone America/Denver"
        next_step = f"Ask an administrator to choose one, for example: {command}"
        print_warning(f"{wording.no_timezone_chosen(row.company, row.timezone)} {next_step}")
    if more := found[_WARNINGS_MAX:]:
        print_warning(f"{plural(len(more), 'more company', 'more companies')} without a chosen time zone")


def current_actor() -> Actor:
    """Return this process's user and the current time, for actions that the audit history records."""
    from console.actor import Actor

    return Actor(datetime.now(UTC), current_user())


def current_user() -> str:
    """Return the user of this process as the histories show it, such as `cli:0 (root)`.

    A user without a name is `cli:1042`. The number is the real user id. LOGNAME and USER are ignored, because every
    user can set them. Users of the console have the prefix `user:` instead.
    """
    uid = os.getuid()
    try:
        return f"cli:{uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"cli:{uid}"
