"""The accounts to distribute, with their credits, charges and allocations (rule D8)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from payments.contract.keys import ChargeKey
from payments.contract.money import ZERO
from payments.core.account import Account, Allocation, AppliedAmount, Charge, DistributionPolicy
from payments.core.credit import Credit, EntryGroup, EntrySource, SourceId, credit_of
from payments.core.postponed_work import WorkItem, WorkKind
from payments.core.refund import refunded_lines
from payments.store.db.advisory_locks import AdvisoryLock, acquire
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK
from payments.store.db.statement import text
from payments.store.ledger import lines
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.ledger.postponed_work import is_postponed
from payments.store.ledger.taken_money import sources_of_taken_money
from payments.store.tables import allocations, patients

_ALLOCATION_COLUMNS = (
    "line_ref entry_ref clinic_id charge_id company_id patient_id amount rule distribution_date made_at".split()
)

_IS_NIGHTLY_ACCOUNT_POSTPONED = is_postponed(WorkKind.DISTRIBUTE_ACCOUNT, "patients.company_id", "patients.patient_id")


def lock(tx: Transaction) -> None:
    """Acquire the advisory lock DISTRIBUTION, so that only one distribution runs. Imports do not take this lock."""
    acquire(tx, AdvisoryLock.DISTRIBUTION)


def accounts_after(
    tx: Transaction, last: PatientKey, limit: int, *, of_company: bool = False, nightly: bool = False
) -> list[WorkItem]:
    """Return up to `limit` accounts that follow the account `last`, in the order of the database.

    With `of_company`, only accounts of the company of `last` are returned. With `nightly`, accounts that the nightly
    run has postponed are omitted.
    """
    same_company = "AND company_id = :company_id" if of_company else ""
    not_postponed = f"AND NOT {_IS_NIGHTLY_ACCOUNT_POSTPONED}" if nightly else ""
    found = tx.execute(
        text(
            "SELECT company_id, patient_id FROM patients WHERE (company_id, patient_id) > (:company_id, :patient_id) "
            f"{same_company} {not_postponed} AND {has_not_moved('patients')} "
            "ORDER BY company_id, patient_id LIMIT :limit"
        ),
        {"company_id": last[0], "patient_id": last[1], "limit": limit},
    )
    return [WorkItem(row.company_id, row.patient_id) for row in found]


def load_accounts(
    tx: Transaction, keys: Sequence[PatientKey], as_of: date | None, now: datetime, *, immediate_only: bool
) -> dict[PatientKey, Account]:
    """Return accounts to distribute. `as_of` is the day of the run, None for each company's current day.

    With `immediate_only`, the policy of the accounts skips rules 1 to 4 of D8, which the nightly run applies.
    """
    rows = column_arrays(patient_rows(keys), PATIENT_KEY_COLUMNS)
    policies = _load_policies(tx, {company_id for company_id, _ in keys}, as_of, now, immediate_only=immediate_only)
    credits_ = _load_credits(tx, rows)
    charges = _load_charges(tx, rows)
    applied = _load_applied(tx, rows)
    return {key: Account(policies[key[0]], credits_[key], charges[key], applied[key]) for key in keys}


def add_allocations(
    tx: Transaction,
    moved: Sequence[tuple[PatientKey, Allocation]],
    accounts: Mapping[PatientKey, Account],
    now: datetime,
) -> None:
    """Insert the allocations in the order of `moved`. The distribution date of each is its account's `policy.as_of`."""
    rows = [
        {
            **_source_columns(allocation.source),
            **allocation.charge._asdict(),
            "patient_id": patient_id,
            "amount": allocation.amount,
            "rule": allocation.rule,
            "distribution_date": accounts[company_id, patient_id].policy.as_of,
            "made_at": now,
        }
        for (company_id, patient_id), allocation in moved
    ]
    if rows:
        tx.execute(text(insert_statement(allocations, _ALLOCATION_COLUMNS)), column_arrays(rows, _ALLOCATION_COLUMNS))


def _source_columns(source: SourceId) -> dict[str, int | None]:
    if isinstance(source, EntrySource):
        return {"line_ref": None, "entry_ref": source.entry_ref}
    return {"line_ref": source, "entry_ref": None}


def _source_id(line_ref: int | None, entry_ref: int | None) -> SourceId:
    """Return the source of an entry or of an allocation: its line or, if it belongs to no line, its manual entry."""
    if line_ref is not None:
        return line_ref
    assert entry_ref is not None  # noqa: S101 (a constraint of the table)
    return EntrySource(entry_ref)


def _load_policies(
    tx: Transaction, company_ids: Iterable[str], as_of: date | None, now: datetime, *, immediate_only: bool
) -> dict[str, DistributionPolicy]:
    found = tx.execute(
        text("SELECT company_id, timezone, hold_days, dos_first FROM companies WHERE company_id = ANY(:ids)"),
        {"ids": sorted(company_ids)},
    )
    companies = {row.company_id: row for row in found}
    policies = {}
    for company_id in company_ids:
        company = companies.get(company_id)
        day = as_of or now.astimezone(ZoneInfo(company.timezone if company else "UTC")).date()
        policies[company_id] = (
            DistributionPolicy(
                as_of=day,
                hold=timedelta(days=company.hold_days),
                dos_first=company.dos_first,
                immediate_only=immediate_only,
            )
            if company
            else DistributionPolicy(as_of=day, immediate_only=immediate_only)
        )
    return policies


