"""Choose the part of a user's scope that a report, a page or a command names by company and clinic."""

from typing import NamedTuple

from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics


class Choice(NamedTuple):
    """The company and the clinic that a request names. None means that it does not name one."""

    company: str | None = None
    clinic: str | None = None


class OutOfScopeError(ValueError):
    """A scope does not include a company or a clinic. `subject` is its id after its kind, such as `clinic north`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} is not included")
        self.subject = subject


def choose(tx: Transaction, scope: Scope, choice: Choice) -> Scope:
    """Return the part of a scope that belongs to the chosen company and clinic.

    Raises OutOfScopeError if a limited scope does not include the company or the clinic. A scope of everything includes
    unknown ids, too.
    """
    of_company = scope.narrowed_to_company(choice.company)
    if of_company.is_empty and choice.company is not None:
        raise OutOfScopeError(f"company {choice.company}")
    if choice.clinic is None:
        return of_company
    narrowed = of_company.narrowed_to_clinic(choice.clinic)
    if scope.companies is not None and not clinics.list_ids(tx, narrowed, 1):
        raise OutOfScopeError(f"clinic {choice.clinic}" + (f" of company {choice.company}" if choice.company else ""))
    return narrowed
