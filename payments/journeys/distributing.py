"""Apply patients' money to what they owe, account by account, and give back what either no longer has."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.core.distribution import Movement, distribute
from payments.store.db.connection import Transaction
from payments.store.ledger import distribution, distribution_runs, lines, patients
from payments.store.ledger.patients import PatientKey
from payments.store.reports import account
from payments.store.reports.account import AccountRow, AppliedRow, MovementRow

__all__ = ["AccountRow", "AppliedRow", "Moved", "MovementRow", "PatientKey"]

FIRST: PatientKey = ("", "")
"""What to distribute after, to begin with the first account."""


class Moved(NamedTuple):
    """What was moved on a set of accounts, and the last of them; None when there were no more."""

    last: PatientKey | None
    movements: list[tuple[PatientKey, Movement]]

    @property
    def applied(self) -> Money:
        """What was applied, less what was given back, in dollars."""
        return total(movement.amount for _, movement in self.movements)


def distribute_after(tx: Transaction, last: PatientKey, as_of: date | None, now: datetime, limit: int) -> Moved:
    """Distribute up to `limit` accounts that come after `last`, by all rules, as of a day or each company's own."""
    distribution.begin(tx)
    keys = distribution.after(tx, last, limit)
    return _distribute(tx, keys, as_of, now, at_once_only=False)


def distribute_due(tx: Transaction, now: datetime, limit: int) -> Moved:
    """Distribute up to `limit` accounts of a company whose night has come, by all rules; none where there is none."""
    night = distribution_runs.due(tx, now)
    if night is None:
        return Moved(None, [])
    distribution.begin(tx)
    keys = distribution.after(tx, (night.company_id, night.reached), limit, of_company=True)
    moved = _distribute(tx, keys, None, now, at_once_only=False)
    distribution_runs.move(tx, night, keys[-1][1] if len(keys) == limit else None)
    return moved._replace(last=(night.company_id, ""))


def distribute_marked(tx: Transaction, as_of: date | None, now: datetime, limit: int) -> Moved:
    """Do at once what may not wait: apply Payments on Account, and give back what is no longer there."""
    distribution.begin(tx)
    keys = distribution.take_marked(tx, limit)
    return _distribute(tx, keys, as_of, now, at_once_only=True)


def payments_of(tx: Transaction, moved: Sequence[Moved]) -> dict[int, str]:
    """Return the printed keys of the payments whose money was moved, by their lines."""
    return lines.printed_keys(tx, (movement.line_ref for each in moved for _, movement in each.movements))


def show_account(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[AccountRow]:
    """Return a patient's account, all cases together, or what of it belongs to these clinics."""
    return account.summaries(tx, patient_id, clinics, as_of)


def show_movements(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[MovementRow]:
    """Return what was applied and given back on a patient's account, in order, of all or of these clinics' payments."""
    return account.movements(tx, patient_id, clinics, as_of)


def show_name(tx: Transaction, row: AccountRow) -> str | None:
    """Return whose account it is, if Billing was told the name."""
    return patients.name_of(tx, row.company, row.patient)


def show_applied(tx: Transaction, patient_id: str | None, as_of: datetime | None = None) -> list[AppliedRow]:
    """Return which dates of service payments went to, of one patient or of all."""
    return account.applied_to(tx, patient_id, as_of)


def _distribute(
    tx: Transaction, keys: Sequence[PatientKey], as_of: date | None, now: datetime, *, at_once_only: bool
) -> Moved:
    if not keys:
        return Moved(None, [])
    loaded = distribution.load(tx, keys, as_of, now, at_once_only=at_once_only)
    moved = [(key, movement) for key, account in loaded.items() for movement in distribute(account)]
    distribution.add_movements(tx, moved, loaded, now)
    return Moved(keys[-1], moved)
