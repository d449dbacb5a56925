"""A damaged Synthea export is refused as a whole. The error names the file, the row and the id."""

from pathlib import Path

import pytest

from emr.synthea import read_export
from emr.synthea_files import InvalidExportError
from tests.emr.test_synthea import PATIENTS_CSV, TRANSACTIONS_CSV, write_export

pytestmark = pytest.mark.slow

TRANSACTIONS_HEADER = TRANSACTIONS_CSV.splitlines()[0]
PAYMENT_ROW = "g,c1,10,ada,PAYMENT,CC,1968-01-21T00:21:58Z,north,Visit,,12.50,dr"
MALFORMED_AMOUNTS = [
    *("4E1", "4_0.00", "+5", "NaN", "sNaN", "Infinity", "-inf", "", "one", "$40.00", "(40.00)", "1'000.00", "40.00-"),
    *("12.505", "12.500", ".5", "5.", "0x10", "\u0664\u0660.\u0665\u0660", "\uff14\uff10.\uff10\uff10", "99999999999"),
]
# What is replaced in the transactions, and where the error is and what it says.
TRANSACTION_DAMAGES = [
    *(
        (",12.50,", f",{amount},", "row 4, column PAYMENTS: expected dollars such as 25.00")
        for amount in MALFORMED_AMOUNTS
    ),
    (",12.50,", ", 12.50,", "row 4, column PAYMENTS: expected no blanks at the ends"),
    (",12.50,", ',"12,50",', "row 4, column PAYMENTS: expected dollars such as 25.00; got '12,50' (ID g)"),
    (",12.50,", ",12,50,", "row 4, column 13: no heading for 'dr'; the row has 13 cells, the header 12"),
    (",12.50,dr", ",12.50", "row 4, column PROVIDERID: missing; the row has 11 cells"),
    (",80.00,", ",8E1,", "row 6, column PAYMENTS: expected dollars such as 25.00; got '8E1' (ID d)"),
    (",12.50,", ",-12.50,", "row 4 (ID g): amount_paid: negative only on a refund line"),
    ("g,c1,10,", "g,c1,ten,", "row 4, column CHARGEID: expected a whole number; got 'ten' (ID g)"),
    ("g,c1,10,", "g,c1,1_0,", "row 4, column CHARGEID: expected a whole number; got '1_0'"),
    ("g,c1,10,", "g,c1,\u0661\u0660,", "row 4, column CHARGEID: expected a whole number"),
    ("g,c1,10,", "g,c1 ,10,", "row 4, column CLAIMID: expected no blanks at the ends; got 'c1 '"),
    ("g,c1,10,", "g,c3,10,", "row 4, column CLAIMID: no CHARGE before this PAYMENT (ID g)"),
    ("g,c1,10,", "g,,10,", "row 4, column CLAIMID: expected the id of a claim; got '' (ID g)"),
    ("e,c1,8,", ",c1,8,", "row 7, column ID: expected an id; got ''"),
    ("10,ada,", "10,ben,", "row 4, column PATIENTID: claim c1 has the patient 'ada' in row 2; got 'ben' (ID g)"),
    ("g,c1,10,", "c,c1,10,", "row 5, column ID: 'c' is already in row 4"),
    ("e,c1,8,", "a,c1,8,", "row 7, column ID: 'a' is already in row 2"),
    (PAYMENT_ROW, f"{PAYMENT_ROW}\n{PAYMENT_ROW}", "row 5, column ID: 'g' is already in row 4"),
    (PAYMENT_ROW, TRANSACTIONS_HEADER, "row 4, column ID: the header again"),
    (PAYMENT_ROW, TRANSACTIONS_HEADER.lower(), "row 4, column TYPE: expected one of ADJUSTMENT, CHARGE, PAYMENT, "),
    ("10,ada,", "10,eve,", "row 4, column PATIENTID: 'eve' is not in patients.csv"),
    ("8,ada,", "8,eve,", "row 7, column PATIENTID: 'eve' is not in patients.csv"),
    (",PAYMENT,CC,", ",PAYED,CC,", "row 4, column TYPE: expected one of ADJUSTMENT, CHARGE, PAYMENT, "),
    ("a,c1,0,ada,CHARGE,,1968-01-21T", "a,c1,0,ada,CHARGE,,21.01.1968T", "row 2, column FROMDATE: expected a time"),
    (",Visit,p,,", ",Visit,P,,", "row 3, column TRANSFERTYPE: expected 1, 2, p or nothing; got 'P' (ID b)"),
    ("2024-03-09T23:30:00Z,south,,,7", "03/09/2024,south,,,7", "row 9, column FROMDATE: expected a time such as"),
    ("2024-03-09T23:30:00Z,south,,,7", "2024-03-09,south,,,7", "row 9 (ID h): saved_at: expected an RFC 3339 time"),
    ("2024-03-09T23:30:00Z,south,,,7", "2024-02-30T23:30:00Z,south,,,7", "row 9, column FROMDATE: expected a"),
    ("2024-03-09T23:30:00Z,south,,,7", "1868-03-09T23:30:00Z,south,,,7", "row 9, column FROMDATE: expected a"),
    (
        "CC,1968-01-21T00:21:58Z,north,",
        "CC,1968-01-21T00:21:58Z,,",
        "row 4 (ID g): clinic_id: expected text of 1 to 64",
    ),
    (",north,Visit,,12.50", f",{'n' * 65},Visit,,12.50", "row 4 (ID g): clinic_id: expected text of 1 to 64"),
    (",north,Visit,,12.50", ',north,"Visit,,12.50', "row 4, column NOTES: "),
    (",north,Visit,,12.50", ',north,"Vis"it,,12.50', "row 4, column NOTES: text after the closing quotation mark"),
    (",north,Visit,,12.50", ",north,Vis\0it,,12.50", "row 4, column NOTES: holds a NUL"),
    ("PLACEOFSERVICE", "PLACE", "row 1, column PLACEOFSERVICE: missing"),
    (
        "PROVIDERID",
        "PROVIDERID,Payments",
        "row 1, column Payments: the headings 'PAYMENTS' and 'Payments' name the same",
    ),
]
PATIENT_DAMAGES = [
    ("ben,1999", "ada,1999", "row 3, column Id: 'ada' is already in row 2"),
    ("ben,1999", " ben,1999", "row 3, column Id: expected no blanks at the ends"),
    ("ben,1999-12-31", "ben,12/31/1999", "row 3, column BIRTHDATE: expected a date such as 1980-02-03; got"),
    ("ben,1999-12-31", "ben,", "row 3, column BIRTHDATE: expected a date such as 1980-02-03; got"),
    ("ben,1999-12-31", "ben,1899-12-31", "row 3, column BIRTHDATE: expected a date such as 1980-02-03; got"),
    ("ben,1999-12-31,Ben,Brandt", "ben,1999-12-31,Ben", "row 3, column LAST: missing; the row has 3 cells"),
    ("ben,1999-12-31,Ben,Brandt", "Id,BIRTHDATE,FIRST,LAST", "row 3, column Id: the header again"),
    ("Ada,Abbott", '"Ada,Abbott', "row 2, column FIRST: the quotation mark that opens this cell is never closed"),
    (
        "Ada,Abbott\nben",
        '"Ada,Abbott\nben"',
        "row 2, column 5: no heading for 'Ben'; the row has 6 cells, the header 4",
    ),
    ("ben,1999-12-31,Ben,", f"ben,1999-12-31,{'B' * 201},", "row 3 (ID ben): name: expected text of up to 200"),
    ("Id,BIRTHDATE", "Key,BIRTHDATE", "row 1, column Id: missing; expected a header with Id, BIRTHDATE, FIRST, LAST"),
]
FILE_DAMAGES = [
    *(("claims_transactions.csv", *damage) for damage in TRANSACTION_DAMAGES),
    *(("patients.csv", *damage) for damage in PATIENT_DAMAGES),
]


