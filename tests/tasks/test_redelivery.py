"""Pending entries are redelivered in a chunk, then alone, and are finally dead-lettered."""

from tasks.feed.clocks import monotonic_ms
from tasks.feed.redelivery import ISOLATE_AFTER_DELIVERIES
from tests.tasks.dispatching import (
    LEASE_MS,
    NEW_ENTRIES,
    age_entries,
    open_dispatcher,
    publish,
    read_new,
    take_messages,
)

IMPORT, DEAD_LETTER = "payments.import_events", "payments.give_up"


def redeliver_idle(dispatcher):
    dispatcher.redelivery.redeliver(dispatcher.streams.pending_entries(LEASE_MS))


def test_entries_are_redelivered_after_their_lease(dispatcher):
    ids = publish(dispatcher, 6)
    for _ in range(2):
        dispatcher.run_cycle()
        take_messages(dispatcher, reading=True)

    age_entries(dispatcher, ids, 1, LEASE_MS - 1_000)
    redeliver_idle(dispatcher)
    assert take_messages(dispatcher) == []

    age_entries(dispatcher, ids, 1)
    dispatcher.sweep()
    assert take_messages(dispatcher) == [(IMPORT, ids[:4]), (IMPORT, ids[4:])]


def test_entry_that_keeps_failing_is_isolated(dispatcher):
    ids = publish(dispatcher, 3)
    read_new(dispatcher)
    age_entries(dispatcher, ids[:1], ISOLATE_AFTER_DELIVERIES - 1)
    age_entries(dispatcher, ids[1:], ISOLATE_AFTER_DELIVERIES)

    redeliver_idle(dispatcher)

    assert take_messages(dispatcher) == [(IMPORT, [each]) for each in ids]


def test_exhausted_entry_is_dead_lettered(dispatcher, log_entries):
    ids = publish(dispatcher, 3)
    read_new(dispatcher)
    age_entries(dispatcher, ids[:1], 3)
    age_entries(dispatcher, ids[1:], 4)

    redeliver_idle(dispatcher)

    assert take_messages(dispatcher) == [(IMPORT, ids[:1]), (DEAD_LETTER, ids[1:])]
    assert [(entry["event"], entry["entries"]) for entry in log_entries] == [
        ("entries_redelivered", 1),
        ("entries_dead_lettered", 2),
    ]


def test_failed_entry_waits_for_its_backoff_delay_after_the_lease(engines, stream_name):
    with open_dispatcher(engines, stream_name, PAYMENTS_RETRY_LADDER="10h,10h,10h") as dispatcher:
        ids = publish(dispatcher, 4)
        read_new(dispatcher)
        age_entries(dispatcher, ids, 1)
        redeliver_idle(dispatcher)
        assert take_messages(dispatcher) == []

        age_entries(dispatcher, ids, 1, LEASE_MS + 36_000_000)
        redeliver_idle(dispatcher)
        assert take_messages(dispatcher) == [(IMPORT, ids)]


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


def test_only_one_of_two_dispatchers_redelivers_an_entry(dispatcher, engines, stream_name):
    ids = publish(dispatcher, 2)
    read_new(dispatcher)
    age_entries(dispatcher, ids, 1)
    idle = dispatcher.streams.pending_entries(LEASE_MS)

    dispatcher.redelivery.redeliver(idle)
    with open_dispatcher(engines, stream_name) as other:
        other.redelivery.redeliver(idle)

    assert take_messages(dispatcher) == [(IMPORT, ids)]


def test_entries_that_wait_for_redelivery_do_not_block_new_ones(dispatcher):
    failing = publish(dispatcher, 10)
    for _ in range(3):
        read_new(dispatcher)
    age_entries(dispatcher, failing, 2, LEASE_MS + 1_000)
    dispatcher.sweep()
    take_messages(dispatcher)

    publish(dispatcher, 1)
    dispatcher.run_cycle()

    assert take_messages(dispatcher)[-1:] == [NEW_ENTRIES]
