"""The search: its hits, their order, and the scope that limits them."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.scope import EVERYTHING, Scope
from payments.core.search_match import MatchKind
from payments.journeys import searching
from payments.store.db.connection import Transaction
from tests.builders.events import saved_charge, saved_patient, saved_payment
from tests.builders.ledger import SETTINGS_SINCE, create_clinic, import_chunk, set_clinic_settings, settings_with_types

PATIENT_NAMES = {
    "P-1042": "Robert García",
    "P-104": "Roberta Gardner",
    "MRN/77": "Ana O'Neil-Łukasz",
    "anna": "Anna Ann",
}


def patient_payment(payment_id: str, patient_id: str = "P-1042", amount: str = "25.00", **more: Any) -> Any:
    return saved_payment(amount, payment_id=payment_id, patient_id=patient_id, **more)


@pytest.fixture
def ledger(tx: Transaction) -> Transaction:
    """Patients with names, and payments: posted, Not Sent, not marked Paid and refused."""
    create_clinic(tx)
    import_chunk(
        tx,
        *(saved_patient(each, name=name) for each, name in PATIENT_NAMES.items()),
        patient_payment("EMR-2026-001", method="Check", reference="5501"),
        patient_payment("EMR-2026-002", "P-104", "1250.50", method="Check", reference="check 5502"),
        patient_payment("emr-3", "MRN/77", "9.00", charge_type="Supplies"),
        patient_payment("unpaid", "anna", paid=False),
        patient_payment("nobody", "P-unknown", "31.00"),
        json.dumps(
            {
                "company_id": "company",
                "clinic_id": "clinic",
                "payment_id": "broken-7",
                "line_id": "1",
                "patient_id": "anna",
            }
        ).encode(),
    )
    return tx


def found_patients(tx: Transaction, wanted: str, scope: Scope = EVERYTHING) -> list[tuple[str, MatchKind]]:
    return [(hit.patient.patient, hit.match) for hit in searching.search(tx, wanted, scope).patients]


def found_payments(tx: Transaction, wanted: str, scope: Scope = EVERYTHING) -> list[tuple[str | None, MatchKind]]:
    found = searching.search(tx, wanted, scope).payments
    return [(hit.payment.row.payment, hit.match) for hit in found if hit.match is not MatchKind.PATIENT]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("robert garcia", [("P-1042", MatchKind.NAME)]),
        ("GARCÍA", [("P-1042", MatchKind.NAME_BEGINNING)]),
        ("garcia, robert", [("P-1042", MatchKind.NAME_BEGINNING)]),
        ("rob ga", [("P-1042", MatchKind.NAME_BEGINNING), ("P-104", MatchKind.NAME_BEGINNING)]),
        ("arci", [("P-1042", MatchKind.PART)]),
        ("oneil", [("MRN/77", MatchKind.NAME_BEGINNING)]),
        ("O\u2019Neil", [("MRN/77", MatchKind.NAME_BEGINNING)]),
        ("łukasz", [("MRN/77", MatchKind.NAME_BEGINNING)]),
        ("Garzia", [("P-1042", MatchKind.SIMILAR)]),
        ("p-104", [("P-104", MatchKind.ID), ("P-1042", MatchKind.ID_BEGINNING)]),
        ("1042", [("P-1042", MatchKind.PART)]),
        ("MRN/77", [("MRN/77", MatchKind.ID)]),
        ("anna", [("anna", MatchKind.ID)]),
        ("%", []),
        ("_", []),
        ("nobody at all", []),
    ],
)
def test_patient_is_found_by_name_or_id(ledger: Transaction, wanted: str, found: list[tuple[str, MatchKind]]) -> None:
    assert found_patients(ledger, wanted) == found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("EMR-2026-001", [("clinic/EMR-2026-001/1", MatchKind.ID)]),
        ("emr-2026-001", [("clinic/EMR-2026-001/1", MatchKind.ID)]),
        ("clinic/EMR-2026-001/1", [("clinic/EMR-2026-001/1", MatchKind.ID)]),
        ("company:clinic/EMR-2026-001", [("clinic/EMR-2026-001/1", MatchKind.ID)]),
        ("EMR-2026-001/1", [("clinic/EMR-2026-001/1", MatchKind.ID)]),
        ("south/EMR-2026-001/1", []),
        ("EMR-2026", [(f"clinic/EMR-2026-00{each}/1", MatchKind.ID_BEGINNING) for each in (2, 1)]),
        ("26-002", [("clinic/EMR-2026-002/1", MatchKind.PART)]),
        ("5501", [("clinic/EMR-2026-001/1", MatchKind.CHECK_NUMBER)]),
        ("check #5502", [("clinic/EMR-2026-002/1", MatchKind.CHECK_NUMBER)]),
        ("#5502", [("clinic/EMR-2026-002/1", MatchKind.CHECK_NUMBER)]),
        ("550", [("clinic/EMR-2026-001/1", MatchKind.CHECK_NUMBER_BEGINNING)]),
        ("$1,250.50", [("clinic/EMR-2026-002/1", MatchKind.AMOUNT)]),
        ("9", [("clinic/emr-3/1", MatchKind.AMOUNT)]),
        ("broken-7", [("clinic/broken-7/1", MatchKind.ID)]),
        ("clinic/broken-7/1", [("clinic/broken-7/1", MatchKind.ID)]),
        ("broken", [("clinic/broken-7/1", MatchKind.ID_BEGINNING)]),
        ("unpaid", [("clinic/unpaid/1", MatchKind.ID)]),
        ("$25,00", []),
    ],
)
def test_payment_is_found_by_id_key_check_number_or_amount(
    ledger: Transaction, wanted: str, found: list[tuple[str, MatchKind]]
) -> None:
    assert found_payments(ledger, wanted) == found


def test_payments_of_a_found_patient_are_listed_with_their_states(ledger: Transaction) -> None:
    (hit,) = searching.search(ledger, "oneil", EVERYTHING).payments

    assert (hit.payment.row.payment, hit.match) == ("clinic/emr-3/1", MatchKind.PATIENT)
    assert (hit.payment.row.status, hit.payment.row.reason) == ("Not Sent", "type_not_selected")
    assert hit.payment.row.posted_amount == 0


def test_patient_has_the_number_and_sum_of_their_payments(ledger: Transaction) -> None:
    (hit,) = searching.search(ledger, "robert garcia", EVERYTHING).patients

    assert (hit.patient.payments, f"{hit.patient.posted:.2f}", str(hit.patient.transaction_date)) == (
        1,
        "25.00",
        "2026-06-05",
    )


def test_payment_that_is_not_marked_paid_is_found_without_a_status(ledger: Transaction) -> None:
    (hit,) = searching.search(ledger, "clinic/unpaid/1", EVERYTHING).payments

    assert hit.payment.row.status is None


def test_patient_of_a_held_payment_is_found_by_id(ledger: Transaction) -> None:
    assert found_patients(ledger, "p-unknown") == [("P-unknown", MatchKind.ID)]


@pytest.mark.parametrize("wanted", ["García", "P-1042", "EMR-2026-001", "5501", "$25.00", "EMR-20", "26-001", "Garzia"])
def test_search_finds_nothing_of_another_company_or_clinic(ledger: Transaction, wanted: str) -> None:
    set_clinic_settings(ledger, settings_with_types(ChargeType.COPAY), SETTINGS_SINCE, "south")
    own = Scope.of_clinic("company", "clinic")

    def hits(scope: Scope) -> int:
        found = searching.search(ledger, wanted, scope)
        return len(found.patients) + len(found.payments)

    assert hits(EVERYTHING) == hits(Scope.of_companies("company")) == hits(own) > 0
    for scope in (Scope.of_companies("other"), Scope.of_clinic("company", "south"), Scope(frozenset())):
        assert hits(scope) == 0


def test_user_of_a_small_clinic_finds_its_patient_among_many_of_the_company(ledger: Transaction) -> None:
    set_clinic_settings(ledger, settings_with_types(ChargeType.COPAY), SETTINGS_SINCE, "south")
    many = "INSERT INTO patients (company_id, patient_id, name) SELECT 'company', 'm-' || n, 'Zoe Many' FROM {0} AS n"
    ledger.execute(text(many.format("generate_series(1, 5100)")))
    import_chunk(ledger, patient_payment("s-1", "zz", clinic_id="south"), saved_patient("zz", name="Zoe Only"))
    import_chunk(ledger, saved_charge("c-1", "40.00", clinic_id="south", patient_id="m-5100"))

    south = Scope.of_clinic("company", "south")
    assert found_patients(ledger, "zoe", south) == [
        ("m-5100", MatchKind.NAME_BEGINNING),
        ("zz", MatchKind.NAME_BEGINNING),
    ]
    assert found_patients(ledger, "zoe", Scope.of_clinic("company", "clinic")) == []


def test_patient_with_only_a_charge_at_a_clinic_is_found_by_its_users(ledger: Transaction) -> None:
    set_clinic_settings(ledger, settings_with_types(ChargeType.COPAY), SETTINGS_SINCE, "south")
    import_chunk(ledger, saved_charge("c-1", "40.00", clinic_id="south", patient_id="anna"))

    assert found_patients(ledger, "ann", Scope.of_clinic("company", "south")) == [("anna", MatchKind.ID_BEGINNING)]


def test_patient_is_found_by_the_new_name_and_not_by_the_earlier_one(ledger: Transaction) -> None:
    import_chunk(ledger, saved_patient("P-104", version=2, name="Roberta Smith"))

    assert found_patients(ledger, "smith") == [("P-104", MatchKind.NAME_BEGINNING)]
    assert found_patients(ledger, "gardner") == []


def test_patients_are_found_through_the_index(ledger: Transaction) -> None:
    ledger.execute(text("SET LOCAL enable_seqscan = off"))
    query = "EXPLAIN SELECT FROM patients WHERE patient_terms(company_id, patient_id, name) @> ARRAY['company\\:rob']"
    plan = " ".join(ledger.execute(text(query)).scalars())

    assert "patients_by_term" in plan
