"""Check and describe what a user may see: companies and clinics have to exist, and all companies are chosen as such."""

from collections.abc import Collection, Iterable

from payments.access.passwords import UserError
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics


def check_grant(tx: Transaction, user: User) -> None:
    """Check the scope of a user before it is stored.

    Raises UserError if it names an unknown company, a clinic that none of its companies has, or nothing; if it limits a
    user of all companies to clinics; or if it limits an admin to clinics.
    """
    scope = user.scope
    if user.role is Role.ADMIN and scope.clinics is not None:
        raise UserError("an admin sees every clinic of their companies; leave the clinics out or choose another role")
    if scope.companies is None:
        if scope.clinics is not None:
            raise UserError("a user of all companies sees every clinic; choose the companies of the clinics as well")
        return
    if not scope.companies or (scope.clinics is not None and not scope.clinics):
        raise UserError("the user would see nothing; choose at least one company and clinic")
    known = {row.company for row in clinics.list_companies(tx, Scope(scope.companies))}
    _refuse_unknown("company", "companies", scope.companies - known)
    found = {clinic for _, clinic in clinics.list_keys(tx, scope)}
    _refuse_unknown("clinic", "clinics", (scope.clinics or frozenset()) - found, f" in {_listed(scope.companies)}")


def companies_of_clinics(tx: Transaction, clinic_ids: Collection[str]) -> frozenset[str]:
    """Return the companies of these clinics.

    Raises UserError for an unknown clinic, and for a clinic id that several companies use.
    """
    owners = clinics.list_keys(tx, Scope.of_clinics(*clinic_ids))
    _refuse_unknown("clinic", "clinics", {*clinic_ids} - {clinic for _, clinic in owners})
    for clinic_id in sorted(clinic_ids):
        companies = [company for company, clinic in owners if clinic == clinic_id]
        if len(companies) > 1:
            raise UserError(f"{_listed(companies)} each have a clinic {clinic_id}; choose the company as well")
    return frozenset(company for company, _ in owners)


def describe_scope(scope: Scope) -> str:
    """Return the companies and clinics of a scope, for people and the audit history."""
    if scope.clinics is None:
        return "all companies" if scope.companies is None else f"all clinics of {_listed(scope.companies)}"
    owners = "all companies" if scope.companies is None else _listed(scope.companies)
    return f"clinics {_listed(scope.clinics)} of {owners}"


def _refuse_unknown(one: str, several: str, ids: Collection[str], where: str = "") -> None:
    if ids:
        missing = f"is no {one}" if len(ids) == 1 else f"are no {several}"
        raise UserError(f"there {missing} {_listed(ids)}{where}")


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids))
