"""Distribution as messages: at once what may not wait, and the nightly rest in turns."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.journeys import importing
from payments.store.db.connection import transaction
from payments.store.reports import account
from tasks import distributing
from tasks.distributing import apply_at_once, distribute_payments
from tasks.resources import connect_redis
from tests.make import arrived, charge, patient, run, saved
from tests.office import Office, paid
from tests.tasks.feeding import arguments_of

DAY = "2020-06-05"


@pytest.fixture(autouse=True)
def _nothing_left_to_apply_at_once(at_work):
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
        rows = {each: account.summaries(tx, each) for each in patients}
    return {each: row.unassigned for each, found in rows.items() for row in found if row.company == company}


def marked(here, company):
    """Return the accounts whose money has to move at once."""
    found = "SELECT DISTINCT patient_id FROM account_marks WHERE company_id = :company ORDER BY 1"
    with transaction(here.database) as tx:
        return list(tx.execute(text(found), {"company": company}).scalars())


def night_comes(here, company):
    """Let this company's night have come, and no other's."""
    distribute_payments()  # whoever is seen for the first time waits for the next night
    with transaction(here.database) as tx:
        done = "UPDATE companies SET distributed_on = '2020-06-09' WHERE company_id = :company"
        tx.execute(text(done), {"company": company})


def sent(engines):
    """Take the messages of the night out of the broker, and return how many there were."""
    with connect_redis(engines.broker_url) as broker:
        messages = [json.loads(raw) for raw in broker.lpop("payments:nightly", 100) or []]
    assert [arguments_of(message) for message in messages] == [{}] * len(messages)
    return len(messages)


def test_what_does_not_fit_into_a_turn_goes_on_in_another_message(here, engines, company, monkeypatch):
    patients = [f"p{number}" for number in range(5)]
    take(here, company, patients)
    night_comes(here, company)
    monkeypatch.setattr(distributing, "ACCOUNTS", 2)
    monkeypatch.setattr(distributing, "TURN_SECONDS", 0)  # one set is a whole turn

    assert distribute_payments() == "2 movements, 40.00 applied"
    assert unassigned(here, company, patients) == dict.fromkeys(patients[:2], Decimal("10.00")) | dict.fromkeys(
        patients[2:], Decimal("30.00")
    )
    assert sent(engines) == 1

    while distribute_payments() != "0 movements, 0.00 applied":
        pass

    assert unassigned(here, company, patients) == dict.fromkeys(patients, Decimal("10.00"))


def test_the_night_ends_without_another_message_and_comes_once_a_day(here, engines, company):
    take(here, company, ["ada"])
    night_comes(here, company)

    assert [distribute_payments(), distribute_payments()] == ["1 movements, 20.00 applied", "0 movements, 0.00 applied"]

    assert sent(engines) == 0
    assert unassigned(here, company, ["ada"]) == {"ada": Decimal("10.00")}


def test_a_night_that_was_killed_goes_on_where_it_was_without_any_message(here, company, monkeypatch):
    patients = [f"p{number}" for number in range(3)]
    take(here, company, patients)
    night_comes(here, company)
    monkeypatch.setattr(distributing, "ACCOUNTS", 2)
    whole, sets = distributing.distributing.distribute_next_due, []

    def killed_in_the_second(tx, now, limit):
        sets.append(whole(tx, now, limit))
        if len(sets) == 2:
            raise OSError
        return sets[-1]

    with monkeypatch.context() as patched:
        patched.setattr(distributing.distributing, "distribute_next_due", killed_in_the_second)
        assert distribute_payments() == "failed: OSError"
    assert unassigned(here, company, patients) == {
        "p0": Decimal("10.00"),
        "p1": Decimal("10.00"),
        "p2": Decimal("30.00"),
    }

    assert distribute_payments() == "1 movements, 20.00 applied"


def test_two_who_go_through_a_night_at_once_do_not_both_go_on(here, engines, company):
    take(here, company, ["ada"])
    night_comes(here, company)
    with transaction(here.database) as tx:
        assert distributing.distributing.distribute_next_due(tx, datetime.now(UTC), 1).last
        assert distribute_payments() == "0 movements, 0.00 applied"

    assert sent(engines) == 0


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


def test_an_import_that_is_at_an_account_keeps_no_money_waiting(here, company):
    take(here, company, ["ada", "bob"], charge_type="Payment on Account", date_of_service=None)
    with transaction(here.database) as tx:
        line = {"company_id": company, "clinic_id": company}
        again = saved(payment_id="ada", patient_id="ada", version=2, **paid("31.00", DAY), **line)
        importing.import_events(tx, arrived([again, patient("ada", company_id=company, version=2)]), run())
        assert apply_at_once() == "2 movements"

    assert marked(here, company) == ["ada"]
    assert apply_at_once() == "0 movements"
    assert unassigned(here, company, ["ada", "bob"]) == {"ada": Decimal("11.00"), "bob": Decimal("10.00")}
