"""Check and describe the scope of a user.

The companies and clinics of a scope must exist. A scope of all companies must be chosen explicitly.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from payments.access.passwords import UserError
from payments.access.rights import Role, User
from payments.contract.keys import ClinicKey
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics


def check_grant(tx: Transaction, user: User) -> None:
    """Check the scope of a user before it is stored.

    Raises UserError if the scope is empty, or if it names an unknown company or a clinic that none of its companies
    has. Also raises it if a user of all companies, or an admin, is limited to clinics.
    """
    scope = user.scope
    if user.role is Role.ADMIN and scope.clinics is not None:
        sentence = "an admin sees every clinic of their companies; leave the clinics out or choose another role"
        raise UserError(sentence, "clinic")
    if scope.companies is None:
        if scope.clinics is not None:
            sentence = "a user of all companies sees every clinic; choose the companies of the clinics as well"
            raise UserError(sentence, "company")
        return
    if not scope.companies or (scope.clinics is not None and not scope.clinics):
        raise UserError("the user would see nothing; choose at least one company and clinic", "company")
    known = {row.company for row in clinics.list_companies(tx, Scope(scope.companies))}
    _refuse_unknown("company", "companies", scope.companies - known)
    found = clinics.list_keys(tx, scope)
    known_names = {key.clinic_id for key in found} if scope.clinic_keys is None else {":".join(key) for key in found}
    _refuse_unknown(
        "clinic", "clinics", {*(scope.qualified_clinic_ids or ())} - known_names, f" in {_join_ids(scope.companies)}"
    )


def choose_clinics(tx: Transaction, companies: frozenset[str] | None, clinic_refs: Iterable[str]) -> Scope:
    """Return a scope that is limited to clinics. Each of `clinic_refs` is a clinic id, or `company:clinic`.

    `companies` are the companies of the user. If `companies` is None, the scope has the companies of the clinics.
    Raises UserError for an unknown clinic, and for a clinic id that several of the companies have.
    """
    known = clinics.list_keys(tx, Scope(companies))
    chosen: set[ClinicKey] = set()
    unknown: set[str] = set()
    for clinic_ref in clinic_refs:
        keys = [key for key in known if clinic_ref in {key.clinic_id, ":".join(key)}]
        if len(keys) > 1:
            owners = [key.company_id for key in keys]
            raise UserError(
                f"{_join_ids(owners)} each have a clinic {clinic_ref}; write {owners[0]}:{clinic_ref}, for example",
                "clinic",
            )
        chosen.update(keys)
        unknown |= set() if keys else {clinic_ref}
    _refuse_unknown("clinic", "clinics", unknown, f" in {_join_ids(companies)}" if companies else "")
    return Scope.of_clinic_keys(companies or {key.company_id for key in chosen}, chosen)


def with_clinic_keys(tx: Transaction, user: User) -> User:
    """Return the user with the company of each clinic in the scope, as `choose_clinics` finds it.

    A user who is not limited to clinics is returned unchanged. Raises the errors of `choose_clinics`.
    """
    scope = user.scope
    if not scope.companies or scope.clinics is None:
        return user
    return replace(user, scope=choose_clinics(tx, scope.companies, scope.clinics))


def describe_scope(scope: Scope) -> str:
    """Return the companies and clinics of a scope as text, for users and the audit history."""
    if scope.clinics is None:
        return "all companies" if scope.companies is None else f"all clinics of {_join_ids(scope.companies)}"
    if scope.companies is not None and not scope.companies:
        return f"no company; choose the companies of clinics {_join_ids(scope.clinics)}"
    owners = "all companies" if scope.companies is None else _join_ids(scope.companies)
    return f"clinics {_join_ids(scope.qualified_clinic_ids or ())} of {owners}"


def _refuse_unknown(one: str, several: str, ids: Collection[str], where: str = "") -> None:
    if ids:
        missing = f"is no {one}" if len(ids) == 1 else f"are no {several}"
        raise UserError(f"there {missing} {_join_ids(ids)}{where}", one)


def _join_ids(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids))
