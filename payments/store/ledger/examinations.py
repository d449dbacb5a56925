"""The result of examining a line for an exception: its note, and its history event (rule D6)."""

from collections.abc import Iterable
from datetime import datetime

from payments.core.finding import Finding, FindingNote, FindingReason
from payments.core.history import Params
from payments.core.line import Line
from payments.core.month import Month
from payments.store.db.connection import Transaction
from payments.store.ledger import months
from payments.store.ledger.findings import Examination
from payments.store.ledger.months import CompanyMonth


def examine_attempt(tx: Transaction, line: Line, finding: Finding) -> Examination:
    """Return the examination of the present attempt at a line. `finding` is the finding that the line needs."""
    note = note_codes(line, finding, closing_times(tx, [line]))
    return Examination(line, finding, note, line.attempts, None)


def closing_times(tx: Transaction, examined: Iterable[Line]) -> dict[CompanyMonth, datetime]:
    """Return the closed months of these lines, each with the time since which it counts as closed."""
    return months.closing_times(tx, {month for line in examined for month in _months(line)})


def note_codes(line: Line, finding: Finding, closed: dict[CompanyMonth, datetime]) -> str:
    """Return the codes of the notes on a closed-month finding: late arrival, nothing to post. Otherwise return none."""
    if finding.reason is not FindingReason.CLOSED_MONTH:
        return ""
    missed = sorted(month for month in _months(line) if month in closed and line.saved_at < closed[month])
    late = f"{FindingNote.LATE_ARRIVAL}:{missed[0][1]}" if missed else ""
    nothing = "" if finding.proposal else FindingNote.NOTHING_TO_POST
    return ";".join(filter(None, (late, nothing)))


def history_params(examination: Examination) -> Params:
    """Return the parameters of the history event of an exception that was opened or recomputed."""
    finding = examination.finding
    return {
        "reason": finding.reason,
        "case": finding.case,
        "before": str(finding.amount_before),
        "now": str(finding.amount_now),
        "note": examination.note,
    }


def _months(line: Line) -> set[CompanyMonth]:
    """Return the months of a line's transaction date and of its posted entries."""
    return {(line.company_id, Month.of(day)) for day in line.transaction_and_deposit_dates}
