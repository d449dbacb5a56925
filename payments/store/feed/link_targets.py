"""Find and lock the payment to which a manual entry is to be linked."""

from typing import NamedTuple

from payments.core.line import Line
from payments.core.manual_entry import EntryError
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.feed import printed_keys
from payments.store.ledger import company_moves, findings, lines, manual_entries


class LinkTarget(NamedTuple):
    """The payment to link an entry to, named by the id of its Billing Exception or by its printed key."""

    finding_id: int | None = None
    payment: str | None = None


def lock(tx: Transaction, target: LinkTarget, scope: Scope) -> Line:
    """Lock the line of the target, and return the line. Waits for the lock.

    Raises EntryError if the scope has no such target, or if its company has moved to another installation. Raises
    AmbiguousIdError if several companies of the scope have the key.
    """
    found = lines.lock_by_id(tx, [_line_ref(tx, target, scope)], wait=True)
    (line,) = found.values()
    if not scope.may_see(line.company_id, line.key.clinic_id):
        raise _no_target(target)
    if not company_moves.has_not_moved(tx, line.company_id):
        raise EntryError(f"company {line.company_id} has moved to another installation")
    return line


def find_payment(tx: Transaction, key: str, scope: Scope) -> int | None:
    """Return the row id of the line with a printed key. None if the scope has none or several of them.

    Raises AmbiguousIdError if several companies of the scope have the key.
    """
    refs = manual_entries.line_ids(tx, printed_keys.find(tx, [key], scope)[key].keys)
    return refs[0] if len(refs) == 1 else None


def _line_ref(tx: Transaction, target: LinkTarget, scope: Scope) -> int:
    if target.finding_id is not None:
        found = findings.load(tx, [target.finding_id]).get(target.finding_id)
        if found is None:
            raise _no_target(target)
        return found.line_ref
    line_ref = find_payment(tx, target.payment or "", scope)
    if line_ref is None:
        raise _no_target(target)
    return line_ref


def _no_target(target: LinkTarget) -> EntryError:
    if target.finding_id is not None:
        return EntryError(f"there is no exception {target.finding_id}")
    return EntryError(f"there is no payment {target.payment}")
