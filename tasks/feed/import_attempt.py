"""One attempt at a set of entries: claimed, imported in one transaction, acknowledged after its commit."""

import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.journeys import importing, retrying
from payments.store.db.connection import ConcurrentWriteError, Transaction, is_answering, is_transient, transaction
from tasks.resources import Resources

log = structlog.get_logger()

RACES_MAX = 3
TURN_SECONDS, NEW_TURN_SECONDS = 2, 1
"""How long one message goes on with what is due, and with what is new."""
LINGER_MS = 50
"""How long a turn waits for more that is new."""
NOTHING = ImportStats()


class NotAnsweringError(Exception):
    """PostgreSQL does not answer; everything stays where it is and comes back later."""


def import_new(here: Resources, reply_to: str, streams: Sequence[str] = (), trace: str | None = None) -> ImportStats:
    """Import what is new on these streams, or on the undivided one: a chunk at most; acknowledge what is committed.

    The intake hears on `reply_to` that it was taken. A fault that passes by itself is raised, and what was not imported
    stays pending. With any other fault the entries are tried in ever smaller parts, so that one that cannot be
    processed stops none of the rest.
    """
    names = streams or [here.settings.stream]
    return _import(here, trace, lambda: here.streams.take_new(names, here.settings.chunk_events, reply_to))


def import_turn(
    here: Resources, reply_to: str, streams: Sequence[str] = (), trace: str | None = None
) -> Iterator[ImportStats]:
    """Import what is new chunk by chunk, each in a transaction of its own, and yield what each came to.

    A turn goes on while more comes, for a message of its own would cost a lone payment more than its import does. It is
    short, for others wait behind it, and ends at once where they have to come first: what failed, who was released.
    """
    ends = time.monotonic() + NEW_TURN_SECONDS
    stats = import_new(here, reply_to, streams, trace)
    while stats != NOTHING:
        yield stats
        if stats.failed or stats.released or time.monotonic() >= ends:
            return
        # PostgreSQL answered a moment ago, so it is not asked once more.
        arrived = here.streams.wait_for_new(here.settings.chunk_events, LINGER_MS)
        if not arrived:
            return
        with here.traces.chunk(trace):
            stats = _import_in_parts(here, arrived)


def import_entries(here: Resources, entry_ids: Sequence[str]) -> ImportStats:
    """Import these entries of the stream, which were handed out before, in the same way."""
    return _import(here, None, lambda: here.streams.claim(entry_ids))


def _import(here: Resources, trace: str | None, take: Callable[[], Sequence[StreamEntry]]) -> ImportStats:
    """Import what can be taken. While PostgreSQL does not answer nothing is, for each time counts as a try."""
    if not is_answering(here.database):
        raise NotAnsweringError
    with here.traces.chunk(trace):
        arrived = take()
        return _import_in_parts(here, arrived) if arrived else NOTHING


def _import_in_parts(here: Resources, arrived: Sequence[StreamEntry]) -> ImportStats:
    """Import what was claimed, halved again and again where it fails; what fails alone stays pending and is counted."""
    began_ns = time.time_ns()
    try:
        stats = _in_one_transaction(here, lambda tx: importing.import_events(tx, arrived, here.run()))
    except Exception as error:
        if _passes(error):
            _remember(here, arrived, error)
            here.traces.tried(arrived, began_ns, error)
            raise
        if len(arrived) == 1:
            _remember(here, arrived, error)
            here.traces.tried(arrived, began_ns, error)
            log.exception("entry failed", entry_id=arrived[0].entry_id)
            return ImportStats(failed=1)
        log.warning("chunk split", entries=len(arrived), error_class=type(error).__name__)
    else:
        here.traces.tried(arrived, began_ns, str(stats))
        here.streams.acknowledge([entry.entry_id for entry in arrived])
        return stats
    half = len(arrived) // 2
    return _import_in_parts(here, arrived[:half]) + _import_in_parts(here, arrived[half:])


def give_up(here: Resources, entry_ids: Sequence[str]) -> ImportStats:
    """Set entries aside whole that failed in every try, and acknowledge them."""
    began_ns = time.time_ns()
    arrived = here.streams.claim(entry_ids)
    stats = _in_one_transaction(here, lambda tx: retrying.dead_letter(tx, arrived, here.run()))
    here.traces.tried(arrived, began_ns, str(stats))
    # Also those that could not be claimed: of an entry that was deleted, Redis before 7.0 goes on saying that it waits.
    here.streams.acknowledge(entry_ids)
    return stats


def retry_due(here: Resources, limit: int, turn_seconds: int = TURN_SECONDS) -> tuple[ImportStats, bool]:
    """Take up what is due, `limit` at a time, and say whether the turn ended before all was done.

    What fails is put off, alone. Payments that are new wait no longer than a turn for however many were requeued.
    """
    stats, ends = ImportStats(), time.monotonic() + turn_seconds
    for journey, put_off in (
        (retrying.retry_due, retrying.postpone_line),
        (importing.retry_dead_letters, retrying.postpone_dead_letter),
    ):
        while (done := _retry(here, journey, put_off, limit)).evaluated:
            stats += done
            if time.monotonic() >= ends:
                return stats, True
    return stats, False


def _retry(
    here: Resources, journey: Callable[..., ImportStats], put_off: Callable[..., ImportStats], limit: int
) -> ImportStats:
    try:
        return _in_one_transaction(here, lambda tx: journey(tx, here.run(), limit))
    except Exception as error:
        if _passes(error):
            raise
        if limit > 1:
            return _retry(here, journey, put_off, limit // 2)
        log.exception("put off")
        summary = _summary(error)
        return _in_one_transaction(here, lambda tx: put_off(tx, here.run(), summary))


def _in_one_transaction(here: Resources, work: Callable[[Transaction], ImportStats]) -> ImportStats:
    for _ in range(RACES_MAX):
        try:
            with transaction(here.database) as tx:
                return work(tx)
        except ConcurrentWriteError:
            log.info("race lost")
    raise ConcurrentWriteError("lost every race")


def _passes(error: Exception) -> bool:
    """Say whether trying the same again, later, is the thing to do; when time is up it is, too."""
    return isinstance(error, SoftTimeLimitExceeded | NotAnsweringError) or is_transient(error)


def _remember(here: Resources, arrived: Sequence[StreamEntry], error: Exception) -> None:
    """Write the failed try down where that is possible; it is no reason to fail once more."""
    try:
        with transaction(here.database) as tx:
            retrying.record_failure(tx, arrived, _summary(error), here.run())
    except Exception:
        log.exception("failure not written down", entries=len(arrived))


def _summary(error: Exception) -> str:
    """Return the first line of an error. The rest may quote the statement and its values, which are not for a log."""
    first = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:300]
