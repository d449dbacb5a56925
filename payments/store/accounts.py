"""Patients' accounts: credits, charges and what is applied, read and written for many accounts at a time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text

from payments.core.distribution import Account, Applied, Charge, Credit, Movement, Terms
from payments.core.money import ZERO, Money
from payments.store.bulk import arrays, insertion, unnested
from payments.store.patients import PatientKey
from payments.store.session import Transaction
from payments.store.tables import allocations, patients

_KEY = ["company_id", "patient_id"]
_MOVEMENT = "line_ref clinic_id charge_id company_id patient_id amount rule distribution_date made_at".split()


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A patient's account in dollars: all payments, what of them is unassigned, and what the patient still owes."""

    patient: str
    payments_total: Money
    unassigned: Money
    balance: Money
    company: str


class MovementRow(NamedTuple):
    """Money of a payment that went to a charge or came back (negative), in dollars."""

    payment: str
    charge: str
    date_of_service: date
    amount: Money
    rule: str
    distribution_date: date


class AppliedRow(NamedTuple):
    """What of a payment is applied to a charge, in dollars."""

    payment: str
    charge: str
    date_of_service: date
    amount: Money


def mark(tx: Transaction, accounts: Iterable[PatientKey], now: datetime) -> None:
    """Have money of these accounts applied or given back at once; they are held until this transaction ends."""
    rows = [key | {"distribute_at": now} for key in _keys(accounts)]
    if rows:
        again = "ON CONFLICT (company_id, patient_id) DO UPDATE SET distribute_at = excluded.distribute_at"
        tx.execute(text(insertion(patients, [*_KEY, "distribute_at"], again)), arrays(rows, [*_KEY, "distribute_at"]))


def lock_marked(tx: Transaction, limit: int) -> list[PatientKey]:
    """Lock up to `limit` accounts that were marked, take the mark off, and return them."""
    found = tx.execute(
        text(
            "WITH marked AS (SELECT company_id, patient_id FROM patients WHERE distribute_at IS NOT NULL "
            "ORDER BY company_id, patient_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) "
            "UPDATE patients SET distribute_at = NULL FROM marked WHERE patients.company_id = marked.company_id "
            "AND patients.patient_id = marked.patient_id RETURNING patients.company_id, patients.patient_id"
        ),
        {"limit": limit},
    )
    return [(company_id, patient_id) for company_id, patient_id in found]


def lock_after(tx: Transaction, last: PatientKey, limit: int) -> list[PatientKey]:
    """Lock up to `limit` accounts that come after `last` in the order of their keys, and return them."""
    found = tx.execute(
        text(
            "SELECT company_id, patient_id FROM patients WHERE (company_id, patient_id) > (:company_id, :patient_id) "
            "ORDER BY company_id, patient_id LIMIT :limit FOR NO KEY UPDATE"
        ),
        {"company_id": last[0], "patient_id": last[1], "limit": limit},
    )
    return [(company_id, patient_id) for company_id, patient_id in found]


def load(tx: Transaction, keys: Sequence[PatientKey], as_of: date, *, at_once_only: bool) -> dict[PatientKey, Account]:
    """Return these accounts as they stand, ready to be distributed."""
    rows = arrays(_keys(keys), _KEY)
    terms = _terms(tx, {company_id for company_id, _ in keys}, as_of, at_once_only=at_once_only)
    credits_ = _credits(tx, rows)
    charges = _charges(tx, rows)
    applied = _applied(tx, rows)
    return {key: Account(terms[key[0]], credits_[key], charges[key], applied[key]) for key in keys}


def add_movements(tx: Transaction, moved: Sequence[tuple[PatientKey, Movement]], day: date, now: datetime) -> None:
    """Write movements down, in their order."""
    rows = [
        {
            "line_ref": movement.line_ref,
            "clinic_id": movement.charge[0],
            "charge_id": movement.charge[1],
            "company_id": company_id,
            "patient_id": patient_id,
            "amount": movement.amount,
            "rule": movement.rule,
            "distribution_date": day,
            "made_at": now,
        }
        for (company_id, patient_id), movement in moved
    ]
    if rows:
        tx.execute(text(insertion(allocations, _MOVEMENT)), arrays(rows, _MOVEMENT))


_OF_CLINICS = "AND (CAST(:clinics AS text[]) IS NULL OR {}.clinic_id = ANY(:clinics))"


