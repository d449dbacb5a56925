"""Add and read notes on payments and accounts, for pages and the API."""

from console.reports.notes import NotesParameters
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.origins import client_address
from payments.journeys import noting
from payments.journeys.noting import NewNote, Note, NoteSubject
from payments.store.db.connection import Transaction


def add_note(context: RequestContext, about: NotesParameters, text: str) -> Note:
    """Add a note to the payment or account that `about` names.

    Raises PageError (404) if the user may not see the payment or account, NoteError if the text is not allowed, and the
    errors of `find_subjects`.
    """
    with context.transaction() as tx:
        named, found = find_subjects(tx, context, about)
        subject = noting.only_subject(found, named)
        if subject is None:
            raise PageError(404, f"There is no {named}.")
        new = NewNote(subject, text, about.payment or about.patient or "", client_address(context.request))
        return noting.add_note(tx, new, context.now, context.user.audit_name)


def list_notes(tx: Transaction, context: RequestContext, about: NotesParameters) -> list[Note]:
    """Return the notes on a payment or account, oldest first. Raises the errors of `find_subjects`."""
    _, found = find_subjects(tx, context, about)
    return noting.list_notes(tx, found)


def find_subjects(tx: Transaction, context: RequestContext, about: NotesParameters) -> tuple[str, list[NoteSubject]]:
    """Return the name of what `about` selects, such as "patient 17", and the subjects of its notes.

    Only subjects that the user may see are returned.

    Raises PageError (422) unless `about` names either a payment or a patient. Raises AmbiguousIdError if
    several companies of the user have the payment.
    """
    scope = context.user.scope.narrowed_to_company(about.company)
    match about.payment, about.patient:
        case str() as key, None:
            return f"payment {key}", noting.payment_subjects(tx, key, scope)
        case None, str() as patient:
            return f"patient {patient}", noting.account_subjects(tx, patient, scope)
    raise PageError(422, "Name either a payment or a patient.", "Correct it and try again.")
