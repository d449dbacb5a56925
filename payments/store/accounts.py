"""Patients' accounts: credits, charges and what is applied, locked, loaded and moved for many accounts at a time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from payments.core.distribution import Account, Applied, Charge, Credit, Movement, Terms
from payments.core.money import ZERO
from payments.store.bulk import arrays, insertion, unnested
from payments.store.patients import PatientKey
from payments.store.session import Transaction
from payments.store.tables import allocations, patients

_KEY = ["company_id", "patient_id"]
_MOVEMENT = "line_ref clinic_id charge_id company_id patient_id amount rule distribution_date made_at".split()


def mark(tx: Transaction, accounts: Iterable[PatientKey], now: datetime) -> None:
    """Have money of these accounts applied or given back at once; they are held until this transaction ends."""
    rows = [key | {"distribute_at": now, "named_at": now} for key in _keys(accounts)]
    if rows:
        again = "ON CONFLICT (company_id, patient_id) DO UPDATE SET distribute_at = excluded.distribute_at"
        columns = [*_KEY, "distribute_at", "named_at"]
        tx.execute(text(insertion(patients, columns, again)), arrays(rows, columns))


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
