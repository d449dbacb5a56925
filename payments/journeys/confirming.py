"""Confirm companies and clinics that events added. Retire empty ones that were added because of a mistyped id."""

from datetime import datetime

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.core.company_move import MoveState
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.advisory_locks import AdvisoryLock, acquire
from payments.store.db.connection import Transaction
from payments.store.ledger import company_moves, confirmation
from payments.store.ledger.admission import NamedClinic
from payments.store.ledger.confirmation import Contents, UnconfirmedRow

__all__ = ["NamedClinic", "UnconfirmedRow"]

LISTED_ROWS_MAX = 200
"""The largest number of companies, of clinics and of patients that are listed."""


class ConfirmationError(ValueError):
    """A company or a clinic cannot be confirmed or retired. The message says why."""


def list_unconfirmed(tx: Transaction, scope: Scope = EVERYTHING) -> list[UnconfirmedRow]:
    """Return the unconfirmed companies, clinics and patients of a scope, and its retired companies and clinics."""
    return confirmation.list_unconfirmed(tx, scope, LISTED_ROWS_MAX)


def confirm(tx: Transaction, named: NamedClinic, now: datetime, who: str, scope: Scope = EVERYTHING) -> None:
    """Confirm a company, or a clinic with its company. Restore it if it was retired. Add an audit entry.

    An unfinished import of the company from another installation is cancelled. Locks the rows of the company and the
    clinic.

    Raises ConfirmationError if Billing does not have the company or clinic in this scope, or if the company has moved
    to another installation. Also raises it if the company is retired or ARRIVING and the scope does not include all
    companies, because only an operator may reverse an operator's decision.
    """
    _check_exists(tx, named, scope)
    _check_has_not_left(tx, named.company_id)
    if not may_restore(scope) and confirmation.lock_retired_or_arriving(tx, named.company_id):
        raise ConfirmationError(
            f"company {named.company_id} is retired or is being imported; only a user of all companies can confirm it"
        )
    company_moves.clear_arrival(tx, named.company_id)
    confirmation.confirm(tx, named, now, who)
    _record_audit(tx, "confirmed", named, now, who)


def may_restore(scope: Scope) -> bool:
    """Return whether a user may confirm a company that is retired or ARRIVING. The scope must cover all companies."""
    return scope.companies is None


def retire(tx: Transaction, named: NamedClinic, now: datetime, who: str, scope: Scope = EVERYTHING) -> None:
    """Retire an empty company or clinic. Adds an audit entry.

    Until `named` is confirmed again, its events are Not Sent. Waits for running imports. New imports wait for the
    commit.

    Raises ConfirmationError if `named` has entries, open payments, charges or open exceptions, if it is already
    retired, if this scope does not have it, or if its company has moved to another installation.

    Locks: ADMISSION, then the row. The contents are counted before ADMISSION is locked, because imports of all
    companies wait for it. A quick check after the lock detects data that an import has added meanwhile.
    """
    _check_exists(tx, named, scope)
    _check_has_not_left(tx, named.company_id)
    if held := describe_contents(confirmation.count_contents(tx, named)):
        raise ConfirmationError(f"{_describe(named)} is not empty: {held}; nothing was changed")
    acquire(tx, AdvisoryLock.ADMISSION)
    _check_has_not_left(tx, named.company_id)
    if not confirmation.is_empty(tx, named):
        raise ConfirmationError(f"{_describe(named)} is not empty: an import has just added to it; nothing was changed")
    if not confirmation.retire(tx, named, now, who):
        raise ConfirmationError(f"{_describe(named)} is retired already")
    _record_audit(tx, "retired", named, now, who)


def describe_contents(contents: Contents) -> str:
    """Return the contents that prevent a company or clinic from being retired, with counts. Empty if there are none."""
    counts = {
        "ledger entries": contents.entries,
        "pending payments": contents.open_payments,
        "charges": contents.charges,
        "open exceptions": contents.exceptions,
    }
    return ", ".join(f"{what}: {count:,}" for what, count in counts.items() if count)


def _check_exists(tx: Transaction, named: NamedClinic, scope: Scope) -> None:
    is_visible = (
        scope.may_see_company(named.company_id)
        if named.clinic_id is None
        else scope.may_see(named.company_id, named.clinic_id)
    )
    if not is_visible or not confirmation.exists(tx, named):
        raise ConfirmationError(f"Billing has no {_describe(named)}")


def _check_has_not_left(tx: Transaction, company_id: str) -> None:
    if company_moves.load_state(tx, company_id) is MoveState.LEFT:
        command = f"payments company cancel-export {company_id}"
        raise ConfirmationError(
            f"company {company_id} was exported to another installation; `{command}` cancels the export"
        )


def _record_audit(tx: Transaction, action: str, named: NamedClinic, now: datetime, who: str) -> None:
    kind = "company" if named.clinic_id is None else "clinic"
    subject = named.clinic_id or named.company_id
    audit.add(tx, AuditEntry(now, who, f"{action} {kind}", subject, company_id=named.company_id))


def _describe(named: NamedClinic) -> str:
    company = f"company {named.company_id}"
    return company if named.clinic_id is None else f"clinic {named.clinic_id} of {company}"
