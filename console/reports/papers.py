"""The day sheet of a drawer and the slip of a deposit as pages to print (PDF)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.reports.deposits import DEPOSIT_ENTRIES, entry_records
from console.reports.drawers import DRAWER_METHODS, DRAWER_PAYMENTS, method_records, payment_records
from console.reports.output import Record
from console.reports.pdf import Paper, Section
from payments.core.drawer import DENOMINATIONS, CashCount

if TYPE_CHECKING:
    from payments.journeys.deposits import DepositSlip
    from payments.journeys.drawers import DrawerSheet


def drawer_paper(sheet: DrawerSheet, footer: str) -> Paper:
    """Return the day sheet of a drawer as a page to print."""
    summary, drawer = sheet.summary, sheet.summary.drawer
    last = summary.last_count
    facts = [
        ("Clinic", f"{drawer.clinic_id} of {drawer.company_id}"),
        ("Day", f"{drawer.day}, shift {drawer.shift}"),
        ("State", summary.state.value),
    ]
    if last is not None:
        facts.append(("Counted", f"{last.counted_at:%Y-%m-%d %H:%M} UTC by {_user(last.counted_by)}"))
        facts.append(("Cash", _cash(last.count.cash)))
    if last is not None and last.count.reason:
        facts.append(("Reason", last.count.reason))
    if drawer.closed_at is not None:
        facts.append(("Closed", f"{drawer.closed_at:%Y-%m-%d %H:%M} UTC by {_user(drawer.closed_by)}"))
    if sheet.late:
        facts.append(("Of drawers that were counted before", f"{sheet.late_total:,}"))
    sums: Record = {
        "method": "All methods",
        "expected": summary.expected,
        "counted": summary.counted,
        "difference": summary.difference,
    }
    sections = [
        Section(DRAWER_METHODS, method_records(summary), sums),
        Section(DRAWER_PAYMENTS, payment_records(sheet.lines)),
    ]
    return Paper(f"Day sheet of drawer {drawer.id}", facts, sections, ("Counted by", "Closed by"), footer)


def deposit_paper(slip: DepositSlip, footer: str) -> Paper:
    """Return the slip of a deposit as a page to print."""
    deposit = slip.deposit
    facts = [
        ("Clinic", f"{deposit.clinic_id} of {deposit.company_id}"),
        ("Bank account", deposit.bank_account),
        ("Day", str(deposit.day)),
        ("Method", deposit.method),
        ("Total", f"{deposit.total:,}, {deposit.entry_count:,} entries"),
    ]
    if deposit.reverses is not None:
        facts.append(("Reverses deposit", f"{deposit.reverses}. Reason: {deposit.reason}"))
    sums: Record = {"payment": "Total", "amount": deposit.total}
    sections = [Section(DEPOSIT_ENTRIES, entry_records(slip.entries), sums)]
    return Paper(f"Deposit {deposit.id}", facts, sections, ("Signature",), footer)


def _cash(count: CashCount) -> str:
    pieces = [f"{number} x {DENOMINATIONS[name]}" for name, number in count._asdict().items() if number]
    return ", ".join(pieces) or "none"


def _user(name: str | None) -> str:
    return (name or "").removeprefix("user:")
