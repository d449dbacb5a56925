"""Limit a user's scope to the company and the clinic that a report, a page or a command names."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, owners


class ScopeChoice(NamedTuple):
    """The company, the clinic and the patient that a request names. An id that it does not name is None."""

    company: str | None = None
    clinic: str | None = None
    patient: str | None = None


class OutOfScopeError(ValueError):
    """A scope does not include a company or a clinic. `subject` is the kind and the id, such as `clinic north`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} is not included")
        self.subject = subject


class UnknownNameError(ValueError):
    """Billing has no company or clinic with this id. `subject` is the kind and the id, such as `clinic north`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"there is no {subject}")
        self.subject = subject


def choose_scope(tx: Transaction, scope: Scope, choice: ScopeChoice) -> Scope:
    """Return the part of a scope that belongs to the chosen company and clinic.

    - Raises OutOfScopeError if a limited scope does not include the company or the clinic.
    - Raises UnknownNameError if Billing does not have the company or the clinic. Otherwise, the report of a misspelt
      clinic would be empty and look balanced.
    - Raises AmbiguousIdError if several companies of the scope have the clinic, or a patient with the chosen id.
      Otherwise, a report would add up the payments of different clinics or people.
    """
    narrowed = _company_scope(tx, scope, choice.company)
    if choice.clinic is not None:
        narrowed = narrowed.narrowed_to_clinic(choice.clinic)
        if not owners.knows_clinic(tx, choice.clinic, narrowed):
            error = UnknownNameError if scope.clinics is None else OutOfScopeError
            of_company = f" of company {choice.company}" if choice.company else ""
            raise error(f"clinic {_display_id(choice.clinic)}{of_company}")
        _check_unambiguous(f"clinic {choice.clinic}", owners.companies_with_clinic(tx, choice.clinic, narrowed))
    if choice.patient is not None and narrowed.only_company is None:
        _check_unambiguous(f"patient {choice.patient}", owners.companies_with_patient(tx, choice.patient, narrowed))
    return narrowed


def _company_scope(tx: Transaction, scope: Scope, company: str | None) -> Scope:
    narrowed = scope.narrowed_to_company(company)
    if company is not None and narrowed.is_empty:
        raise OutOfScopeError(f"company {company}")
    if company is not None and scope.companies is None and not owners.knows_company(tx, company):
        raise UnknownNameError(f"company {_display_id(company)}")
    return narrowed


def _display_id(name: str) -> str:
    """Return an id for a message. Quote it if it is empty, has blanks at its ends or invisible characters."""
    return name if name.isprintable() and name.strip() == name != "" else repr(name)


def current_day(tx: Transaction, scope: Scope, now: datetime) -> date:
    """Return the current date of the companies in a scope. If their time zones differ, it is the latest date (rule D1).

    If the scope has no company, it is the current date in UTC.
    """
    zones = clinics.list_timezones(tx, scope)
    return max(now.astimezone(ZoneInfo(name)).date() for name in zones or ["UTC"])


def zone_of(tx: Transaction, scope: Scope, default: str) -> ZoneInfo:
    """Return the time zone of all companies in a scope. If they have several or none, return `default`."""
    zones = clinics.list_timezones(tx, scope)
    return ZoneInfo(zones[0] if len(zones) == 1 else default)


def _check_unambiguous(subject: str, companies: Sequence[str]) -> None:
    if len(companies) > 1:
        raise AmbiguousIdError(subject, companies)
