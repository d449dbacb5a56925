"""Payments are imported even if a task crashes in any way, or if another payment fails or crashes the worker."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from config.celery import IMPORTS
from emr.client import PaymentFeed
from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter, FeedRow
from payments.store.db.connection import transaction
from tests.acceptance.events import Event, patient, payment
from tests.faults.fatal_tasks import CRASH_BY_NAME, FATAL_TEXT, crash
from tests.faults.processes import wait_for
from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial, longest_seconds

pytestmark = pytest.mark.long

TIME_LIMITS = {"soft time limit": {"soft_time_limit": 1}, "hard time limit": {"soft_time_limit": 1, "time_limit": 2}}
# Crashes during the import of a chunk.
CRASH_NAMES = ("SIGKILL", "sys.exit", "MemoryError", "os._exit")
REFUSING_TRIGGER = """
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'this payment cannot be stored'; END $$;
CREATE TRIGGER poison BEFORE INSERT ON lines FOR EACH ROW WHEN (NEW.memo = 'poison') EXECUTE FUNCTION poison();
"""


@pytest.fixture(scope="module")
def fatal_trial(tmp_path_factory: pytest.TempPathFactory, is_long_run: bool) -> Iterator[Trial]:
    """A trial on a stack with few retries. Its services crash in the task `crash`, and on fatal payments."""
    stack = RunningStack(tmp_path_factory.mktemp("mortal"), PAYMENTS_RETRY_LADDER="1s,1s,1s,1s")
    try:
        stack.start("--fatal-tasks")
        trial = Trial(stack, keeps_results=is_long_run)
        trial.prepare()
        with transaction(stack.database) as tx:
            tx.execute(text(REFUSING_TRIGGER))
        yield trial
    finally:
        stack.stop()


def test_crashing_task_crashes_once_and_the_worker_continues(fatal_trial: Trial, tmp_path: Path) -> None:
    note = tmp_path / "runs"
    back_after = {}
    with fatal_trial.run(
        "every way for a task to die: " + ", ".join(CRASH_BY_NAME), times=len(CRASH_BY_NAME)
    ) as result:
        for how in CRASH_BY_NAME:
            crash.apply_async(kwargs={"how": how, "note": str(note)}, queue=IMPORTS, **TIME_LIMITS.get(how, {}))
            wait_for(lambda how=how: note.exists() and how in note.read_text(), 30, f"{how} has begun")
            back_after[how] = fatal_trial.measure_ping_latency(IMPORTS, 30)
        result.recovery_seconds = longest_seconds([*back_after.values()])

    assert note.read_text().splitlines() == list(CRASH_BY_NAME)


@pytest.mark.parametrize(
    ("name", "memo", "what"),
    [
        ("poison", "poison", "the database refuses it"),
        *(
            (f"dies-{n}", f"{FATAL_TEXT.decode()}{how}", f"the process that reads it dies by {how}")
            for n, how in enumerate(CRASH_NAMES)
        ),
    ],
)
def test_unprocessable_payment_is_shown_and_the_others_are_imported(
    fatal_trial: Trial, name: str, memo: str, what: str
) -> None:
    events, the_one = chunk_with_one_failure(fatal_trial, name, memo)
    clinic_id = str(the_one["clinic_id"])
    with fatal_trial.run(f"poison event in a chunk of 500: {what}", times=1, rate=150) as result:
        intake = fatal_trial.stack.wait_for_main_pid("intake")
        fatal_trial.stack.signal(intake, signal.SIGSTOP)
        with PaymentFeed(fatal_trial.stack.engines.redis_url) as feed:
            feed.publish_many(events)
        fatal_trial.stack.signal(intake, signal.SIGCONT)

        started = time.monotonic()
        wait_for(lambda: _count_imported(fatal_trial.stack, clinic_id, name) == 498, 60, "all others are imported")
        result.recovery_seconds = round(time.monotonic() - started, 1)
        shown = wait_for(
            lambda: _feed_row(fatal_trial.stack, clinic_id, the_one["payment_id"]),
            60,
            "the one is on the feed",
        )
        result.note = f"499 of 500 imported; the poison event is {shown.status} (`{shown.reason}`)"
        assert (shown.status, shown.reason) == ("Not Sent", "retries_exhausted")
        assert shown.detail
        for each in events:
            (fatal_trial.oracle.record_unprocessable if each is the_one else fatal_trial.oracle.record)(each)


def chunk_with_one_failure(fatal_trial: Trial, name: str, memo: str) -> tuple[list[Event], Event]:
    """Return (events, failing payment). The events are a patient and 499 payments, including the failing one."""
    clinic_id, clinic = next((key, each) for key, each in fatal_trial.oracle.clinics.items() if each.is_on)
    of_clinic = {"company_id": clinic.company, "patient_id": f"{clinic_id}-{name}"}
    the_one = payment(clinic_id, f"the-one-{name}", memo=memo) | of_clinic
    events = [patient(of_clinic["patient_id"]) | of_clinic]
    events += [payment(clinic_id, f"{name}-{number}", memo=None) | of_clinic for number in range(498)]
    events.insert(250, the_one)
    return events, the_one


def _count_imported(stack: RunningStack, clinic_id: str, name: str) -> int:
    with transaction(stack.database) as tx:
        rows = list(
            reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id), status="Transmission Successful"))
        )
    return sum(row.payment.startswith(f"{clinic_id}/{name}-") for row in rows)


def _feed_row(stack: RunningStack, clinic_id: str, payment_id: object) -> FeedRow | None:
    with transaction(stack.database) as tx:
        rows = list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id))))
    return next((row for row in rows if row.payment == f"{clinic_id}/{payment_id}/1"), None)