def _load_credits(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Credit]]:
    found = tx.execute(
        text(
            f"""
            SELECT entries.company_id, entries.patient_id, own.line_ref, own.entry_ref,
                min(lines.refund_of) AS refund_of, entries.charge_type, entries.date_of_service, deposit_date,
                sum(amount) AS amount, min(entries.id) AS first_entry_id
            FROM entries JOIN {unnest_item(patients, PATIENT_KEY_COLUMNS)}
                ON entries.company_id = new.company_id AND entries.patient_id = new.patient_id
                {ACTIVE_LINK}
                CROSS JOIN LATERAL (SELECT coalesce(entries.line_ref, link.line_ref) AS line_ref,
                    coalesce(entries.reverses, entries.id) AS entry_ref) AS source
                CROSS JOIN LATERAL (SELECT source.line_ref,
                    CASE WHEN source.line_ref IS NULL THEN source.entry_ref END AS entry_ref) AS own
                LEFT JOIN lines ON lines.company_id = entries.company_id AND lines.id = own.line_ref
            GROUP BY entries.company_id, entries.patient_id, own.line_ref, own.entry_ref, entries.charge_type,
                entries.date_of_service, deposit_date
            """
        ),
        rows,
    )
    groups: dict[PatientKey, dict[SourceId, list[EntryGroup]]] = defaultdict(lambda: defaultdict(list))
    refunds: dict[int, str] = {}
    for row in found:
        group = EntryGroup(
            charge_type=row.charge_type,
            date_of_service=row.date_of_service,
            deposit_date=row.deposit_date,
            amount=row.amount,
            entry_id=row.first_entry_id,
        )
        groups[row.company_id, row.patient_id][_source_id(row.line_ref, row.entry_ref)].append(group)
        if row.refund_of:
            refunds[row.line_ref] = row.refund_of
    refunded = _refunded_lines(tx, groups.values(), refunds) if refunds else {}
    refunded |= sources_of_taken_money(tx, rows)
    credits_: dict[PatientKey, list[Credit]] = defaultdict(list)
    for key, by_source in groups.items():
        credits_[key] = [credit_of(source, own, refunded.get(source)) for source, own in by_source.items()]
    return credits_


def _refunded_lines(
    tx: Transaction, accounts: Iterable[Mapping[SourceId, object]], refunds: Mapping[int, str]
) -> dict[SourceId, SourceId]:
    """Find the refunded lines that are on the account of their refund. Return their row ids by row id of the refund.

    `accounts` holds the sources of each account. `refunds` maps the row id of each refund to the refunded key.
    """
    by_line_ids = [[source for source in each if isinstance(source, int)] for each in accounts]
    with_refunds = [by_line for by_line in by_line_ids if refunds.keys() & set(by_line)]
    keys = lines.local_keys(tx, (ref for by_line in with_refunds for ref in by_line))
    targets: dict[SourceId, SourceId] = {}
    for by_line in with_refunds:
        own = {ref: refunds[ref] for ref in by_line if ref in refunds}
        targets.update(refunded_lines({ref: keys[ref] for ref in by_line}, own).items())
    return targets


def _load_charges(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[Charge]]:
    found = tx.execute(
        text(
            "SELECT company_id, patient_id, clinic_id, charge_id, date_of_service, patient_balance, patient_paid, "
            "insurance_open, version FROM charges "
            f"JOIN {unnest_item(patients, PATIENT_KEY_COLUMNS)} USING (company_id, patient_id)"
        ),
        rows,
    )
    charges: dict[PatientKey, list[Charge]] = defaultdict(list)
    for row in found:
        charge = Charge(
            key=ChargeKey(row.company_id, row.clinic_id, row.charge_id),
            date_of_service=row.date_of_service,
            balance=row.patient_balance,
            insurance_open=row.insurance_open,
            patient_paid=row.patient_paid,
            version=row.version,
        )
        charges[row.company_id, row.patient_id].append(charge)
    return charges


def _load_applied(tx: Transaction, rows: dict[str, list[Any]]) -> dict[PatientKey, list[AppliedAmount]]:
    found = tx.execute(
        text(
            "SELECT company_id, patient_id, line_ref, entry_ref, clinic_id, charge_id, sum(amount) AS amount, "
            "max(id) AS last_id "
            f"FROM allocations JOIN {unnest_item(patients, PATIENT_KEY_COLUMNS)} USING (company_id, patient_id) "
            "GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount) <> 0"
        ),
        rows,
    )
    applied: dict[PatientKey, list[AppliedAmount]] = defaultdict(list)
    for row in found:
        charge_key = ChargeKey(row.company_id, row.clinic_id, row.charge_id)
        applied[row.company_id, row.patient_id].append(
            AppliedAmount(
                _source_id(row.line_ref, row.entry_ref), charge_key, row.amount or ZERO, allocation_id=row.last_id
            )
        )
    return applied
