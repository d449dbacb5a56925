"""What a distribution works on: the accounts, their credits, charges and what is applied, many at a time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from payments.contract.money import ZERO
from payments.core.credit import Credit, EntryGroup, credit_of
from payments.core.distribution import Account, Applied, Charge, DistributionPolicy, Movement
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import lines
from payments.store.ledger.patients import PatientKey
from payments.store.tables import account_marks, allocations, patients

_KEY = ["company_id", "patient_id"]
_MOVEMENT = "line_ref clinic_id charge_id company_id patient_id amount rule distribution_date made_at".split()
_LOCK = 7_250_002
"""Advisory lock number: one distribution at a time."""


def enqueue(tx: Transaction, accounts: Iterable[PatientKey], now: datetime) -> int:
    """Have money of these accounts applied or given back at once, and return how many they are.

    A mark is a row of its own, so that imports which mark the same accounts do not wait for each other.
    """
    rows = [key | {"marked_at": now, "named_at": now} for key in _keys(accounts)]
    if rows:
        named, marked = [*_KEY, "named_at"], [*_KEY, "marked_at"]
        known = insertion(patients, named, "ORDER BY 1, 2 ON CONFLICT DO NOTHING")
        tx.execute(
            text(f"WITH known AS ({known}) {insertion(account_marks, marked)}"), arrays(rows, [*named, "marked_at"])
        )
    return len(rows)


def begin(tx: Transaction) -> None:
    """Let no other distribution look at an account until this transaction ends; imports go on."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def take_marked(tx: Transaction, limit: int) -> list[PatientKey]:
    """Return up to `limit` accounts that were marked, those marked first before others, and take their marks off."""
    found = tx.execute(
        text(
            "DELETE FROM account_marks USING (SELECT DISTINCT company_id, patient_id FROM "
            "(SELECT company_id, patient_id FROM account_marks ORDER BY id LIMIT :limit) AS first_ones) AS taken "
            "WHERE account_marks.company_id = taken.company_id AND account_marks.patient_id = taken.patient_id "
            "RETURNING taken.company_id, taken.patient_id"
        ),
        {"limit": limit},
    )
    return sorted({(company_id, patient_id) for company_id, patient_id in found})


def after(tx: Transaction, last: PatientKey, limit: int, *, of_company: bool = False) -> list[PatientKey]:
    """Return up to `limit` accounts that come after `last` in the database's order; only its company's if asked."""
    own = "AND company_id = :company_id" if of_company else ""
    found = tx.execute(
        text(
            "SELECT company_id, patient_id FROM patients WHERE (company_id, patient_id) > (:company_id, :patient_id) "
            f"{own} ORDER BY company_id, patient_id LIMIT :limit"
        ),
        {"company_id": last[0], "patient_id": last[1], "limit": limit},
    )
    return [(company_id, patient_id) for company_id, patient_id in found]


def load(
    tx: Transaction, keys: Sequence[PatientKey], as_of: date | None, now: datetime, *, immediate_only: bool
) -> dict[PatientKey, Account]:
    """Return these accounts as they stand, to be distributed as of a day; None is the company's own day of now."""
    rows = arrays(_keys(keys), _KEY)
    terms = _terms(tx, {company_id for company_id, _ in keys}, as_of, now, immediate_only=immediate_only)
    credits_ = _credits(tx, rows)
    charges = _charges(tx, rows)
    applied = _applied(tx, rows)
    return {key: Account(terms[key[0]], credits_[key], charges[key], applied[key]) for key in keys}


def add_movements(
    tx: Transaction,
    moved: Sequence[tuple[PatientKey, Movement]],
    accounts: Mapping[PatientKey, Account],
    now: datetime,
) -> None:
    """Write movements of these accounts down, in their order."""
    rows = [
        {
            "line_ref": movement.line_ref,
            "clinic_id": movement.charge[0],
            "charge_id": movement.charge[1],
            "company_id": company_id,
            "patient_id": patient_id,
            "amount": movement.amount,
            "rule": movement.rule,
            "distribution_date": accounts[company_id, patient_id].policy.as_of,
            "made_at": now,
        }
        for (company_id, patient_id), movement in moved
    ]
    if rows:
        tx.execute(text(insertion(allocations, _MOVEMENT)), arrays(rows, _MOVEMENT))


def _keys(accounts: Iterable[PatientKey]) -> list[dict[str, Any]]:
    return [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in sorted(set(accounts))]


def _terms(
    tx: Transaction, company_ids: Iterable[str], as_of: date | None, now: datetime, *, immediate_only: bool
) -> dict[str, DistributionPolicy]:
    found = tx.execute(
        text("SELECT company_id, timezone, hold_days, dos_first FROM companies WHERE company_id = ANY(:ids)"),
        {"ids": sorted(company_ids)},
    )
    set_by = {company_id: rest for company_id, *rest in found}
    default = ("UTC", DistributionPolicy(now.date()).hold.days, False)
    terms = {}
    for company_id in company_ids:
        timezone, hold_days, dos_first = set_by.get(company_id, default)
        day = as_of or now.astimezone(ZoneInfo(timezone)).date()
        terms[company_id] = DistributionPolicy(day, timedelta(days=hold_days), dos_first, immediate_only)
    return terms


def _credits(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Credit]]:
    found = tx.execute(
        text(
            f"""
            SELECT entries.company_id, entries.patient_id, line_ref, min(lines.refund_of), entries.charge_type,
                entries.date_of_service, deposit_date, sum(amount), min(entries.id)
            FROM entries JOIN {unnested(patients, _KEY)} USING (company_id, patient_id)
                JOIN lines ON lines.id = line_ref
            GROUP BY entries.company_id, entries.patient_id, line_ref, entries.charge_type, entries.date_of_service,
                deposit_date
            """
        ),
        rows,
    )
    parts: dict[PatientKey, dict[int, list[EntryGroup]]] = defaultdict(lambda: defaultdict(list))
    refunds: dict[int, str] = {}
    for company_id, patient_id, ref, refund_of, *part in found:
        parts[company_id, patient_id][ref].append(EntryGroup(*part))
        if refund_of:
            refunds[ref] = refund_of
    refunded = _refunded(tx, parts, refunds) if refunds else {}
    credits_: dict[PatientKey, list[Credit]] = defaultdict(list)
    for key, by_line in parts.items():
        credits_[key] = [credit_of(ref, own, refunded.get(ref)) for ref, own in by_line.items()]
    return credits_


def _refunded(
    tx: Transaction, parts: Mapping[PatientKey, Mapping[int, object]], refunds: Mapping[int, str]
) -> dict[int, int]:
    """Return which line each refund refunds, where it is one of the same accounts."""
    refs = [ref for by_line in parts.values() if refunds.keys() & by_line.keys() for ref in by_line]
    printed = {payment: ref for ref, payment in lines.printed_keys(tx, refs).items()}
    return {ref: printed[refund_of] for ref, refund_of in refunds.items() if refund_of in printed}


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
