"""Internal notes on payments, exceptions and accounts."""

from datetime import date

import pytest

from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import noting
from payments.journeys.noting import NOTE_CHARACTERS_MAX, NewNote, NoteError, NoteSubject
from payments.store.db.connection import Transaction
from tests.builders.events import saved_payment
from tests.builders.office import BILLER, Office

PAYMENT_KEY = "clinic/payment/1"


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office with one payment. Its Amount Due of 0.00 is an exception."""
    office = Office(tx, date(2020, 6, 12))
    office.publish(saved_payment(amount_due="0.00", transaction_date="2020-06-05"))
    return office


def add_note_to(office: Office, subject: NoteSubject | None, body: str) -> None:
    assert subject is not None
    noting.add_note(office.tx, NewNote(subject, body, PAYMENT_KEY), office.now, BILLER)


def test_notes_of_a_payment_include_notes_on_its_exceptions(office: Office) -> None:
    (found,) = office.open_exceptions()
    (payment,) = noting.payment_subjects(office.tx, PAYMENT_KEY, EVERYTHING)
    exception = noting.exception_subject(office.tx, found.id, EVERYTHING)
    add_note_to(office, exception, " called the clinic ")
    add_note_to(office, payment, "two lines\nof text")

    notes = noting.list_notes(office.tx, [payment])

    assert [(note.body, note.exception, note.written_by) for note in notes] == [
        ("called the clinic", found.id, BILLER),
        ("two lines\nof text", None, BILLER),
    ]
    assert exception is not None
    assert noting.list_notes(office.tx, [exception]) == notes


def test_notes_of_an_account_do_not_include_notes_on_its_payments(office: Office) -> None:
    (account,) = noting.account_subjects(office.tx, "patient", EVERYTHING)
    (payment,) = noting.payment_subjects(office.tx, PAYMENT_KEY, EVERYTHING)
    add_note_to(office, account, "moved to Boise")

    assert [note.body for note in noting.list_notes(office.tx, [account])] == ["moved to Boise"]
    assert noting.list_notes(office.tx, [payment]) == []


def test_note_is_neither_blank_nor_too_long(office: Office) -> None:
    subject = NoteSubject("company", patient_id="patient")
    for body, problem in (
        (" \n", "the note is empty"),
        ("x" * (NOTE_CHARACTERS_MAX + 1), "the note has 2,001 characters"),
    ):
        with pytest.raises(NoteError, match=problem):
            noting.add_note(office.tx, NewNote(subject, body, PAYMENT_KEY), office.now, BILLER)


def test_subject_outside_the_scope_is_not_found(office: Office) -> None:
    (found,) = office.open_exceptions()
    other = Scope.of_companies("another")

    assert noting.exception_subject(office.tx, found.id, other) is None
    assert noting.payment_subjects(office.tx, PAYMENT_KEY, other) == []
    assert noting.account_subjects(office.tx, "patient", other) == []
    assert noting.payment_subjects(office.tx, "clinic/unknown/1", EVERYTHING) == []


def test_patient_of_two_companies_is_ambiguous(office: Office) -> None:
    Office(office.tx, date(2020, 6, 12), "another", "another")
    subjects = noting.account_subjects(office.tx, "patient", EVERYTHING)

    with pytest.raises(AmbiguousIdError, match="patient patient exists in several companies: another, company"):
        noting.only_subject(subjects, "patient patient")
    assert noting.only_subject(subjects[:1], "patient patient") == subjects[0]
