"""Distribution as messages: at once what may not wait, and the nightly rest in turns."""

import json
import os
from base64 import b64decode
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from config.celery import celery_settings
from payments.journeys import importing
from payments.store import account_report
from payments.store.session import transaction
from tasks import distributing, resources
from tasks.app import make_app
from tasks.distributing import apply_at_once, distribute_payments
from tasks.resources import connect_redis
from tests.make import arrived, charge, patient, run, saved
from tests.office import Office, paid

DAY = "2020-06-05"


@pytest.fixture(autouse=True)
def _at_work(here, engines, monkeypatch):
    """Let this process be a worker of the real engines, with nothing left to apply at once."""
    monkeypatch.setattr(resources, "_prepared", (here.settings, engines, here.worker))
    monkeypatch.setitem(resources._opened, os.getpid(), here)
    make_app(celery_settings(engines, here.settings))
    apply_at_once()


@pytest.fixture
def company(here):
    """A company of its own; in the order of their keys its accounts come after those of other tests."""
    name = f"zz-{uuid4()}"
    with transaction(here.database) as tx:
        Office(tx, date(2020, 6, 10), name, name)
    return name


def take(here, company, patients, **more):
    """Let each of these patients owe 20.00 and pay 30.00 for one visit."""
    events = []
    for each in patients:
        line = {"company_id": company, "clinic_id": company, "patient_id": each}
        events += [
            patient(each, company_id=company),
            charge(f"visit-{each}", "20.00", date_of_service=DAY, **line),
            saved(payment_id=each, **(paid("30.00", DAY) | more), **line),
        ]
    with transaction(here.database) as tx:
        importing.import_events(tx, arrived(events), run())


def unassigned(here, company, patients):
    with transaction(here.database) as tx:
        rows = {each: account_report.summaries(tx, each) for each in patients}
    return {each: row.unassigned for each, found in rows.items() for row in found if row.company == company}


def marked(here, company):
    """Return the accounts whose money has to move at once."""
    found = "SELECT patient_id FROM patients WHERE distribute_at IS NOT NULL AND company_id = :company ORDER BY 1"
    with transaction(here.database) as tx:
        return list(tx.execute(text(found), {"company": company}).scalars())


def sent(engines):
    """Take the messages of the night out of the broker, as what each goes on after."""
    with connect_redis(engines.broker_url) as broker:
        bodies = [json.loads(raw)["body"] for raw in broker.lpop("payments:nightly", 100) or []]
    return [json.loads(b64decode(body))[1]["after"] for body in bodies]


def test_what_does_not_fit_into_a_turn_goes_on_in_another_message(here, engines, company, monkeypatch):
    patients = [f"p{number}" for number in range(5)]
    take(here, company, patients)
    monkeypatch.setattr(distributing, "ACCOUNTS", 2)
    monkeypatch.setattr(distributing, "TURN_SECONDS", -1)  # one set is a whole turn

    assert distribute_payments(after=[company, ""]) == "2 movements, 40.00 applied"
    assert unassigned(here, company, patients) == dict.fromkeys(patients[:2], Decimal("10.00")) | dict.fromkeys(
        patients[2:], Decimal("30.00")
    )

    turns = [sent(engines)]
    while turns[-1] and turns[-1][0][0] == company:
        distribute_payments(after=turns[-1][0])
        turns.append(sent(engines))

    assert [after for (after,) in turns[:2]] == [[company, "p1"], [company, "p3"]]
    assert unassigned(here, company, patients) == dict.fromkeys(patients, Decimal("10.00"))


def test_the_night_ends_without_another_message(here, engines, company):
    take(here, company, ["ada"])

    assert distribute_payments(after=[company, ""]).startswith("1 movements, 20.00 applied")

    assert sent(engines) == []
    assert unassigned(here, company, ["ada"]) == {"ada": Decimal("10.00")}


def test_payments_on_account_are_applied_at_once_until_no_account_is_marked(here, company, monkeypatch):
    patients = ["ada", "bob", "cleo"]
    take(here, company, patients, charge_type="Payment on Account", date_of_service=None)
    assert marked(here, company) == patients
    monkeypatch.setattr(distributing, "ACCOUNTS", 2)

    assert apply_at_once() == "3 movements"

    assert marked(here, company) == []
    assert unassigned(here, company, patients) == dict.fromkeys(patients, Decimal("10.00"))
    assert apply_at_once() == "0 movements"


def test_what_may_wait_is_left_for_the_night(here, company):
    take(here, company, ["ada"])

    assert apply_at_once() == "0 movements"
    assert (marked(here, company), unassigned(here, company, ["ada"])) == ([], {"ada": Decimal("30.00")})


def test_an_account_that_someone_else_is_at_stays_marked_and_stops_none(here, company):
    take(here, company, ["ada", "bob"], charge_type="Payment on Account", date_of_service=None)
    with transaction(here.database) as tx:
        held = "SELECT FROM patients WHERE company_id = :company AND patient_id = 'ada' FOR UPDATE"
        tx.execute(text(held), {"company": company})
        assert apply_at_once() == "1 movements"

    assert marked(here, company) == ["ada"]
    assert apply_at_once() == "1 movements"
    assert marked(here, company) == []
