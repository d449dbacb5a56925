"""After a worker's clock is set back, imported payments remain, due work runs, and new payments are imported."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from payments.journeys import reporting, requeueing
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Transaction, transaction
from tests.builders.events import deleted_payment, next_version, saved_patient, saved_payment
from tests.builders.office import Office
from tests.faults.processes import wait_for
from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial, longest_seconds


def test_import_works_while_the_clock_steps_back_an_hour(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    first = saved_payment("10.00", payment_id="first")
    gone = saved_payment("20.00", payment_id="gone")
    early = saved_payment("30.00", payment_id="early", patient_id="unheard-of")
    office.publish(first, gone, early)

    office.now -= timedelta(hours=1)
    office.publish(next_version(first, amount_due="15.00", amount_paid="15.00"))
    office.publish(deleted_payment(payment_id="gone", version=2))
    office.publish(saved_patient("unheard-of"))

    rows = {row.payment: row.status for row in reporting.claims_feed(tx, FeedFilter())}
    assert set(rows.values()) == {"Transmission Successful"}
    amounts = sorted(amount for _, amount, _ in office.ledger_entries())
    assert amounts == ["-20.00", "10.00", "20.00", "30.00", "5.00"]


def test_months_close_and_stay_closed_while_the_clock_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 7, 2))
    first = saved_payment("10.00", payment_id="first")
    office.publish(first)
    office.close_months("2026-06")
    total = office.month_total("2026-06")

    office.now -= timedelta(days=3)  # June, as far as this worker knows
    office.publish(
        next_version(first, amount_due="15.00", amount_paid="15.00"), saved_payment("5.00", payment_id="late")
    )

    assert office.month_total("2026-06") == total
    assert sorted(str(finding.case) for finding in office.open_exceptions()) == ["added", "edited"]


def test_due_lines_are_retried_after_the_clock_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved_payment("30.00", payment_id="early", patient_id="unheard-of"))
    office.import_events(saved_patient("unheard-of"))

    office.now -= timedelta(hours=1)
    office.run_sweeps()

    assert office.ledger_entries() == [("2026-06-05", "30.00", "Cash")]


def test_requeued_lines_are_retried_after_the_clock_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved_payment("30.00", payment_id="early", patient_id="unheard-of"), b"not an event")
    aside = tx.execute(text("SELECT id FROM set_aside")).scalar_one()
    office.now += timedelta(hours=2)
    requeueing.requeue(tx, ["clinic/early/1", f"refused:{aside}"], office.now, "user:support")

    office.now -= timedelta(hours=1)
    office.run_sweeps()

    last = text(
        "SELECT DISTINCT ON (line_ref, set_aside_ref) what FROM history ORDER BY line_ref, set_aside_ref, id DESC"
    )
    assert list(tx.execute(last).scalars()) == ["held", "validation_failed"]


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    """The file that contains the clock offset of all services in seconds."""
    file = tmp_path / "clock"
    file.write_text("0")
    return file


@pytest.fixture
def skewed_clock(tmp_path_factory: pytest.TempPathFactory, is_long_run: bool, clock_file: Path) -> Iterator[Trial]:
    """A stack whose services have an adjustable clock."""
    stack = RunningStack(tmp_path_factory.mktemp("skewed"), PAYMENTS_LOG_LEVEL="debug")
    try:
        stack.start("--clock", str(clock_file))
        trial = Trial(stack, keeps_results=is_long_run)
        trial.prepare()
        yield trial
    finally:
        stack.stop()


@pytest.mark.long
def test_processes_continue_while_their_clocks_step_back_and_forth(skewed_clock: Trial, clock_file: Path) -> None:
    recoveries, steps = [], (-3_600, 0, -60, 3_600, 0, -7_200, 0)
    with skewed_clock.run("clocks of all services set back and forth, up to 2 hours", times=len(steps)) as result:
        for seconds in steps:
            clock_file.write_text(f"{seconds:<+32}")
            recoveries.append(skewed_clock.measure_recovery())
            wait_for(
                lambda seconds=seconds: _is_imported_at(skewed_clock.stack, seconds), 30, "the services have this clock"
            )
            _wait_for_beat(skewed_clock.stack)
        result.recovery_seconds = longest_seconds(recoveries)


def _is_imported_at(stack: RunningStack, seconds: int) -> bool:
    """Return whether the newest import was recorded by a clock with this offset in seconds."""
    with transaction(stack.database) as tx:
        last = tx.execute(
            text("SELECT at FROM history WHERE line_ref IS NOT NULL ORDER BY id DESC LIMIT 1")
        ).scalar_one()
    return abs((datetime.now(UTC) + timedelta(seconds=seconds) - last).total_seconds()) < 30


def _wait_for_beat(stack: RunningStack) -> None:
    """Wait until workers have run at least two more tasks that beat sent."""
    sent = _count_beat_tasks(stack)
    wait_for(lambda: _count_beat_tasks(stack) > sent + 1, 30, "beat sends")


def _count_beat_tasks(stack: RunningStack) -> int:
    """Count the tasks that beat sent and workers ran, according to the debug log."""
    log = (stack.home / "supervisor.log").read_text(errors="replace")
    return sum('"task_succeeded"' in line and '"debug"' in line for line in log.splitlines())
