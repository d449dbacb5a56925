"""Event ids are recorded once, also if a chunk repeats some of them."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from payments.store.db.connection import Transaction
from payments.store.feed import event_ids
from payments.store.feed.event_ids import COPIED_MIN, EventKey, LineEventContent
from tests.builders.events import SAVED_AT, next_version, saved_payment
from tests.builders.ledger import create_clinic, feed_rows, import_chunk, ledger_entries

COMPANY = "event-ids"
CONTENT = LineEventContent(SAVED_AT, b"h" * 32)


def new_events(count: int) -> dict[EventKey, LineEventContent]:
    return {(COMPANY, uuid4()): CONTENT for _ in range(count)}


def recorded(tx: Transaction) -> set[UUID]:
    return set(
        tx.execute(text("SELECT event_id FROM events WHERE company_id = :company"), {"company": COMPANY}).scalars()
    )


@pytest.mark.parametrize("count", [1, COPIED_MIN - 1, COPIED_MIN, 3 * COPIED_MIN])
def test_repeated_event_is_returned_with_its_first_content(tx: Transaction, count: int) -> None:
    repeated = (COMPANY, uuid4())
    assert event_ids.record(tx, {repeated: CONTENT}) == {}

    chunk = new_events(count) | {repeated: LineEventContent(SAVED_AT + timedelta(days=1), b"o" * 32)}
    assert event_ids.record(tx, chunk) == {repeated: chunk[repeated]._replace(content_hash=CONTENT.content_hash)}
    assert recorded(tx) == {event_id for _, event_id in chunk}


@pytest.mark.parametrize("count", [1, 2 * COPIED_MIN])
def test_new_events_are_recorded(tx: Transaction, count: int) -> None:
    chunk = new_events(count)

    assert event_ids.record(tx, chunk) == {}
    assert recorded(tx) == {event_id for _, event_id in chunk}


def test_chunk_with_one_repeated_event_posts_each_payment_once(tx: Transaction) -> None:
    create_clinic(tx)
    first = saved_payment("25.00", payment_id="first")
    import_chunk(tx, first)
    others = [saved_payment("10.00", payment_id=f"other-{number}") for number in range(2 * COPIED_MIN)]

    stats = import_chunk(
        tx, *others[:COPIED_MIN], first, *others[COPIED_MIN:], next_version(first, amount_paid="20.00")
    )

    assert (stats.imported, stats.updated, stats.unchanged) == (2 * COPIED_MIN, 1, 1)
    assert len(feed_rows(tx)) == 2 * COPIED_MIN + 1
    assert sum(Decimal(amount) for amount, _ in ledger_entries(tx, "first")) == Decimal("20.00")
