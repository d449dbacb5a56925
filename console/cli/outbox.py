"""`payments emr outbox`: show the events that wait in an EMR's outbox, and the events that were moved aside."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.terminal import print_line
from console.errors import CommandError
from console.plurals import plural

if TYPE_CHECKING:
    from psycopg import Connection


def outbox(
    url: Annotated[str, typer.Argument(metavar="URL", help="The EMR's database, postgresql://user@host/name.")],
    *,
    retry: Annotated[
        bool, typer.Option("--retry", help="Return the events that were moved aside to the queue.")
    ] = False,
) -> None:
    """Show how many events wait in an EMR's outbox, and the events that its relay has moved aside.

    An event is moved aside if it is too large, or if Redis refuses it but accepts later events. Exits with 1 if an
    event was moved aside. Pass the password in PGPASSWORD or the password file, because other users can read the
    command line.
    """
    import psycopg

    from emr.outbox import refused, retry_refused, waiting

    with closing(_connect(url)) as connection:
        try:
            if retry:
                retry_refused(connection)
            count, events = waiting(connection), refused(connection)
            connection.commit()
        except psycopg.Error as error:
            raise CommandError(f"the outbox cannot be read: {str(error).splitlines()[0]}") from None
    print_line(f"{plural(count, 'event')} waiting, {len(events):,} moved aside")
    for event in events:
        print_line(f"{event.id}  {event.refused_at:%Y-%m-%d %H:%M:%S%z}  {event.byte_count:,} bytes  {event.reason}")
    if events:
        raise typer.Exit(1)


def _connect(url: str) -> Connection:
    """Connect to the EMR's database.

    Raises CommandError if this fails; its message contains no part of the password.
    """
    import psycopg

    try:
        return psycopg.connect(url, connect_timeout=5)
    except psycopg.ProgrammingError:
        raise CommandError("URL: not a PostgreSQL URL such as postgresql://user@host/name", exit_status=2) from None
    except psycopg.OperationalError as error:
        raise CommandError(f"the EMR's database does not answer: {str(error).splitlines()[0]}") from None
