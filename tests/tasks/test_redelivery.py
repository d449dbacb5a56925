"""The dispatcher's sweep requests a retry of all pending entries that are due. The request contains no entry ids."""

import pytest

from tasks.feed.clocks import monotonic_ms
from tests.tasks.dispatching import (
    IMPORT_REQUEST,
    LEASE_MS,
    age_entries,
    open_dispatcher,
    publish,
    read_new,
    take_messages,
)

RETRY_TASK = "payments.retry_entries"


def test_retry_is_requested_once_after_the_lease(dispatcher):
    ids = publish(dispatcher, 6)
    for _ in range(2):
        dispatcher.run_cycle()
        take_messages(dispatcher, reading=True)

    age_entries(dispatcher, ids, 1, LEASE_MS - 1_000)
    dispatcher.sweep()
    assert take_messages(dispatcher) == []

    age_entries(dispatcher, ids, 1)
    dispatcher.sweep()
    dispatcher.sweep()
    assert take_messages(dispatcher) == [RETRY_TASK]


@pytest.mark.parametrize(
    ("deliveries", "idle_ms", "expected"),
    [
        pytest.param(1, LEASE_MS + 1_000, [RETRY_TASK], id="lost entry"),
        pytest.param(2, LEASE_MS + 1_000, [], id="failed entry before its delay"),
        pytest.param(2, LEASE_MS + 36_000_000, [RETRY_TASK], id="failed entry after its delay"),
        pytest.param(4, LEASE_MS + 1_000, [], id="last retry before its delay"),
        pytest.param(5, LEASE_MS + 1_000, [RETRY_TASK], id="entry without retries left"),
    ],
)
def test_entry_is_due_after_its_lease_and_the_delay_of_its_failures(
    engines, stream_name, deliveries, idle_ms, expected
):
    with open_dispatcher(engines, stream_name, PAYMENTS_RETRY_LADDER="10h,10h,10h") as dispatcher:
        ids = publish(dispatcher, 1)
        read_new(dispatcher)
        age_entries(dispatcher, ids, deliveries, idle_ms)

        dispatcher.sweep()

        assert take_messages(dispatcher) == expected


def test_idle_times_restart_when_the_clock_of_redis_is_set_back(dispatcher):
    ids = publish(dispatcher, 3)
    read_new(dispatcher)
    age_entries(dispatcher, ids, 1, LEASE_MS - 1_000)
    dispatcher.sweep()
    assert take_messages(dispatcher) == []

    # As if the server's clock had been an hour ahead at the latest sweep.
    clock_ms = dispatcher.streams.server_time_ms() + 3_600_000
    dispatcher.redelivery.clock.detect_setback(clock_ms, monotonic_ms())
    dispatcher.sweep()

    pending = dispatcher.streams.pending_entries(0)
    assert [(entry.entry_id, entry.deliveries) for entry in pending] == [(each, 1) for each in ids]
    assert max(entry.idle_ms for entry in pending) < 1_000


def test_entries_that_wait_for_a_retry_do_not_block_new_ones(dispatcher):
    failing = publish(dispatcher, 10)
    for _ in range(3):
        read_new(dispatcher)
    age_entries(dispatcher, failing, 2, LEASE_MS + 1_000)
    dispatcher.sweep()
    take_messages(dispatcher)

    publish(dispatcher, 1)
    dispatcher.run_cycle()

    assert take_messages(dispatcher)[-1:] == [IMPORT_REQUEST]
