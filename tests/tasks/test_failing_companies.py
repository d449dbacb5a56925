"""One company's failing payments hardly delay other companies in importers, retries and the dispatcher."""

from collections import Counter
from itertools import count

import pytest

from tasks.feed import entry_retry, failing_companies
from tasks.feed.clocks import monotonic_ms
from tasks.feed.failing_companies import FailingCompanies
from tasks.feed.leased_import import DIVISIONS_MAX, import_leased
from tasks.feed.pending import ISOLATED_DELIVERIES
from tasks.feed.retry_rotation import RetryRotation
from tests.builders.events import event_body, saved_payment
from tests.tasks.dispatching import IMPORT_REQUEST, LEASE_MS, publish, read_new, take_messages

pytestmark = pytest.mark.slow

OVERDUE_MS = LEASE_MS + 36_000_000


@pytest.fixture
def publish_and_read(resources, clinic_id):
    """Return a function that publishes payments by company and reads their entries. Payments named `poison...` fail."""

    def publish_and_read(**payments):
        for company, names in payments.items():
            ids = {"company_id": f"{company}-{clinic_id}", "clinic_id": f"{company}-{clinic_id}"}
            for name in names:
                event = saved_payment(payment_id=f"{name}-{clinic_id}", **ids)
                resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
        return resources.streams.read_new([resources.settings.stream], 1_000, "no-reply")

    return publish_and_read


def refused_payments(count):
    return [f"poison-{number}" for number in range(count)]


def delivery_counts(resources):
    return [each.deliveries for each in resources.streams.pending_entries(0)]


def count_logged(log_entries, event):
    return sum(each["event"] == event for each in log_entries)


def test_payments_of_other_companies_are_imported_when_most_of_a_chunk_fails(resources, publish_and_read):
    entries = publish_and_read(bad=refused_payments(100), good=["ok-1", "ok-2"], other=["ok-1"])

    stats = import_leased(resources, entries)

    assert stats.not_sent == 3
    assert len(delivery_counts(resources)) == 100


def test_chunk_is_divided_a_limited_number_of_times_and_the_retrier_gets_the_rest(
    resources, publish_and_read, log_entries
):
    entries = publish_and_read(bad=refused_payments(100))

    stats = import_leased(resources, entries)

    assert count_logged(log_entries, "chunk_split") <= DIVISIONS_MAX
    by_deliveries = Counter(delivery_counts(resources))
    assert by_deliveries[1] > by_deliveries[ISOLATED_DELIVERIES] == stats.failed
    assert len(resources.streams.waiting_page(resources.settings.stream, LEASE_MS)) == by_deliveries[1]


def test_retrier_isolates_every_entry_that_an_importer_left(resources, publish_and_read, monkeypatch):
    monkeypatch.setattr(entry_retry, "TIME_SLICE_SECONDS", 60)
    import_leased(resources, publish_and_read(bad=[*refused_payments(60), "ok-1"]))

    for _ in range(10):
        entry_retry.retry_entries(resources)
        if set(delivery_counts(resources)) == {ISOLATED_DELIVERIES}:
            break

    assert delivery_counts(resources) == [ISOLATED_DELIVERIES] * 60


def test_company_that_keeps_failing_causes_one_failed_transaction_a_chunk(resources, publish_and_read, log_entries):
    failing = FailingCompanies()
    import_leased(resources, publish_and_read(bad=refused_payments(8)), failing)
    log_entries.clear()

    stats = import_leased(resources, publish_and_read(bad=refused_payments(8), good=["ok-1"]), failing)

    assert stats.not_sent == 1
    assert [each["event"] for each in log_entries] == ["chunk_split", "entries_left_to_retrier"]


def test_company_whose_payments_are_imported_again_is_no_longer_failing(resources, publish_and_read, clinic_id):
    failing = FailingCompanies()
    import_leased(resources, publish_and_read(bad=refused_payments(4)), failing)
    assert f"bad-{clinic_id}" in failing

    import_leased(resources, publish_and_read(bad=["ok-1", "ok-2"]), failing)

    assert f"bad-{clinic_id}" not in failing


def test_company_that_stops_failing_during_the_import_is_imported(resources, publish_and_read, monkeypatch):
    failing = FailingCompanies()
    import_leased(resources, publish_and_read(bad=refused_payments(4)), failing)
    clock_ms = count(monotonic_ms(), 3_000)  # each look at the clock takes three seconds
    monkeypatch.setattr(failing_companies, "monotonic_ms", lambda: next(clock_ms))

    stats = import_leased(resources, publish_and_read(bad=["ok-1"], good=["ok-1"]), failing)

    assert stats.not_sent == 2


def test_company_with_one_refused_payment_among_many_is_not_failing(resources, publish_and_read, clinic_id):
    failing = FailingCompanies()

    import_leased(resources, publish_and_read(bad=["poison-1", "ok-1", "ok-2"]), failing)

    assert f"bad-{clinic_id}" not in failing


def test_each_company_gets_its_share_of_the_retries(resources, publish_and_read, monkeypatch):
    monkeypatch.setattr(entry_retry, "COMPANY_SHARE", 2)
    ids = [entry.entry_id for entry in publish_and_read(bad=refused_payments(6), other=refused_payments(1))]
    resources.streams.release_for_retry(ids, ISOLATED_DELIVERIES, OVERDUE_MS)

    stats, has_more = entry_retry.retry_entries(resources)

    assert (stats.failed, has_more) == (3, True)
    assert delivery_counts(resources) == [3, 3, 2, 2, 2, 2, 3]


def test_waiting_entries_are_read_page_by_page_in_rotation(resources, publish_and_read):
    ids = [entry.entry_id for entry in publish_and_read(bad=refused_payments(5))]
    resources.streams.release_for_retry(ids, ISOLATED_DELIVERIES, OVERDUE_MS)
    rotation = RetryRotation(page_size=2)

    pages = [rotation.next_page(resources.streams, LEASE_MS) for _ in range(4)]

    assert [[each.entry_id for each in page.entries] for page in pages] == [ids[:2], ids[2:4], ids[4:], ids[:2]]
    assert [page.is_last for page in pages] == [False, False, True, False]


def test_waiting_entries_do_not_count_as_in_progress(dispatcher):
    ids = [each for _ in range(3) for each in (publish(dispatcher, 4) and read_new(dispatcher))]
    dispatcher.streams.release_for_retry(ids, ISOLATED_DELIVERIES)

    publish(dispatcher, 1)
    dispatcher.run_cycle()

    assert take_messages(dispatcher) == [IMPORT_REQUEST]


def test_lease_of_an_entry_put_back_for_retry_is_not_renewed(resources, publish_and_read):
    """An entry that failed before is put back for retry. Renewing the chunk's lease must not claim it again."""
    (entry,) = publish_and_read(bad=refused_payments(1))

    import_leased(resources, [entry])

    assert resources.streams.importers_entries(0) == []
