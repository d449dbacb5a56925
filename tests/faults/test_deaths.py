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
from payments.store.session import transaction
from tests.acceptance.events import patient, payment
from tests.faults.deadly import KILLS, WAYS, die
from tests.faults.plant import Plant
from tests.faults.processes import until
from tests.faults.scene import RESULTS, Result, Scene, longest

pytestmark = pytest.mark.long

LIMITS = {"soft time limit": {"soft_time_limit": 1}, "hard time limit": {"soft_time_limit": 1, "time_limit": 2}}
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
        plant.start(deadly=True)
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
    with mortal.trial("every way for a task to die: " + ", ".join(WAYS), times=len(WAYS), events=3_000) as result:
        for how in WAYS:
            die.apply_async(kwargs={"how": how, "note": str(note)}, queue=IMPORTS, **LIMITS.get(how, {}))
            until(lambda how=how: note.exists() and how in note.read_text(), 30, f"{how} has begun")
            back_after[how] = mortal.canary(IMPORTS, 30)
        result.recovery_seconds = longest([*back_after.values()])

    assert note.read_text().splitlines() == list(WAYS)


@pytest.mark.parametrize(
    ("name", "memo", "fault"),
    [
        ("poison", "poison", "poison event in a chunk of 500: the database refuses it"),
        ("killer", KILLS.decode(), "poison event in a chunk of 500: it kills its worker"),
    ],
)
def test_one_payment_that_cannot_be_processed_is_shown_and_the_others_come_in(
    mortal: Scene, name: str, memo: str, fault: str
) -> None:
    clinic_id, clinic = next((key, each) for key, each in mortal.oracle.clinics.items() if each.is_on)
    of_clinic = {"company_id": clinic.company, "patient_id": f"{clinic_id}-{name}"}
    said = [patient(of_clinic["patient_id"]) | of_clinic]
    said += [payment(clinic_id, f"{name}-{number}", memo=None) | of_clinic for number in range(498)]
    said.insert(250, payment(clinic_id, f"the-one-{name}", memo=memo) | of_clinic)
    intake = mortal.plant.leader("intake")
    mortal.plant.signal(intake, signal.SIGSTOP)
    with PaymentFeed(mortal.plant.engines.redis_url) as feed:
        feed.publish_many(map(dict, said))
    mortal.plant.signal(intake, signal.SIGCONT)

    started = time.monotonic()
    until(lambda: _imported(mortal.plant, clinic_id, name) == 498, 60, "all others are imported")
    result = Result(fault, 1, 500, recovery_seconds=round(time.monotonic() - started, 1))
    shown = until(lambda: _shown(mortal.plant, clinic_id, said[250]["payment_id"]), 60, "the one is on the feed")
    result.note = f"the one: {shown.status}, {shown.reason}"

    assert (shown.status, shown.reason) == ("Not Sent", "retries_exhausted")
    assert shown.detail
    mortal.plant.until_quiet()
    posted = _posted(mortal.plant, clinic_id, name)
    result.lost, result.doubled = max(0, 498 - posted), max(0, posted - 498)
    if mortal.keeps_results:
        result.write(RESULTS)
    print(result)  # noqa: T201 (pytest shows it with -s)
    assert (_imported(mortal.plant, clinic_id, name), posted) == (498, 498)


def _imported(plant: Plant, clinic_id: str, name: str) -> int:
    with transaction(plant.database) as tx:
        rows = reporting.claims_feed(tx, FeedQuery(clinic_id=clinic_id, status="Transmission Successful"))
    return sum(row.payment.startswith(f"{clinic_id}/{name}-") for row in rows)


def _posted(plant: Plant, clinic_id: str, name: str) -> int:
    """Count the entries of the ledger for the payments of that name."""
    counting = (
        "SELECT count(*) FROM entries JOIN lines ON lines.id = line_ref "
        "WHERE lines.clinic_id = :clinic AND payment_id LIKE :name"
    )
    with transaction(plant.database) as tx:
        return int(tx.execute(text(counting), {"clinic": clinic_id, "name": f"{name}-%"}).scalar_one())


def _shown(plant: Plant, clinic_id: str, payment_id: object) -> FeedRow | None:
    with transaction(plant.database) as tx:
        rows = reporting.claims_feed(tx, FeedQuery(clinic_id=clinic_id))
    return next((row for row in rows if row.payment == f"{clinic_id}/{payment_id}/1"), None)