def summaries(tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None) -> list[AccountRow]:
    """Return the accounts of a patient: one, unless companies use the same id for different people.

    Where clinics are given, an account is what belongs to them alone, and is left out if nothing does.
    """
    sums = (
        "LATERAL (SELECT coalesce(sum({0}), 0.00) AS total, count(*) AS number FROM {1} "
        "WHERE {1}.company_id = patients.company_id AND {1}.patient_id = patients.patient_id {2})"
    )
    paid = sums.format("amount", "entries", _OF_CLINICS.format("entries"))
    owed = sums.format("patient_balance", "charges", _OF_CLINICS.format("charges"))
    of_payment = f"AND line_ref IN (SELECT id FROM lines WHERE true {_OF_CLINICS.format('lines')})"
    given = sums.format("amount", "allocations", "" if clinics is None else of_payment)
    taken = sums.format("amount", "allocations", _OF_CLINICS.format("allocations"))
    found = tx.execute(
        text(
            "SELECT patients.patient_id, paid.total, paid.total - given.total, owed.total - taken.total, company_id "
            f"FROM patients, {paid} AS paid, {owed} AS owed, {given} AS given, {taken} AS taken "
            "WHERE patients.patient_id = :patient_id "
            "AND (CAST(:clinics AS text[]) IS NULL OR paid.number + owed.number > 0) ORDER BY company_id"
        ),
        {"patient_id": patient_id, "clinics": None if clinics is None else list(clinics)},
    )
    return [AccountRow(*row) for row in found]


def movements(tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None) -> list[MovementRow]:
    """Return what was applied and given back on a patient's accounts, in order; of these clinics' payments alone."""
    found = tx.execute(
        text(
            "SELECT lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, "
            "allocations.clinic_id || '/' || charge_id, charges.date_of_service, allocations.amount, rule, "
            "distribution_date "
            "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
            f"WHERE allocations.patient_id = :patient_id {_OF_CLINICS.format('lines')} ORDER BY allocations.id"
        ),
        {"patient_id": patient_id, "clinics": None if clinics is None else list(clinics)},
    )
    return [MovementRow(*row) for row in found]


def applied_to(tx: Transaction, patient_id: str | None) -> list[AppliedRow]:
    """Return what payments are applied to now, of one patient or of all, by date of service."""
    found = tx.execute(
        text(
            "SELECT lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, "
            "allocations.clinic_id || '/' || charge_id, charges.date_of_service, sum(allocations.amount) "
            "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
            "WHERE CAST(:patient_id AS text) IS NULL OR allocations.patient_id = :patient_id "
            "GROUP BY 1, 2, 3 HAVING sum(allocations.amount) <> 0 ORDER BY 1, 3, 2"
        ),
        {"patient_id": patient_id},
    )
    return [AppliedRow(*row) for row in found]


def _keys(accounts: Iterable[PatientKey]) -> list[dict[str, str]]:
    return [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in sorted(set(accounts))]


def _terms(tx: Transaction, company_ids: Iterable[str], as_of: date, *, at_once_only: bool) -> dict[str, Terms]:
    found = tx.execute(
        text("SELECT company_id, hold_days, dos_first FROM companies WHERE company_id = ANY(:ids)"),
        {"ids": sorted(company_ids)},
    )
    set_by = {company_id: (timedelta(days=days), dos_first) for company_id, days, dos_first in found}
    default = (Terms(as_of).hold, False)
    return {
        company_id: Terms(as_of, *set_by.get(company_id, default), at_once_only=at_once_only)
        for company_id in company_ids
    }


def _credits(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Credit]]:
    found = tx.execute(
        text(
            f"""
            SELECT entries.company_id, entries.patient_id, line_ref, min(entries.id), sum(amount), min(deposit_date),
                min(lines.date_of_service), bool_or(lines.charge_type = 'Payment on Account'), min(refund_of),
                min(lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id)
            FROM entries JOIN {unnested(patients, _KEY)} USING (company_id, patient_id)
                JOIN lines ON lines.id = line_ref
            GROUP BY entries.company_id, entries.patient_id, line_ref
            """
        ),
        rows,
    ).all()
    refs = {printed: ref for _, _, ref, *_, printed in found}
    credits_: dict[PatientKey, list[Credit]] = defaultdict(list)
    for company_id, patient_id, ref, number, amount, deposit_date, day, on_account, refund_of, _ in found:
        own_day = None if on_account else day
        credits_[company_id, patient_id].append(
            Credit(ref, number, amount, deposit_date, own_day, bool(on_account), refs.get(refund_of))
        )
    return credits_


def _charges(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Charge]]:
    found = tx.execute(
        text(
            "SELECT company_id, patient_id, clinic_id, charge_id, date_of_service, patient_balance, insurance_open "
            f"FROM charges JOIN {unnested(patients, _KEY)} USING (company_id, patient_id)"
        ),
        rows,
    )
    charges: dict[PatientKey, list[Charge]] = defaultdict(list)
    for company_id, patient_id, clinic_id, charge_id, *rest in found:
        charges[company_id, patient_id].append(Charge((clinic_id, charge_id), *rest))
    return charges


def _applied(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Applied]]:
    found = tx.execute(
        text(
            "SELECT company_id, patient_id, line_ref, clinic_id, charge_id, sum(amount), max(id) "
            f"FROM allocations JOIN {unnested(patients, _KEY)} USING (company_id, patient_id) "
            "GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0"
        ),
        rows,
    )
    applied: dict[PatientKey, list[Applied]] = defaultdict(list)
    for company_id, patient_id, ref, clinic_id, charge_id, amount, number in found:
        applied[company_id, patient_id].append(Applied(ref, (clinic_id, charge_id), amount or ZERO, number))
    return applied
