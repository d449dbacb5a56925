"""`payments replay`: import again the acknowledged entries that are kept on the feed."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import parse_datetime
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.progress import counter
from console.cli.session import CliContext, current_context, current_user
from console.cli.terminal import print_line
from console.errors import CommandError
from console.plurals import plural

if TYPE_CHECKING:
    from payments.store.db.connection import Database
    from tasks.feed.replay import ReplayRange, ReplayStats
    from tasks.resources import Resources

_FAILED_LISTED_MAX = 20

SinceOption = Annotated[
    datetime,
    typer.Option(
        "--since",
        parser=parse_datetime,
        metavar="TIME",
        help="Replay entries published at this time or later. UTC, unless it has an offset.",
    ),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        parser=parse_datetime,
        metavar="TIME",
        help="Only entries published before this time. UTC, unless it has an offset.",
    ),
]


def replay(
    *,
    since: SinceOption,
    until: UntilOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Import again the acknowledged entries that are kept on the feed (PAYMENTS_KEEP_ENTRIES).

    Use it after a failover to a PostgreSQL standby that had not received the latest commits, or after PostgreSQL was
    restored. Payments that are in Billing do not change. Pending entries are skipped. Run the command with
    the settings and signing keys of the importer. On a terminal the command asks for confirmation, with the number of
    entries that would change data in Billing.
    """
    from tasks.feed.replay import plan_replay

    if until is not None and until <= since:
        raise typer.BadParameter("expected a time after --since", param_hint="'--until'")
    context = current_context()
    with _open_resources(context) as resources:
        ranges = plan_replay(resources.streams, since, until)
        if dry_run or must_ask(yes=yes):
            expected = _run(context, resources, ranges, dry_run=True)
            if dry_run:
                _print_result(expected, "would change data in Billing. Nothing was changed.")
                return
            if expected.changed:
                confirm(
                    f"{_read_sentence(expected)} {_changes(expected)} would change data in Billing. Import them again?"
                )
        with _recording_audit(resources.database, since, until) as done:
            done.append(_run(context, resources, ranges, dry_run=False))
    _print_result(done[0], "changed data in Billing.")
    _explain_nothing_read(context, done[0])


@contextmanager
def _recording_audit(database: Database, since: datetime, until: datetime | None) -> Iterator[list[ReplayStats]]:
    """Record in the audit history that a replay starts. At the end of the block, record its result.

    Yields a list, to which the block appends the result.
    """
    from payments.journeys import replaying
    from payments.store.db.connection import transaction

    done: list[ReplayStats] = []
    with transaction(database) as tx:
        replaying.record_start(tx, since, until, datetime.now(UTC), current_user())
    yield done
    with transaction(database) as tx:
        replaying.record_end(tx, done[0].read, done[0].changed, datetime.now(UTC), current_user())


@contextmanager
def _open_resources(context: CliContext) -> Iterator[Resources]:
    """Open the same connections as an importer, and close them at the end of the block."""
    from payments.store.db.connection import IDLE_IN_TRANSACTION_SECONDS_MAX, connect
    from tasks.feed.replay import APPLICATION_NAME
    from tasks.resources import Resources, connect_redis
    from tasks.signing import read_keyring

    settings, engines = context
    keyring = read_keyring(settings)
    database = connect(
        engines.database_url,
        application_name=APPLICATION_NAME,
        pool_size=1,
        idle_in_transaction_seconds=IDLE_IN_TRANSACTION_SECONDS_MAX,
        allow_seqscan=False,
    )
    with closing(connect_redis(engines.redis_url)) as feed, closing(connect_redis(engines.broker_url)) as broker:
        try:
            yield Resources(settings, database, feed, broker, f"replay-{os.getpid()}", keyring)
        finally:
            database.dispose()


def _run(context: CliContext, resources: Resources, ranges: Sequence[ReplayRange], *, dry_run: bool) -> ReplayStats:
    """Replay these ranges with a progress indicator. After each chunk, enqueue the tasks that continue its work.

    Returns the counts of all ranges. If `dry_run`, nothing changes and no task is enqueued. Raises CommandError if
    entries are signed and no key verifies them.
    """
    from payments.core.import_stats import ImportStats
    from tasks.enqueue import enqueue_following
    from tasks.feed.replay import Replay, UnverifiedEntriesError

    made, label = Replay(resources, dry_run=dry_run), "Checking kept entries" if dry_run else "Importing again"
    with _celery_application(context), counter(label, "entries") as progress:
        try:
            for stats in made.run(ranges):
                progress(made.stats.read)
                enqueue_following(resources.broker, ImportStats() if dry_run else stats)
        except UnverifiedEntriesError:
            raise CommandError(
                "entries are signed, and no key verifies them here: set PAYMENTS_SIGNING_KEYS and "
                "PAYMENTS_SIGNATURES_REQUIRED as for the importer"
            ) from None
    return made.stats


@contextmanager
def _celery_application(context: CliContext) -> Iterator[None]:
    """Make the Celery application that enqueues tasks, and close it after the block. It fails fast without a broker."""
    from config.celery import celery_settings, fail_fast
    from tasks.app import close_app, make_app

    make_app(fail_fast(celery_settings(context.engines)))
    try:
        yield
    finally:
        close_app()


def _read_sentence(stats: ReplayStats) -> str:
    """Return a sentence about the number of entries that were read, and when they were published."""
    period = ""
    if stats.oldest and stats.newest:
        period = f", published from {_published_at(stats.oldest)} to {_published_at(stats.newest)}"
    return f"{plural(stats.read, 'kept entry', 'kept entries')} read{period}."


def _changes(stats: ReplayStats) -> str:
    return plural(stats.changed, "entry", "entries")


def _published_at(entry_id: str) -> str:
    """Return the time in an entry's id, without fractions of a second.

    If the id contains no time, return the id unchanged.
    """
    try:
        return datetime.fromtimestamp(int(entry_id.partition("-")[0]) // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return entry_id


def _print_result(stats: ReplayStats, ending: str) -> None:
    """Print the counts. Raises CommandError if entries failed."""
    print_line(_read_sentence(stats))
    print_line(f"{_changes(stats)} {ending}")
    if stats.pending:
        print_line(f"{plural(stats.pending, 'pending entry', 'pending entries')} skipped: the importers process them.")
    if stats.failed:
        named = ", ".join(stats.failed[:_FAILED_LISTED_MAX])
        raise CommandError(f"{plural(len(stats.failed), 'entry', 'entries')} failed and can be replayed again: {named}")


def _explain_nothing_read(context: CliContext, stats: ReplayStats) -> None:
    """If no entry was read because the feed keeps no entries, print this reason."""
    if not (stats.read or context.settings.keep_entries):
        print_line(
            "PAYMENTS_KEEP_ENTRIES is 0: each entry is deleted when it is acknowledged, so nothing can be replayed."
        )
