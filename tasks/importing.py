"""The messages that move payments: import these entries, give these up, take up what is due."""

from collections.abc import Iterable, Sequence

from payments.core.tally import Tally
from tasks import attempt
from tasks.app import app
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_at_once
from tasks.resources import resources

DUE_LIMIT = 500


@app.task(name="payments.import_events")
def import_events(
    *,
    entry_ids: list[str] | None = None,
    reply_to: str = "",
    streams: Sequence[str] = (),
    trace: str | None = None,
    **_future: object,
) -> str:
    """Import what is new on the feed, or these entries of it, into the ledger."""
    here = resources()
    if entry_ids:
        return _summary([attempt.import_entries(here, entry_ids)])
    return _summary(attempt.import_turn(here, reply_to, streams, trace))


@app.task(name="payments.give_up")
def give_up(*, entry_ids: list[str], **_future: object) -> str:
    """Set these entries aside, visible and whole: every try has failed."""
    return _summary([attempt.give_up(resources(), entry_ids)])


@app.task(name="payments.retry_due")
def retry_due(**_future: object) -> str:
    """Judge again what waits or was requeued and whose time has come; what is left goes on in another message."""
    tally, is_cut = attempt.retry_due(resources(), DUE_LIMIT)
    if is_cut:
        retry_due.delay()
    return _summary([tally])


def _summary(tallies: Iterable[Tally]) -> str:
    """Return the result that operators read; after each part of the work those who take it from here get a hint."""
    whole = Tally()
    for tally in tallies:
        if tally.released:
            retry_due.delay()
        if tally.to_examine:
            detect_exceptions.delay()
        if tally.to_distribute:
            apply_at_once.delay()
        whole += tally
    return str(whole)
