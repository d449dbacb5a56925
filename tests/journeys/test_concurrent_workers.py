"""Several workers import, retry and close concurrently, with real commits."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.contract.event import Event
from payments.core.due_selection import DueSelection
from payments.core.import_stats import ImportStats
from payments.core.outcome import Status
from payments.core.scope import Scope
from payments.journeys import distributing, importing, requeue_runs, retrying
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.journeys.requeueing import FeedFilter
from payments.store.db.connection import ConcurrentWriteError, transaction
from payments.store.db.pipeline import send_deferred
from tests.builders.events import (
    COPAYS,
    NOW,
    next_version,
    run_context,
    saved_charge,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.ledger import (
    SETTINGS_SINCE,
    feed_rows,
    import_chunk,
    ledger_entries,
    retry_due,
    set_clinic_settings,
)

WORKER_COUNT = 3
ROUND_COUNT = 5


@pytest.fixture
def clinic(shared_database):
    """A new clinic without known patients."""
    clinic_id = f"clinic-{uuid4()}"
    with transaction(shared_database) as tx:
        set_clinic_settings(tx, COPAYS, SETTINGS_SINCE, clinic_id)
    return clinic_id


def import_with_retry(database, entries) -> ImportStats:
    """Import entries, and retry after a concurrent write, as a worker does."""
    while True:
        try:
            with transaction(database) as tx:
                return importing.import_events(tx, entries, run_context())
        except ConcurrentWriteError:
            continue


def run_concurrently(*work: Callable[[], ImportStats]) -> list[ImportStats]:
    """Run several functions concurrently, and return their results."""
    start = threading.Barrier(len(work))

    def run_at_start(each: Callable[[], ImportStats]) -> ImportStats:
        start.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(run_at_start, work))


def wait_until_blocked(tx, pid: int) -> None:
    """Wait until the session with this pid waits for a lock."""
    while not tx.execute(text("SELECT cardinality(pg_blocking_pids(:pid))"), {"pid": pid}).scalar_one():
        pass


def shuffled_chunks(clinic: str) -> list[list[Event]]:
    """Return shuffled chunks of patients, of payments with two versions each, and of charges."""
    people = [f"{clinic}-{number}" for number in range(60)]
    events: list[Event] = [saved_patient(each) for each in people]
    for number, each in enumerate(people * 6):
        at = {"clinic_id": clinic, "patient_id": each}
        first = saved_payment("40.00", payment_id=f"{clinic}-{number}", **at)
        events += [
            first,
            next_version(first, amount_due="30.00", amount_paid="30.00"),
            saved_charge(f"c{number}", "9.00", **at),
        ]
    random.Random(7).shuffle(events)
    return [events[first : first + 80] for first in range(0, len(events), 80)]


def requeue_waiting(database, clinic: str) -> None:
    """Requeue the pending payments of a clinic in a separate transaction for each chunk, as the console does."""
    waiting = FeedFilter(status=Status.PENDING, scope=Scope.of_clinics(clinic))
    with transaction(database) as tx:
        run_id = requeue_runs.start_run(tx, waiting, NOW, "user:support").run_id
    remain = True
    while remain:
        with transaction(database) as tx:
            remain = requeue_runs.requeue_next_chunk(tx, run_id, NOW, 20)


def run_each_other_job(database, clinic: str) -> None:
    """Run each of these jobs once: requeue, nightly and immediate distribution, and retry."""
    requeue_waiting(database, clinic)
    for work in (
        lambda tx: distributing.distribute_accounts(tx, BEFORE_FIRST_ACCOUNT, NOW.date(), NOW, 1_000),
        lambda tx: distributing.distribute_queued(tx, NOW.date(), NOW, 1_000),
        lambda tx: retrying.retry_due(tx, run_context(), DueSelection(100)),
    ):
        with transaction(database) as tx:
            work(tx)


@pytest.mark.slow
def test_imports_and_the_nightly_close_do_not_deadlock(shared_database, clinic):
    waiting, is_over = [stream_entries(chunk) for chunk in shuffled_chunks(clinic)], threading.Event()

    def import_all() -> None:
        while waiting:
            import_with_retry(shared_database, waiting.pop())  # raises on a deadlock

    def run_others() -> None:
        while not is_over.is_set():
            run_each_other_job(shared_database, clinic)

    with ThreadPoolExecutor(WORKER_COUNT + 1) as threads:
        others = threads.submit(run_others)
        ended = [threads.submit(import_all) for _ in range(WORKER_COUNT)]
        try:
            for each in ended:
                each.result()
        finally:
            is_over.set()
        others.result()

    with transaction(shared_database) as tx:
        retry_due(tx)
        found = {(row.status, str(row.amount)) for row in feed_rows(tx, clinic).values()}
    assert found == {("Transmission Successful", "30.00")}


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 5, 10, 40])
def test_workers_importing_the_same_lines_post_each_once(shared_database, clinic, size):
    ids = {"clinic_id": clinic, "patient_id": clinic}
    firsts = [saved_payment("25.00", payment_id=f"{clinic}-{each}", **ids) for each in range(size)]
    entries = stream_entries(
        [saved_patient(clinic), *firsts, *(next_version(first, amount_paid="35.00") for first in firsts)]
    )
    chunks = [entries, [entries[0], *entries[:0:-1]], entries[: size + 1]]

    run_concurrently(*(lambda chunk=chunk: import_with_retry(shared_database, chunk) for chunk in chunks))

    with transaction(shared_database) as tx:
        retry_due(tx)
        assert {(row.status, str(row.amount), row.version) for row in feed_rows(tx, clinic).values()} == {
            ("Transmission Successful", "35.00", 2)
        }
        for first in firsts:
            assert sum(Decimal(amount) for amount, _ in ledger_entries(tx, first.payment_id)) == 35


def test_patient_in_the_same_chunk_releases_the_payment(shared_database, clinic):
    for stranger in (f"{clinic}-{number}" for number in range(ROUND_COUNT)):
        payment = saved_payment("25.00", clinic_id=clinic, patient_id=stranger, payment_id=stranger)
        chunks = stream_entries([payment]), stream_entries([saved_patient(stranger)])

        run_concurrently(*(lambda chunk=chunk: import_with_retry(shared_database, chunk) for chunk in chunks))

        with transaction(shared_database) as tx:
            retry_due(tx)
            assert ledger_entries(tx, stranger) == [("25.00", "2026-06-05")]


def test_patient_saved_during_the_import_waits_for_it_and_releases_the_payment(shared_database, clinic):
    payment = saved_payment("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as other, shared_database.connect() as onlooker:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared_database) as tx:
            assert import_chunk(tx, payment).held == 1
            arriving = threads.submit(import_chunk, other, saved_patient(clinic))
            wait_until_blocked(onlooker, pid)
        assert arriving.result().released == 1
        retry_due(other)
        assert ledger_entries(other, clinic) == [("25.00", "2026-06-05")]


def test_payment_imported_while_its_patient_is_saved_waits_and_is_imported(shared_database, clinic):
    payment = saved_payment("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as other, shared_database.connect() as onlooker:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared_database) as tx:
            import_chunk(tx, saved_patient(clinic))
            evaluated = threads.submit(import_chunk, other, payment)
            wait_until_blocked(onlooker, pid)
        assert evaluated.result().imported == 1


def test_concurrent_retry_sweeps_evaluate_each_line_once(shared_database, clinic):
    ids = {"clinic_id": clinic, "patient_id": clinic}
    waiting = [saved_payment("25.00", payment_id=f"{clinic}-{number}", **ids) for number in range(30)]
    with transaction(shared_database) as tx:
        import_chunk(tx, *waiting)
        import_chunk(tx, saved_patient(clinic))

    def retry_all() -> ImportStats:
        stats = ImportStats()
        while True:
            with transaction(shared_database) as tx:
                done = retrying.retry_due(tx, run_context(), DueSelection(4))
            if not done.evaluated:
                return stats
            stats += done

    all_stats = run_concurrently(*[retry_all] * WORKER_COUNT)

    with transaction(shared_database) as tx:
        retry_due(tx)  # lines that the last sweep skipped because another held them
        assert sum(stats.imported for stats in all_stats) == len(waiting)
        assert [ledger_entries(tx, each.payment_id) for each in waiting] == [[("25.00", "2026-06-05")]] * len(waiting)


def test_slower_of_two_workers_on_a_new_line_retries(shared_database, clinic):
    first = saved_payment("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with transaction(shared_database) as tx:
        import_chunk(tx, saved_patient(clinic))
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as slower, shared_database.connect() as onlooker:
        pid = slower.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared_database) as tx:
            import_chunk(tx, first)
            send_deferred(tx)  # as the COMMIT begins
            late = threads.submit(import_chunk, slower, next_version(first, amount_paid="35.00"))
            wait_until_blocked(onlooker, pid)
        with pytest.raises(ConcurrentWriteError):
            late.result()
        slower.rollback()
        assert import_chunk(slower, next_version(first, amount_paid="35.00")).updated == 1
