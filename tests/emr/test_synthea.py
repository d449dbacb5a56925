"""Read a small Synthea export with a known result. Also read a real export if the machine has one."""

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from emr.client import body_of
from emr.synthea import read_export
from emr.synthea_files import InvalidExportError
from payments.contract.event import ChargeType, Method, read_event

_DEFAULT_EXPORT = Path(__file__).parents[3] / "shared" / "data" / "synthea"
REAL_EXPORT = Path(os.environ.get("SYNTHEA_DIR", _DEFAULT_EXPORT))
needs_real_export = pytest.mark.skipif(
    not (REAL_EXPORT / "claims_transactions.csv").exists(),
    reason=f"no Synthea export in {REAL_EXPORT}; SYNTHEA_DIR may name one",
)

PATIENTS_CSV = """\
Id,BIRTHDATE,FIRST,LAST
ada,1950-02-03,Ada,Abbott
ben,1999-12-31,Ben,Brandt
"""
# The rows of claim c1 are mixed with those of c2 and out of order, as in a real export.
TRANSACTIONS_CSV = """\
ID,CLAIMID,CHARGEID,PATIENTID,TYPE,METHOD,FROMDATE,PLACEOFSERVICE,NOTES,TRANSFERTYPE,PAYMENTS,PROVIDERID
a,c1,0,ada,CHARGE,,1968-01-21T00:21:58Z,north,Visit,1,,dr
b,c2,0,ben,CHARGE,,2024-03-09T23:30:00Z,south,Visit,p,,dr
g,c1,10,ada,PAYMENT,CC,1968-01-21T00:21:58Z,north,Visit,,12.50,dr
c,c1,1,ada,PAYMENT,COPAY,1968-01-21T00:21:58Z,north,Visit,,20.00,dr
d,c1,2,ada,PAYMENT,ECHECK,1968-01-21T00:21:58Z,north,Visit,,80.00,dr
e,c1,8,ada,TRANSFEROUT,,1968-01-21T00:21:58Z,north,Visit,,,dr
f,c1,9,ada,TRANSFERIN,,1968-01-21T00:21:58Z,north,Visit,p,,dr
h,c2,1,ben,PAYMENT,CASH,2024-03-09T23:30:00Z,south,,,7.00,
i,c2,2,ben,PAYMENT,CASH,2024-03-09T23:30:00Z,south,,,0.00,
"""


def write_export(folder: Path, transactions: str = TRANSACTIONS_CSV, patients: str = PATIENTS_CSV) -> Path:
    (folder / "claims_transactions.csv").write_text(transactions, encoding="utf-8")
    (folder / "patients.csv").write_text(patients, encoding="utf-8")
    return folder


def test_payment_is_read_if_it_is_a_copay_or_the_patient_is_the_debtor(tmp_path: Path) -> None:
    export = read_export(write_export(tmp_path))

    assert [
        (p.payment_id, p.clinic_id, p.patient_id, p.amount, p.charge_type, p.method) for p in export.payments()
    ] == [
        ("c", "north", "ada", Decimal("20.00"), ChargeType.COPAY, Method.OTHER),
        ("g", "north", "ada", Decimal("12.50"), ChargeType.COINSURANCE, Method.CREDIT_CARD),
        ("h", "south", "ben", Decimal("7.00"), ChargeType.OTHER, Method.CASH),
    ]
    assert (export.payment_count, export.payments_total) == (3, Decimal("39.50"))
    assert export.clinics == ("north", "south")


def test_events_have_the_dates_of_the_export(tmp_path: Path) -> None:
    first, *_, last = read_export(write_export(tmp_path)).payments()

    assert first.model_dump(mode="json")["saved_at"] == "1968-01-21T00:21:58Z"
    assert str(first.transaction_date) == str(first.date_of_service) == "1968-01-21"
    assert str(last.transaction_date) == str(last.date_of_service) == "2024-03-09"
    assert (first.provider_id, last.provider_id) == ("dr", None)
    assert (first.memo, last.memo) == ("Visit", None)


def test_export_patients_are_saved_with_name_on_their_birth_date(tmp_path: Path) -> None:
    patients = list(read_export(write_export(tmp_path), company_id="company-9").patients())

    assert [(p.company_id, p.patient_id, p.name, str(p.saved_at)) for p in patients] == [
        ("company-9", "ada", "Ada Abbott", "1950-02-03 00:00:00+00:00"),
        ("company-9", "ben", "Ben Brandt", "1999-12-31 00:00:00+00:00"),
    ]


def test_reading_an_export_twice_gives_the_same_events(tmp_path: Path) -> None:
    export = read_export(write_export(tmp_path))
    again = read_export(tmp_path)

    assert [*export.patients(), *export.payments()] == [*again.patients(), *again.payments()]
    assert list(export.payments()) == list(export.payments())


@pytest.mark.parametrize("name", ["claims_transactions.csv", "patients.csv"])
def test_missing_export_file_is_named_in_the_error(tmp_path: Path, name: str) -> None:
    (write_export(tmp_path) / name).unlink()

    with pytest.raises(InvalidExportError, match=f"{name}: No such file"):
        read_export(tmp_path)


def test_export_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    export = read_export(write_export(tmp_path, "\ufeff" + TRANSACTIONS_CSV, "\ufeff" + PATIENTS_CSV))

    assert export.payment_count == len(list(export.patients())) + 1 == 3


@needs_real_export
def test_real_export_events_fit_the_contract() -> None:
    export = read_export(REAL_EXPORT)
    events = [*export.patients(), *export.payments()]

    assert [read_event(body_of(event)) for event in events] == events
    assert len({event.event_id for event in events}) == len(events)
    assert {payment.patient_id for payment in export.payments()} <= {p.patient_id for p in export.patients()}


@needs_real_export
def test_real_export_yields_payments_matching_its_totals() -> None:
    export = read_export(REAL_EXPORT)
    count, total, by_clinic = _patient_payment_totals(REAL_EXPORT / "claims_transactions.csv")

    assert (export.payment_count, export.payments_total) == (count, total)
    assert sum(1 for _ in export.payments()) == count
    assert sum(payment.amount for payment in export.payments()) == total
    assert Counter(payment.clinic_id for payment in export.payments()) == by_clinic
    assert set(export.clinics) == by_clinic.keys()
    if REAL_EXPORT == _DEFAULT_EXPORT:
        assert (count, total) == (576, Decimal("732942.50"))


def _patient_payment_totals(file: Path) -> tuple[int, Decimal, Counter[str]]:
    """Compute the totals of patient payments from the export without the tested code: (count, sum, count by place)."""
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    column = {name: number for number, name in enumerate(header)}
    debtors = {
        (row[column["CLAIMID"]], int(row[column["CHARGEID"]])): row[column["TRANSFERTYPE"]]
        for row in rows
        if row[column["TRANSFERTYPE"]]
    }
    count, cents, clinics = 0, 0, Counter[str]()
    for row in rows:
        if row[column["TYPE"]] != "PAYMENT":
            continue
        position = int(row[column["CHARGEID"]])
        earlier = (debtors.get((row[column["CLAIMID"]], before)) for before in range(position, -1, -1))
        if row[column["METHOD"]] == "COPAY" or next(filter(None, earlier), None) == "p":
            count += 1
            cents += int(row[column["PAYMENTS"]].replace(".", ""))
            clinics[row[column["PLACEOFSERVICE"]]] += 1
    return count, Decimal(cents) / 100, clinics
