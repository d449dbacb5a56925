"""A dead letter is stored once for each combination of body and company."""

from datetime import UTC, datetime

from sqlalchemy import text

from payments.contract.stream_entry import StreamEntry
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.feed.dead_letters import Rejection
from tests.builders.events import event_body, payment_fields

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
INVALID_BODY = event_body(payment_fields(method="wrong"))


def rejection(company_id: str | None) -> Rejection:
    """Return a rejection of an invalid event. Adding it stores a dead letter of this company that can be retried."""
    entry = StreamEntry("1-1", INVALID_BODY, was_authentic=True, stored_company=company_id)
    return Rejection(entry, Reason.INVALID_EVENT, "method: wrong")


def test_same_body_is_stored_once_for_each_company(tx: Transaction) -> None:
    again = [rejection(None), rejection("alpha"), rejection("beta"), rejection("alpha")]

    added = dead_letters.add(tx, again, NOW)
    dead_letters.add(tx, again, NOW)

    assert [each.company_id for each in added] == [None, "alpha", "beta"]
    stored = tx.execute(text("SELECT company_id, attempts FROM set_aside ORDER BY company_id NULLS FIRST"))
    assert [tuple(row) for row in stored] == [(None, 2), ("alpha", 2), ("beta", 2)]
