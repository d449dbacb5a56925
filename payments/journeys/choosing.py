"""Choose the part of a user's scope that a report, a page or a command names."""

from collections.abc import Sequence
from typing import NamedTuple

from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, owners


class Choice(NamedTuple):
    """The company, the clinic and the patient that a request names. None means that it does not name one."""

    company: str | None = None
    clinic: str | None = None
    patient: str | None = None


class OutOfScopeError(ValueError):
    """A scope does not include a company or a clinic. `subject` is its id after its kind, such as `clinic north`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} is not included")
        self.subject = subject


def choose(tx: Transaction, scope: Scope, choice: Choice) -> Scope:
    """Return the part of a scope that belongs to the chosen company and clinic.

    Raises OutOfScopeError if a limited scope does not include the company or the clinic. A scope of everything includes
    unknown ids, too. Raises AmbiguousIdError if several companies of the scope have the clinic, or a patient with this
    id: a report would add up the payments of different clinics or people.
    """
    narrowed = scope.narrowed_to_company(choice.company)
    if narrowed.is_empty and choice.company is not None:
        raise OutOfScopeError(f"company {choice.company}")
    if choice.clinic is not None:
        narrowed = narrowed.narrowed_to_clinic(choice.clinic)
        if scope.companies is not None and not clinics.list_ids(tx, narrowed, 1):
            of_company = f" of company {choice.company}" if choice.company else ""
            raise OutOfScopeError(f"clinic {choice.clinic}{of_company}")
        _refuse_several(f"clinic {choice.clinic}", owners.of_clinic(tx, choice.clinic, narrowed))
    if choice.patient is not None and narrowed.only_company is None:
        _refuse_several(f"patient {choice.patient}", owners.of_patient(tx, choice.patient, narrowed))
    return narrowed


def _refuse_several(subject: str, companies: Sequence[str]) -> None:
    if len(companies) > 1:
        raise AmbiguousIdError(subject, companies)