@pytest.mark.parametrize(
    ("file", "written", "instead", "expected"),
    FILE_DAMAGES,
    ids=[f"{each[0][:3]}-{each[3][:48]}" for each in FILE_DAMAGES],
)
def test_damaged_export_is_refused_by_file_and_row(
    tmp_path: Path, file: str, written: str, instead: str, expected: str
) -> None:
    write_export(tmp_path)
    whole = (tmp_path / file).read_text(encoding="utf-8")
    assert written in whole
    (tmp_path / file).write_text(whole.replace(written, instead, 1), encoding="utf-8")

    with pytest.raises(InvalidExportError) as refused:
        read_export(tmp_path)

    assert str(refused.value).startswith(f"{tmp_path / file}: {expected}")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["claims_transactions.csv", "patients.csv"])
def test_export_that_is_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    file = write_export(tmp_path) / name
    file.write_bytes(file.read_bytes() + b"\xff\xfe\n")

    with pytest.raises(InvalidExportError, match=rf"{name}: row \d+, column \w+: .* is not UTF-8"):
        read_export(tmp_path)


def test_names_and_notes_keep_marks_and_line_breaks(tmp_path: Path) -> None:
    transactions = TRANSACTIONS_CSV.replace("north,Visit,,12.50", 'north,"Visit, ""late""\nand long",,12.50')
    export = read_export(write_export(tmp_path, transactions, PATIENTS_CSV.replace("Ada,", '"Ada, ""A""",')))

    assert next(export.patients()).name == 'Ada, "A" Abbott'
    assert [payment.memo for payment in export.payments()][1] == 'Visit, "late"\nand long'
