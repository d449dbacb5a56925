"""Pending entries are claimed after their lease: lost entries in chunks, failed entries one by one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.feed import entry_retry, leases, pending
from tasks.feed.leased_import import NOTHING_IMPORTED, import_leased
from tests.builders.events import event_body, saved_patient, saved_payment
from tests.faults.processes import wait_for
from tests.tasks.dispatching import LEASE_MS, pending_and_length


@pytest.fixture
def publish_unimported(resources, clinic_id):
    """Return a function that publishes payments of a known patient and reads them without importing them.

    The function then sets the entries' number of deliveries and idle time, and returns the entry ids.
    """

    def publish_unimported(*payment_ids, deliveries=1, idle_ms=LEASE_MS + 1_000):
        for event in (
            saved_patient(clinic_id),
            *(saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in payment_ids),
        ):
            resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
        patient, *ids = read_new(resources)
        import_leased(resources, resources.streams.claim([patient]))
        age_entries(resources, ids, deliveries, idle_ms)
        return ids

    return publish_unimported


def read_new(resources):
    """Read new entries without importing them. Return the entry ids."""
    return [entry.entry_id for entry in resources.streams.read_new([resources.settings.stream], 1_000, "no-reply")]


def age_entries(resources, ids, deliveries, idle_ms=LEASE_MS + 36_000_000):
    """Set the number of deliveries and the idle time of pending entries."""
    options = {"idle": idle_ms, "retrycount": deliveries, "justid": True}
    resources.feed.xclaim(resources.settings.stream, "billing", "intake", 0, ids, **options)


def delivery_counts(resources):
    """Return the number of deliveries by entry id."""
    return {each.entry_id: each.deliveries for each in resources.streams.pending_entries(0)}


def status_by_payment(resources, clinic_id):
    with transaction(resources.database) as tx:
        found = reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id)))
        return {row.payment.split("/")[1]: row.status for row in found}


def test_lost_entries_are_imported_in_chunks(resources, publish_unimported, log_entries):
    publish_unimported(*"12345")
    small_chunks = replace(resources, settings=resources.settings.model_copy(update={"chunk_events": 2}))

    stats, has_more = entry_retry.retry_entries(small_chunks)

    assert (stats.imported, has_more) == (5, False)
    assert [each["entries"] for each in log_entries if each["event"] == "entries_claimed"] == [2, 2, 1]
    assert pending_and_length(resources) == (0, 0)


def test_entry_that_is_leased_is_not_claimed(resources, publish_unimported):
    publish_unimported("1", idle_ms=LEASE_MS - 1_000)

    assert entry_retry.retry_entries(resources) == (NOTHING_IMPORTED, False)
    assert pending_and_length(resources) == (1, 1)


def test_entry_that_fails_in_a_chunk_is_imported_alone_from_then_on(resources, publish_unimported):
    ids = publish_unimported("1", "poison", "2")

    stats, _ = entry_retry.retry_entries(resources)

    assert (stats.imported, stats.failed) == (2, 1)
    assert delivery_counts(resources) == {ids[1]: pending.ISOLATED_DELIVERIES}


def test_each_failure_of_an_isolated_entry_counts_and_the_last_makes_a_dead_letter(
    resources, publish_unimported, clinic_id
):
    (entry_id,) = publish_unimported("poison")
    tries = len(resources.settings.retry_ladder)
    for failures in range(1, tries + 2):
        assert entry_retry.retry_entries(resources)[0].failed == 1
        assert delivery_counts(resources) == {entry_id: failures + 1}
        age_entries(resources, [entry_id], failures + 1)

    assert entry_retry.retry_entries(resources)[0].refused == 1
    assert pending_and_length(resources) == (0, 0)
    assert status_by_payment(resources, clinic_id) == {"poison": "Not Sent"}


def test_retry_time_slice_may_end_with_entries_left(resources, publish_unimported, monkeypatch):
    monkeypatch.setattr(entry_retry, "TIME_SLICE_SECONDS", 0)
    publish_unimported("1")

    assert entry_retry.retry_entries(resources) == (NOTHING_IMPORTED, True)


@pytest.mark.parametrize("count", [1, 2], ids=["in a chunk", "alone"])
def test_two_workers_claim_each_entry_once(resources, publish_unimported, count):
    publish_unimported(*(f"p{number}" for number in range(20)), deliveries=count)
    start = threading.Barrier(2)

    def work():
        start.wait()
        return entry_retry.retry_entries(resources)[0].imported

    with ThreadPoolExecutor(2) as threads:
        imported = [each.result() for each in [threads.submit(work), threads.submit(work)]]

    assert sum(imported) == 20
    assert pending_and_length(resources) == (0, 0)


@pytest.mark.slow
def test_leases_of_a_slow_import_are_renewed(resources, publish_unimported):
    (entry_id,) = publish_unimported("1", idle_ms=LEASE_MS - 2_000)

    def is_renewed():
        (entry,) = resources.streams.pending_entries(0)
        return entry.idle_ms < 1_000 and entry.deliveries == 1

    with resources.leases.hold(resources.streams, [entry_id]):
        wait_for(is_renewed, 10, "its idle time is reset")


def test_lease_that_was_lost_is_not_renewed(resources, publish_unimported, log_entries):
    """Like a frozen process, the process tries to renew the lease after a pause that is longer than the lease."""
    (entry_id,) = publish_unimported("1")
    frozen_at = leases._now_ms() - LEASE_MS
    held = leases._HeldLeases(resources.streams, [entry_id], since_ms=frozen_at, renewed_ms=frozen_at)

    leases._renew(held)
    leases._renew(held)

    assert [each["event"] for each in log_entries] == ["leases_lost"]
    assert entry_retry.retry_entries(resources)[0].imported == 1
