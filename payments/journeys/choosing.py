"""Choose the part of a user's scope that a report, a page or a command names."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

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


class UnknownNameError(ValueError):
    """Billing has no company or clinic of this id. `subject` is the id after its kind, such as `clinic north`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"there is no {subject}")
        self.subject = subject


def choose(tx: Transaction, scope: Scope, choice: Choice) -> Scope:
    """Return the part of a scope that belongs to the chosen company and clinic.

    Raises UnknownNameError if the scope could include the company or the clinic, but Billing does not have it: a report
    of a misspelt clinic is empty, and would look balanced. Raises OutOfScopeError if a limited scope does not include
    it. Raises AmbiguousIdError if several companies of the scope have the clinic, or a patient with this id: a report
    would add up the payments of different clinics or people.
    """
    narrowed = _of_company(tx, scope, choice.company)
    if choice.clinic is not None:
        narrowed = narrowed.narrowed_to_clinic(choice.clinic)
        if not owners.knows_clinic(tx, choice.clinic, narrowed):
            error = UnknownNameError if scope.clinics is None else OutOfScopeError
            of_company = f" of company {choice.company}" if choice.company else ""
            raise error(f"clinic {_shown(choice.clinic)}{of_company}")
        _refuse_several(f"clinic {choice.clinic}", owners.of_clinic(tx, choice.clinic, narrowed))
    if choice.patient is not None and narrowed.only_company is None:
        _refuse_several(f"patient {choice.patient}", owners.of_patient(tx, choice.patient, narrowed))
    return narrowed


def _of_company(tx: Transaction, scope: Scope, company: str | None) -> Scope:
    narrowed = scope.narrowed_to_company(company)
    if company is not None and narrowed.is_empty:
        raise OutOfScopeError(f"company {company}")
    if company is not None and scope.companies is None and not owners.knows_company(tx, company):
        raise UnknownNameError(f"company {_shown(company)}")
    return narrowed


def _shown(name: str) -> str:
    """Return an id as text, in quotation marks if it is empty, or has blanks or other characters that are not seen."""
    return name if name.isprintable() and name.strip() == name != "" else repr(name)


def current_day(tx: Transaction, scope: Scope, now: datetime) -> date:
    """Return the current date of the companies in a scope: the latest one, if their time zones differ (rule D1).

    In UTC if the scope has no company.
    """
    zones = clinics.list_timezones(tx, scope)
    return max(now.astimezone(ZoneInfo(name)).date() for name in zones or ["UTC"])


def zone_of(tx: Transaction, scope: Scope, default: str) -> ZoneInfo:
    """Return the time zone of the companies in a scope; the default one, if they have none or different ones."""
    zones = clinics.list_timezones(tx, scope)
    return ZoneInfo(zones[0] if len(zones) == 1 else default)


def _refuse_several(subject: str, companies: Sequence[str]) -> None:
    if len(companies) > 1:
        raise AmbiguousIdError(subject, companies)
