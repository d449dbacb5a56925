"""The newest version of a charge counts, and only the clinic's company may save a charge."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.money import dollars
from payments.core.account import Charge
from payments.journeys import distributing
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.ledger import charges
from tests.builders.events import NOW, paid, saved_charge, saved_patient, saved_payment
from tests.builders.ledger import add_earlier_clinic_key, create_clinic, feed_rows, import_chunk
from tests.builders.office import Office

VISIT_DATE = "2026-06-05"
FIRST, NEWER = saved_charge("c", "40.00"), saved_charge("c", "15.00", version=2)
CONFLICTING_CHARGE = saved_charge("c", "99.00", version=2)


def stored_charges(tx: Transaction) -> list[tuple[Any, ...]]:
    columns = "company_id, patient_id, version, patient_balance::text, insurance_open"
    return [tuple(row) for row in tx.execute(text(f"SELECT {columns} FROM charges ORDER BY clinic_id, charge_id"))]


def dead_letter_rows(tx: Transaction) -> list[tuple[str, str | None, str]]:
    return [(row.status, row.reason, row.detail) for row in feed_rows(tx).values()]


@pytest.mark.parametrize("in_one_chunk", [True, False])
@pytest.mark.parametrize("events", [(FIRST, NEWER), (NEWER, FIRST), (FIRST, NEWER, NEWER, FIRST)])
def test_newest_charge_version_wins_in_any_order(tx: Transaction, events: tuple[Any, ...], in_one_chunk: bool) -> None:
    create_clinic(tx)

    for chunk in [events] if in_one_chunk else [(each,) for each in events]:
        import_chunk(tx, *chunk)

    assert stored_charges(tx) == [("company", "patient", 2, "15.00", False)]
    assert dead_letter_rows(tx) == []


@pytest.mark.parametrize("in_one_chunk", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [("5.00", "5.00", 0), ("5.00", "6.00", 1), ("5.00", ..., 0), (..., "0.00", 0), (..., "6.00", 1)],
)
def test_repeated_version_is_dead_lettered_only_if_its_paid_amount_differs(
    tx: Transaction, first: Any, second: Any, refused: int, in_one_chunk: bool
) -> None:
    create_clinic(tx)
    saved = [saved_charge("c", "40.00", **({} if each is ... else {"patient_paid": each})) for each in (first, second)]

    for chunk in [saved] if in_one_chunk else [[each] for each in saved]:
        stats = import_chunk(tx, *chunk)

    assert stats.refused == refused


@pytest.mark.parametrize("in_one_chunk", [True, False])
def test_same_version_with_other_content_is_dead_lettered(tx: Transaction, in_one_chunk: bool) -> None:
    create_clinic(tx)

    for chunk in [(FIRST, NEWER, CONFLICTING_CHARGE)] if in_one_chunk else [(FIRST,), (NEWER,), (CONFLICTING_CHARGE,)]:
        stats = import_chunk(tx, *chunk)

    assert stats.refused == 1
    assert stored_charges(tx) == [("company", "patient", 2, "15.00", False)]
    error = "version: 2 of charge clinic/c was already received with different content"
    assert dead_letter_rows(tx) == [("Validation Failed", "version_conflict", error)]


def test_charge_for_a_clinic_of_another_company_is_rejected(tx: Transaction) -> None:
    add_earlier_clinic_key(tx)
    create_clinic(tx)
    import_chunk(tx, FIRST)

    import_chunk(
        tx, saved_charge("c", "1.00", version=9, company_id="other"), saved_charge("new", "1.00", company_id="other")
    )

    assert stored_charges(tx) == [("company", "patient", 1, "40.00", False)]
    error = "company_id: clinic clinic belongs to another company"
    rows = tx.execute(text("SELECT status, reason, error FROM set_aside")).all()
    assert [tuple(row) for row in rows] == [("Validation Failed", "invalid_event", error)] * 2


def test_charge_event_creates_its_clinic(tx: Transaction) -> None:
    import_chunk(tx, saved_charge("c", "40.00", clinic_id="new", company_id="owner"))

    found = tx.execute(text("SELECT company_id FROM clinics WHERE clinic_id = 'new'"))
    assert found.scalars().all() == ["owner"]


def test_new_charge_that_another_worker_created_is_a_concurrent_write(tx: Transaction) -> None:
    create_clinic(tx)
    import_chunk(tx, FIRST)

    with pytest.raises(ConcurrentWriteError):
        charges.save(tx, {NEWER.key: NEWER}, {NEWER.key}, NOW)

    assert stored_charges(tx) == [("company", "patient", 1, "40.00", False)]


def test_paid_amount_of_an_outdated_charge_version_is_not_recorded(tx: Transaction) -> None:
    create_clinic(tx)
    import_chunk(tx, FIRST, NEWER)
    distributed = Charge(FIRST.key, FIRST.date_of_service, FIRST.patient_balance, False, None, FIRST.version)

    charges.record_paid(tx, {distributed: dollars("7.00")}, NOW)
    assert paid_parts(tx) == ["0.00"]

    import_chunk(tx, saved_charge("c", "5.00", version=3))
    charges.record_paid(tx, {distributed: dollars("7.00")}, NOW)
    assert paid_parts(tx) == [None]

    charges.record_paid(tx, {distributed._replace(version=3): dollars("7.00")}, NOW)
    assert paid_parts(tx) == ["7.00"]


def paid_parts(tx: Transaction) -> list[str | None]:
    return list(tx.execute(text("SELECT patient_paid::text FROM charges")).scalars())


def test_charge_moved_to_another_patient_is_unapplied_immediately(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.publish(FIRST, saved_patient("other"), saved_payment(**paid("40.00", VISIT_DATE)))
    office.distribute_all()
    assert balances(tx) == {"patient": ("0.00", "0.00"), "other": ("0.00", "0.00")}

    office.publish(saved_charge("c", "40.00", version=2, patient_id="other"))

    assert balances(tx) == {"patient": ("40.00", "0.00"), "other": ("0.00", "40.00")}


def balances(tx: Transaction) -> dict[str, tuple[str, str]]:
    """Return the unassigned amount and the balance of each patient."""
    rows = {each: distributing.show_account(tx, each)[0] for each in ("patient", "other")}
    return {each: (str(row.unassigned), str(row.balance)) for each, row in rows.items()}
