"""The report of the Billing Exceptions."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import NestedRecord, Record, Value, nested_records
from console.reports.parameters import ParameterKind, as_of, clinic, company, first_day, last_day, parameter
from payments.core.scope import Scope

if TYPE_CHECKING:
    from datetime import date, datetime

    from payments.core.outcome import ClosedCase
    from payments.journeys.reporting import ExceptionFilter, ExceptionRow


class StatusChoice(StrEnum):
    """The choices of the status filter: each status of an exception, and `all`."""

    OPEN = "open"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    AUTO_CLOSED = "auto_closed"
    ALL = "all"


@cache
def _reasons() -> type[StrEnum]:
    """Return the choices of the reason filter, labelled as in the report's rows."""
    from payments import wording

    words = {code.name: text for code, text in wording.FINDING_REASONS.items()}
    make_enum: Any = StrEnum
    choices: type[StrEnum] = make_enum("FindingReason", words)
    return choices


def _cases() -> type[ClosedCase]:
    from payments.core.outcome import ClosedCase

    return ClosedCase


@dataclass(frozen=True, kw_only=True)
class ExceptionsParameters:
    """Filters of the Billing Exceptions. Days are transaction dates."""

    reason: StrEnum | None = parameter("Reason", "This reason only.", ParameterKind.CHOICE, choices=_reasons)
    case: ClosedCase | None = parameter(
        "Change in closed month",
        "Only payments added, edited or deleted after the month was closed.",
        ParameterKind.CHOICE,
        choices=_cases,
    )
    clinic: str | None = clinic()
    company: str | None = company()
    patient: str | None = parameter("Patient", "This patient only.", size=12, is_search=True)
    since: date | None = first_day("Transaction date from", "transaction date")
    until: date | None = last_day("transaction date")
    status: StatusChoice = parameter(
        "Status",
        "Status of the exceptions; `all` shows every one.",
        ParameterKind.CHOICE,
        choices=lambda: StatusChoice,
        metavar="|".join(StatusChoice),
        default=StatusChoice.OPEN,
    )
    as_of: datetime | None = as_of()

    def query(self, scope: Scope) -> ExceptionFilter:
        """Convert these parameters to an ExceptionFilter, limited to a scope."""
        from payments import wording
        from payments.core.finding import FindingStatus
        from payments.journeys.reporting import ExceptionFilter

        return ExceptionFilter(
            status=None if self.status is StatusChoice.ALL else FindingStatus(self.status.value),
            reason=wording.finding_reason_code(self.reason) if self.reason else None,
            case=self.case,
            scope=scope.narrowed_to_company(self.company),
            patient=self.patient,
            since=self.since,
            until=self.until,
            as_of=self.as_of,
        )


def _exception_text(record: Record) -> Value:
    """Return the text of an exception: its case, or its reason if it has no case, followed by its note."""
    from payments import wording
    from payments.core.outcome import ClosedCase

    case, note = record["case"], record["note"]
    what = record["reason"] if case is None else wording.CLOSED_CASES[ClosedCase(str(case))]
    return ". ".join(str(part) for part in (what, note) if part)


def _proposal_text(record: Record) -> Value:
    return [_entry(each) for each in nested_records(record["proposal"])] or None


def _entry(proposed: NestedRecord) -> str:
    patient = f" (patient {proposed['patient']})" if "patient" in proposed else ""
    return f"{Decimal(proposed['amount'] or 0):,} {proposed['method']}{patient}"


EXCEPTIONS = Report(
    title="Billing Exceptions",
    columns=(
        Column("id", "No.", ColumnKind.COUNT),
        Column("type", "Type"),
        Column("reason", "Exception", wraps=True, text=_exception_text),
        Column("case", "Change in closed month"),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("patient", "Patient", from_width=150),
        Column("amount_before", "Amount in Billing", ColumnKind.MONEY),
        Column("amount_now", "Amount in the EMR", ColumnKind.MONEY),
        Column("difference", "Difference", ColumnKind.MONEY, from_width=100),
        Column("transaction_date", "Transaction date", ColumnKind.DATE, from_width=120),
        Column("status", "Status", from_width=110, css_class="decide"),
        Column("proposal", "Proposed entries", wraps=True, text=_proposal_text),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("charge_type", "Charge type"),
        Column("method", "Method"),
        Column("version", "Version", ColumnKind.COUNT),
        Column("note", "Note"),
        Column("opened_at", "Opened", ColumnKind.MOMENT),
        Column("ended_at", "Closed", ColumnKind.MOMENT),
        Column("ended_by", "Closed by"),
    ),
    table=(
        *("payment", "id", "patient", "reason", "transaction_date", "amount_before", "amount_now", "difference"),
        *("proposal", "status"),
    ),
    page=("payment", "reason", "amount_before", "amount_now", "proposal", "status"),
    noun="exception",
    empty="No matching exceptions.",
    parameters=ExceptionsParameters,
)


def exception_records(rows: Iterable[ExceptionRow]) -> Iterator[Record]:
    """Yield the Billing Exceptions as records."""
    from payments import wording

    return (
        asdict(row) | {"reason": wording.finding_reason(row.reason), "note": wording.finding_note(row.note)}
        for row in rows
    )
