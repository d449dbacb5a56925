"""Every way for a task to die, and payments that fail or kill whoever reads them: the rest is imported all the same."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from config.celery import IMPORTS
from emr.client import PaymentFeed
from payments.journeys import reporting
from payments.journeys.reporting import FeedQuery, FeedRow
from payments.store.db.connection import transaction
from tests.acceptance.events import Event, patient, payment
from tests.faults.deadly import DIES_BY, WAYS, die
from tests.faults.plant import Plant
from tests.faults.processes import until
from tests.faults.scene import Scene, longest

pytestmark = pytest.mark.long

LIMITS = {"soft time limit": {"soft_time_limit": 1}, "hard time limit": {"soft_time_limit": 1, "time_limit": 2}}
# In each of them a task that imports a chunk is cut off in the middle of it.
READING = ("SIGKILL", "sys.exit", "MemoryError", "os._exit")
REFUSING = """
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'this payment cannot be stored'; END $$;
CREATE TRIGGER poison BEFORE INSERT ON lines FOR EACH ROW WHEN (NEW.memo = 'poison') EXECUTE FUNCTION poison();
"""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, is_long: bool) -> Iterator[Scene]:
    """A plant whose importer knows a deadly message and a deadly payment, and that gives up soon."""
    plant = Plant(tmp_path_factory.mktemp("mortal"), PAYMENTS_RETRY_LADDER="1s,1s,1s,1s")
    try:
        plant.start("--deadly")
        scene = Scene(plant, keeps_results=is_long)
        scene.open()
        with transaction(plant.database) as tx:
            tx.execute(text(REFUSING))
        yield scene
    finally:
        plant.stop()


def test_however_a_task_dies_it_dies_once_and_the_worker_goes_on(mortal: Scene, tmp_path: Path) -> None:
    note = tmp_path / "runs"
    back_after = {}
    with mortal.trial("every way for a task to die: " + ", ".join(WAYS), times=len(WAYS)) as result:
        for how in WAYS:
            die.apply_async(kwargs={"how": how, "note": str(note)}, queue=IMPORTS, **LIMITS.get(how, {}))
            until(lambda how=how: note.exists() and how in note.read_text(), 30, f"{how} has begun")
            back_after[how] = mortal.canary(IMPORTS, 30)
        result.recovery_seconds = longest([*back_after.values()])

    assert note.read_text().splitlines() == list(WAYS)


@pytest.mark.parametrize(
    ("name", "memo", "what"),
    [
        ("poison", "poison", "the database refuses it"),
        *(
            (f"dies-{n}", f"{DIES_BY.decode()}{how}", f"the process that reads it dies by {how}")
            for n, how in enumerate(READING)
        ),
    ],
)
def test_one_payment_that_cannot_be_processed_is_shown_and_the_others_come_in(
    mortal: Scene, name: str, memo: str, what: str
) -> None:
    said, the_one = a_chunk_with_one_that_fails(mortal, name, memo)
    clinic_id = str(the_one["clinic_id"])
    with mortal.trial(f"poison event in a chunk of 500: {what}", times=1, rate=150) as result:
        intake = mortal.plant.leader("intake")
        mortal.plant.signal(intake, signal.SIGSTOP)
        with PaymentFeed(mortal.plant.engines.redis_url) as feed:
            feed.publish_many(said)
        mortal.plant.signal(intake, signal.SIGCONT)

        started = time.monotonic()
        until(lambda: _imported(mortal.plant, clinic_id, name) == 498, 60, "all others are imported")
        result.recovery_seconds = round(time.monotonic() - started, 1)
        shown = until(lambda: _shown(mortal.plant, clinic_id, the_one["payment_id"]), 60, "the one is on the feed")
        result.note = f"499 of 500 imported; the one: {shown.status}, {shown.reason}"
        assert (shown.status, shown.reason) == ("Not Sent", "retries_exhausted")
        assert shown.detail
        for each in said:
            (mortal.oracle.give_up if each is the_one else mortal.oracle.hear)(each)


def a_chunk_with_one_that_fails(mortal: Scene, name: str, memo: str) -> tuple[list[Event], Event]:
    """Return a patient and 499 payments of one clinic, and the one among them that cannot be processed."""
    clinic_id, clinic = next((key, each) for key, each in mortal.oracle.clinics.items() if each.is_on)
    of_clinic = {"company_id": clinic.company, "patient_id": f"{clinic_id}-{name}"}
    the_one = payment(clinic_id, f"the-one-{name}", memo=memo) | of_clinic
    said = [patient(of_clinic["patient_id"]) | of_clinic]
    said += [payment(clinic_id, f"{name}-{number}", memo=None) | of_clinic for number in range(498)]
    said.insert(250, the_one)
    return said, the_one


def _imported(plant: Plant, clinic_id: str, name: str) -> int:
    with transaction(plant.database) as tx:
        rows = reporting.claims_feed(tx, FeedQuery(clinic_id=clinic_id, status="Transmission Successful"))
    return sum(row.payment.startswith(f"{clinic_id}/{name}-") for row in rows)


def _shown(plant: Plant, clinic_id: str, payment_id: object) -> FeedRow | None:
    with transaction(plant.database) as tx:
        rows = reporting.claims_feed(tx, FeedQuery(clinic_id=clinic_id))
    return next((row for row in rows if row.payment == f"{clinic_id}/{payment_id}/1"), None)
