"""The messages that move payments: import these entries, give these up, take up what is due."""

from tasks import attempt
from tasks.app import app
from tasks.resources import resources

DUE_LIMIT = 500


@app.task(name="payments.import_events")
def import_events(*, entry_ids: list[str], **_future: object) -> str:
    """Import these entries of the stream into the ledger."""
    tally = attempt.import_entries(resources(), entry_ids)
    if tally.released:
        retry_due.delay()
    return str(tally)


@app.task(name="payments.give_up")
def give_up(*, entry_ids: list[str], **_future: object) -> str:
    """Set these entries aside, visible and whole: every try has failed."""
    return str(attempt.give_up(resources(), entry_ids))


@app.task(name="payments.retry_due")
def retry_due(**_future: object) -> str:
    """Judge again what waits or was requeued and whose time has come."""
    return str(attempt.retry_due(resources(), DUE_LIMIT))
