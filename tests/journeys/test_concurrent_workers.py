"""Several workers at the same time, with transactions that commit."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.contract.event import Event
from payments.core.import_stats import ImportStats
from payments.core.outcome import Status
from payments.journeys import distributing, importing, requeueing, retrying
from payments.journeys.distributing import FIRST
from payments.journeys.requeueing import RequeueFilter
from payments.store.db.connection import ConcurrentWriteError, transaction
from tests.journeys.billing import BEFORE, choose, feed, ledger, sweep, take
from tests.make import COPAYS, NOW, arrived, charge, edited, patient, run, saved

WORKERS = 3
ROUNDS = 5


@pytest.fixture
def clinic(shared):
    """A clinic of its own, whose patients are all unknown."""
    clinic_id = f"clinic-{uuid4()}"
    with transaction(shared) as tx:
        choose(tx, COPAYS, BEFORE, clinic_id)
    return clinic_id


def imported(database, entries) -> ImportStats:
    """Import as a worker does, who begins again where another was faster."""
    while True:
        try:
            with transaction(database) as tx:
                return importing.import_events(tx, entries, run())
        except ConcurrentWriteError:
            continue


def at_once(*work: Callable[[], ImportStats]) -> list[ImportStats]:
    """Do several things at the same moment."""
    start = threading.Barrier(len(work))

    def begin(each: Callable[[], ImportStats]) -> ImportStats:
        start.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(begin, work))


def wait_until_blocked(tx, pid: int) -> None:
    """Wait until that session waits for a lock."""
    while not tx.execute(text("SELECT cardinality(pg_blocking_pids(:pid))"), {"pid": pid}).scalar_one():
        pass


def shuffled(clinic: str) -> list[list[Event]]:
    """Return chunks of patients, their payments in two versions each and their charges, in any order."""
    people = [f"{clinic}-{number}" for number in range(60)]
    events: list[Event] = [patient(each) for each in people]
    for number, each in enumerate(people * 6):
        at = {"clinic_id": clinic, "patient_id": each}
        first = saved("40.00", payment_id=f"{clinic}-{number}", **at)
        events += [first, edited(first, amount_due="30.00", amount_paid="30.00"), charge(f"c{number}", "9.00", **at)]
    random.Random(7).shuffle(events)
    return [events[first : first + 80] for first in range(0, len(events), 80)]


def go_through_all_else(database, clinic: str) -> None:
    """Do all that goes on beside imports, once."""
    waiting = RequeueFilter(Status.PENDING, None, clinic)
    for work in (
        lambda tx: requeueing.requeue_matching(tx, waiting, NOW, "user:support"),
        lambda tx: distributing.distribute_accounts(tx, FIRST, NOW.date(), NOW, 1_000),
        lambda tx: distributing.distribute_queued(tx, NOW.date(), NOW, 1_000),
        lambda tx: retrying.retry_due(tx, run(), 100),
    ):
        with transaction(database) as tx:
            work(tx)


def test_imports_and_the_nightly_close_do_not_deadlock(shared, clinic):
    waiting, is_over = [arrived(chunk) for chunk in shuffled(clinic)], threading.Event()

    def import_all() -> None:
        while waiting:
            imported(shared, waiting.pop())  # where a circle is broken, this raises

    def go_on() -> None:
        while not is_over.is_set():
            go_through_all_else(shared, clinic)

    with ThreadPoolExecutor(WORKERS + 1) as threads:
        others = threads.submit(go_on)
        ended = [threads.submit(import_all) for _ in range(WORKERS)]
        try:
            for each in ended:
                each.result()
        finally:
            is_over.set()
        others.result()

    with transaction(shared) as tx:
        sweep(tx)
        found = {(row.status, str(row.amount)) for row in feed(tx, clinic).values()}
    assert found == {("Transmission Successful", "30.00")}


@pytest.mark.parametrize("size", [1, 2, 5, 10, 40])
def test_workers_importing_the_same_lines_post_each_once(shared, clinic, size):
    ids = {"clinic_id": clinic, "patient_id": clinic}
    firsts = [saved("25.00", payment_id=f"{clinic}-{each}", **ids) for each in range(size)]
    entries = arrived([patient(clinic), *firsts, *(edited(first, amount_paid="35.00") for first in firsts)])
    chunks = [entries, [entries[0], *entries[:0:-1]], entries[: size + 1]]

    at_once(*(lambda chunk=chunk: imported(shared, chunk) for chunk in chunks))

    with transaction(shared) as tx:
        sweep(tx)
        assert {(row.status, str(row.amount), row.version) for row in feed(tx, clinic).values()} == {
            ("Transmission Successful", "35.00", 2)
        }
        for first in firsts:
            assert sum(Decimal(amount) for amount, _ in ledger(tx, first.payment_id)) == 35


def test_patient_in_the_same_chunk_releases_the_payment(shared, clinic):
    for stranger in (f"{clinic}-{number}" for number in range(ROUNDS)):
        payment = saved("25.00", clinic_id=clinic, patient_id=stranger, payment_id=stranger)
        chunks = arrived([payment]), arrived([patient(stranger)])

        at_once(*(lambda chunk=chunk: imported(shared, chunk) for chunk in chunks))

        with transaction(shared) as tx:
            sweep(tx)
            assert ledger(tx, stranger) == [("25.00", "2026-06-05")]


def test_patient_saved_during_the_import_waits_for_it_and_releases_the_payment(shared, clinic):
    payment = saved("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with ThreadPoolExecutor(1) as threads, shared.connect() as other, shared.connect() as onlooker:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared) as tx:
            assert take(tx, payment).held == 1
            arriving = threads.submit(take, other, patient(clinic))
            wait_until_blocked(onlooker, pid)
        assert arriving.result().released == 1
        sweep(other)
        assert ledger(other, clinic) == [("25.00", "2026-06-05")]


def test_payment_imported_while_its_patient_is_saved_waits_and_is_imported(shared, clinic):
    payment = saved("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with ThreadPoolExecutor(1) as threads, shared.connect() as other, shared.connect() as onlooker:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared) as tx:
            take(tx, patient(clinic))
            evaluated = threads.submit(take, other, payment)
            wait_until_blocked(onlooker, pid)
        assert evaluated.result().imported == 1


def test_concurrent_retry_sweeps_evaluate_each_line_once(shared, clinic):
    ids = {"clinic_id": clinic, "patient_id": clinic}
    waiting = [saved("25.00", payment_id=f"{clinic}-{number}", **ids) for number in range(30)]
    with transaction(shared) as tx:
        take(tx, *waiting)
        take(tx, patient(clinic))

    def swept() -> ImportStats:
        stats = ImportStats()
        while True:
            with transaction(shared) as tx:
                done = retrying.retry_due(tx, run(), 4)
            if not done.evaluated:
                return stats
            stats += done

    tallies = at_once(*[swept] * WORKERS)

    with transaction(shared) as tx:
        sweep(tx)  # what the last to look passed over because another held it
        assert sum(stats.imported for stats in tallies) == len(waiting)
        assert [ledger(tx, each.payment_id) for each in waiting] == [[("25.00", "2026-06-05")]] * len(waiting)


def test_slower_of_two_workers_on_a_new_line_retries(shared, clinic):
    first = saved("25.00", clinic_id=clinic, patient_id=clinic, payment_id=clinic)
    with transaction(shared) as tx:
        take(tx, patient(clinic))
    with ThreadPoolExecutor(1) as threads, shared.connect() as slower, shared.connect() as onlooker:
        pid = slower.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared) as tx:
            take(tx, first)
            late = threads.submit(take, slower, edited(first, amount_paid="35.00"))
            wait_until_blocked(onlooker, pid)
        with pytest.raises(ConcurrentWriteError):
            late.result()
        slower.rollback()
        assert take(slower, edited(first, amount_paid="35.00")).updated == 1
