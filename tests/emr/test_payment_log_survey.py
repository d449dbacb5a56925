"""The survey of a Payment Log says how its columns were read, names its first problems, and counts all of them."""

import io
from datetime import date
from decimal import Decimal

from emr.payment_log_survey import PROBLEMS_MAX, LogSurvey, survey_payment_log
from tests.emr.test_payment_log import LOG_FORMS, SPREADSHEET_HEADER, SPREADSHEET_LOG


def survey(text: str | bytes) -> LogSurvey:
    return survey_payment_log(io.BytesIO(text.encode() if isinstance(text, str) else text))


def problems(text: str | bytes) -> list[tuple[int, str]]:
    return [(each.row, each.column) for each in survey(text).problems]


def test_survey_shows_which_heading_was_taken_for_each_column() -> None:
    found = survey(SPREADSHEET_LOG)

    assert found.columns == {
        "clinic_id": "Clinic_Id",
        "payment_id": "payment_id",
        "line_id": "Line_ID",
        "transaction_date": "TransactionDate",
        "amount_paid": "Amount-Paid",
        "charge_type": "CHARGE_TYPE",
        "internal_payment": "Internal Payment",
        "paid": "Paid",
    }
    assert (found.ignored, found.missing) == (("Till",), [])


def test_survey_counts_rows_and_finds_clinics_days_and_total() -> None:
    found = survey(SPREADSHEET_LOG)

    assert (found.row_count, found.total, found.clinics) == (2, Decimal("-7.50"), ["c"])
    assert (found.first_day, found.last_day) == (date(2026, 6, 5), date(2026, 6, 5))
    assert [line.key.line_id for line in found.first_rows] == ["1", "2"]
    assert found.problem_count == 0


def test_survey_names_separator_and_encoding() -> None:
    assert {(survey(each).separator, survey(each).encoding) for each in LOG_FORMS.values()} >= {
        ("comma", "UTF-8"),
        ("tab", "UTF-16"),
        ("semicolon", "UTF-8"),
        ("vertical bar", "UTF-8"),
    }


def test_survey_continues_after_a_malformed_row() -> None:
    wrong = "\n".join(
        [
            SPREADSHEET_HEADER,
            "no,1,copay,7,2026-06-05,1,p,c,3",
            "yes,1,copay,7,05.06.2026,2,p,c,3",
            "yes,1,copay,seven,2026-06-05,3,p,c,3",
            "yes,1,copay,7,2026-06-05,4,p,c",
            "no,1,copay,7,2026-06-05,1,p,c,3",
            "yes,0,other,7,2026-06-05,5,p,c,3",
        ]
    )
    found = survey(wrong)

    assert problems(wrong) == [(3, "transaction_date"), (4, "amount_paid"), (5, "Till"), (6, "line_id")]
    assert [line.key.line_id for line in found.first_rows] == ["1", "5"]


def test_survey_ends_at_a_quotation_mark_that_is_never_closed() -> None:
    found = survey(f'{SPREADSHEET_HEADER}\nno,1,copay,7,2026-06-05,1,p,c,"3\nno,1,copay,7,2026-06-05,2,p,c,3\n')

    assert (found.row_count, found.problem_count) == (0, 1)


def test_survey_without_a_needed_column_shows_the_headings_that_were_read() -> None:
    found = survey("Clinic,payment_id,line_id,transaction_date,amount_paid,charge_type,internal_payment\n")

    assert found.missing == ["clinic_id", "paid"]
    assert found.ignored == ("Clinic",)
    assert problems("a,b\n1,2\n") == [(1, "clinic_id")]


def test_survey_of_an_empty_file_or_of_another_kind_of_file_has_one_problem() -> None:
    assert [len(problems(each)) for each in (b"", b"\x89PNG\r\n\x1a\n\0\0", b"%PDF-1.7\n%\xe2\xe3")] == [1, 1, 1]


def test_survey_keeps_a_limited_number_of_problems_and_counts_all() -> None:
    found = survey(f"{SPREADSHEET_HEADER}\n" + "x\n" * 500)

    assert (len(found.problems), found.problem_count) == (PROBLEMS_MAX, 500)
