"""The clock of a worker steps back: what was imported stays, what waits is not stuck, what is new comes in."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from payments.journeys import reporting, requeueing
from payments.journeys.reporting import FeedQuery
from payments.store.db.connection import Transaction, transaction
from tests.faults.plant import Plant
from tests.faults.processes import until
from tests.faults.scene import Scene, longest
from tests.make import deleted, edited, patient, saved
from tests.office import Office


def test_a_clock_that_steps_back_an_hour_keeps_nothing_from_its_place(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    first = saved("10.00", payment_id="first")
    gone = saved("20.00", payment_id="gone")
    early = saved("30.00", payment_id="early", patient_id="unheard-of")
    office.publish(first, gone, early)

    office.now -= timedelta(hours=1)
    office.publish(edited(first, amount_due="15.00", amount_paid="15.00"))
    office.publish(deleted(payment_id="gone", version=2))
    office.publish(patient("unheard-of"))

    rows = {row.payment: row.status for row in reporting.claims_feed(tx, FeedQuery())}
    assert set(rows.values()) == {"Transmission Successful"}
    amounts = sorted(amount for _, amount, _ in office.entries())
    assert amounts == ["-20.00", "10.00", "20.00", "30.00", "5.00"]


def test_months_close_and_stay_closed_under_a_clock_that_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 7, 2))
    first = saved("10.00", payment_id="first")
    office.publish(first)
    office.close("2026-06")
    total = office.month_total("2026-06")

    office.now -= timedelta(days=3)  # June, as far as this worker knows
    office.publish(edited(first, amount_due="15.00", amount_paid="15.00"), saved("5.00", payment_id="late"))

    assert office.month_total("2026-06") == total
    assert sorted(str(finding.case) for finding in office.open_exceptions()) == ["added", "edited"]


def test_what_became_due_is_due_under_a_clock_that_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved("30.00", payment_id="early", patient_id="unheard-of"))
    office.imports(patient("unheard-of"))

    office.now -= timedelta(hours=1)
    office.sweep()

    assert office.entries() == [("2026-06-05", "30.00", "Cash")]


def test_what_was_requeued_is_due_under_a_clock_that_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved("30.00", payment_id="early", patient_id="unheard-of"), b"not an event")
    aside = tx.execute(text("SELECT id FROM set_aside")).scalar_one()
    office.now += timedelta(hours=2)
    requeueing.requeue(tx, ["clinic/early/1", f"refused:{aside}"], office.now, "user:support")

    office.now -= timedelta(hours=1)
    office.sweep()

    last = text(
        "SELECT DISTINCT ON (line_ref, set_aside_ref) what FROM history ORDER BY line_ref, set_aside_ref, id DESC"
    )
    assert list(tx.execute(last).scalars()) == ["Held", "Validation Failed"]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file that says by how many seconds the clocks of all services are off."""
    file = tmp_path / "clock"
    file.write_text("0")
    return file


@pytest.fixture
def skewed(tmp_path_factory: pytest.TempPathFactory, is_long: bool, clock: Path) -> Iterator[Scene]:
    """A plant whose services have a clock that can be set."""
    plant = Plant(tmp_path_factory.mktemp("skewed"), PAYMENTS_LOG_LEVEL="debug")
    try:
        plant.start("--clock", str(clock))
        scene = Scene(plant, keeps_results=is_long)
        scene.open()
        yield scene
    finally:
        plant.stop()


@pytest.mark.long
def test_processes_work_on_while_their_clocks_step_back_and_forth(skewed: Scene, clock: Path) -> None:
    recoveries, steps = [], (-3_600, 0, -60, 3_600, 0, -7_200, 0)
    with skewed.trial("clocks of all services set back and forth, up to 2 hours", times=len(steps)) as result:
        for seconds in steps:
            clock.write_text(f"{seconds:<+32}")
            recoveries.append(skewed.recovery())
            until(lambda seconds=seconds: _imported_at(skewed.plant, seconds), 30, "the services have this clock")
            _beat_goes_on(skewed.plant)
        result.recovery_seconds = longest(recoveries)


def _imported_at(plant: Plant, seconds: int) -> bool:
    """Say whether something was imported lately by a clock that is off by so much."""
    with transaction(plant.database) as tx:
        last = tx.execute(
            text("SELECT at FROM history WHERE line_ref IS NOT NULL ORDER BY id DESC LIMIT 1")
        ).scalar_one()
    return abs((datetime.now(UTC) + timedelta(seconds=seconds) - last).total_seconds()) < 30


def _beat_goes_on(plant: Plant) -> None:
    """Wait until beat has sent what it sends every five seconds, whatever it has sent before."""
    sent = _sent_by_beat(plant)
    until(lambda: _sent_by_beat(plant) > sent + 1, 30, "beat sends")


def _sent_by_beat(plant: Plant) -> int:
    """Count what workers did because beat sent it: that is logged at a level of its own."""
    log = (plant.home / "keeper.log").read_text(errors="replace")
    return sum('"task done"' in line and '"debug"' in line for line in log.splitlines())
