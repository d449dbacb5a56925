"""What patients owe: the newest version of a charge counts, and a charge is its own clinic's company's."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from payments.journeys import distributing
from payments.store.db.connection import Transaction
from tests.journeys.billing import feed, open_clinic, take
from tests.make import charge, patient, saved
from tests.office import Office, paid

VISIT = "2026-06-05"
FIRST, NEWER = charge("c", "40.00"), charge("c", "15.00", version=2)
OTHERWISE = charge("c", "99.00", version=2)


def owed(tx: Transaction) -> list[tuple[Any, ...]]:
    columns = "company_id, patient_id, version, patient_balance::text, insurance_open"
    return [tuple(row) for row in tx.execute(text(f"SELECT {columns} FROM charges ORDER BY clinic_id, charge_id"))]


def refusals(tx: Transaction) -> list[tuple[str, str | None, str]]:
    return [(row.status, row.reason, row.detail) for row in feed(tx).values()]


@pytest.mark.parametrize("in_one_chunk", [True, False])
@pytest.mark.parametrize("events", [(FIRST, NEWER), (NEWER, FIRST), (FIRST, NEWER, NEWER, FIRST)])
def test_the_newest_version_of_a_charge_counts_in_whatever_order_it_comes(
    tx: Transaction, events: tuple[Any, ...], in_one_chunk: bool
) -> None:
    open_clinic(tx)

    for chunk in [events] if in_one_chunk else [(each,) for each in events]:
        take(tx, *chunk)

    assert owed(tx) == [("company", "patient", 2, "15.00", False)]
    assert refusals(tx) == []


@pytest.mark.parametrize("in_one_chunk", [True, False])
def test_another_content_under_the_same_version_is_set_aside(tx: Transaction, in_one_chunk: bool) -> None:
    open_clinic(tx)

    for chunk in [(FIRST, NEWER, OTHERWISE)] if in_one_chunk else [(FIRST,), (NEWER,), (OTHERWISE,)]:
        stats = take(tx, *chunk)

    assert stats.refused == 1
    assert owed(tx) == [("company", "patient", 2, "15.00", False)]
    told = "version: 2 of charge clinic/c came before with other content"
    assert refusals(tx) == [("Validation Failed", "version_conflict", told)]


def test_a_company_has_no_say_in_the_charges_of_another_ones_clinic(tx: Transaction) -> None:
    open_clinic(tx)
    take(tx, FIRST)

    take(tx, charge("c", "1.00", version=9, company_id="other"), charge("new", "1.00", company_id="other"))

    assert owed(tx) == [("company", "patient", 1, "40.00", False)]
    told = "company_id: clinic clinic belongs to company company, not to other"
    rows = tx.execute(text("SELECT status, reason, error FROM set_aside")).all()
    assert [tuple(row) for row in rows] == [("Validation Failed", "invalid_event", told)] * 2


def test_a_clinic_comes_into_being_with_a_charge_that_names_it(tx: Transaction) -> None:
    take(tx, charge("c", "40.00", clinic_id="new", company_id="owner"))

    found = tx.execute(text("SELECT company_id FROM clinics WHERE clinic_id = 'new'"))
    assert found.scalars().all() == ["owner"]


def test_a_charge_that_becomes_another_patients_gives_back_at_once_what_was_applied_to_it(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.publish(FIRST, patient("other"), saved(**paid("40.00", VISIT)))
    office.distribute()
    assert balances(tx) == {"patient": ("0.00", "0.00"), "other": ("0.00", "0.00")}

    office.publish(charge("c", "40.00", version=2, patient_id="other"))

    assert balances(tx) == {"patient": ("40.00", "0.00"), "other": ("0.00", "40.00")}


def balances(tx: Transaction) -> dict[str, tuple[str, str]]:
    """Return what is unassigned and what is still owed, by patient."""
    rows = {each: distributing.show_account(tx, each)[0] for each in ("patient", "other")}
    return {each: (str(row.unassigned), str(row.balance)) for each, row in rows.items()}
