"""The report of Billing Exceptions."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from console.errors import CommandError
from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import NestedRecord, Record, Value, nested_records
from console.reports.parameters import (
    ParameterKind,
    as_of,
    clinic,
    company,
    first_day_field,
    last_day_field,
    parameter,
    period,
    sort_by,
)
from payments.core.scope import Scope
from payments.core.sorting import Sort

if TYPE_CHECKING:
    from datetime import date

    from payments.core.outcome import ClosedCase
    from payments.core.period import Period
    from payments.journeys.reporting import ExceptionFilter, ExceptionRow


class QueueChoice(StrEnum):
    """The queues of exceptions: those with entries to post, and those without."""

    TO_POST = "to_post"
    NOTHING_TO_POST = "nothing_to_post"


class WorkChoice(StrEnum):
    """The choices of the filter by work: the user's exceptions, unassigned exceptions, or overdue exceptions."""

    MINE = "mine"
    UNASSIGNED = "unassigned"
    OVERDUE = "overdue"


class StatusChoice(StrEnum):
    """The choices of the status filter: each status of an exception, and `all`."""

    OPEN = "open"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    AUTO_CLOSED = "auto_closed"
    ALL = "all"


@cache
def _reason_choices() -> type[StrEnum]:
    """Return the choices of the reason filter. Their labels are those in the rows of the report."""
    from payments import wording

    words = {code.name: text for code, text in wording.FINDING_REASONS.items()}
    make_enum: Any = StrEnum
    choices: type[StrEnum] = make_enum("FindingReason", words)
    return choices


def _status_text(code: str) -> str:
    from payments.core.finding import FindingStatus

    return code.capitalize() if code == StatusChoice.ALL else FindingStatus(code).words.capitalize()


def _assignment_text(code: str) -> str:
    return "No owner" if code == WorkChoice.UNASSIGNED else code.capitalize()


def _case_choices() -> type[ClosedCase]:
    from payments.core.outcome import ClosedCase

    return ClosedCase


def _sort_choices() -> list[Sort]:
    return EXCEPTIONS.sorts


@dataclass(frozen=True, kw_only=True)
class ExceptionsParameters:
    """Filters of the Billing Exceptions. Days are transaction dates."""

    reason: StrEnum | None = parameter("Reason", "This reason only.", ParameterKind.CHOICE, choices=_reason_choices)
    case: ClosedCase | None = parameter(
        "Change in closed month",
        "Only exceptions of closed months in which the payment was added, edited or deleted.",
        ParameterKind.CHOICE,
        choices=_case_choices,
        is_advanced=True,
    )
    clinic: str | None = clinic()
    company: str | None = company()
    patient: str | None = parameter("Patient", "This patient only.", size=12, is_search=True)
    since: date | None = first_day_field("Transaction date from", "transaction date")
    until: date | None = last_day_field("transaction date")
    period: Period | None = period()
    status: StatusChoice = parameter(
        "Status",
        "Status of the exceptions.",
        ParameterKind.CHOICE,
        choices=lambda: StatusChoice,
        choice_text=_status_text,
        metavar="|".join(StatusChoice),
        default=StatusChoice.OPEN,
    )
    as_of: datetime | None = as_of()
    sort: StrEnum | None = sort_by(_sort_choices)
    queue: QueueChoice | None = parameter(
        "Queue",
        "`to_post`: exceptions that propose entries; `nothing_to_post`: all others.",
        ParameterKind.CHOICE,
        choices=lambda: QueueChoice,
        is_advanced=True,
    )
    work: WorkChoice | None = parameter(
        "Assignment",
        "Only unassigned, or only overdue exceptions.",
        ParameterKind.CHOICE,
        choices=lambda: WorkChoice,
        command_choices=lambda: [each for each in WorkChoice if each is not WorkChoice.MINE],
        choice_text=_assignment_text,
        is_advanced=True,
    )
    owner: str | None = parameter("Owner", "Only exceptions of this user.", size=10, is_advanced=True)

    def of_user(self, name: str) -> Self:
        """Return these parameters for a user. If `work` is `mine`, `owner` becomes the name of this user."""
        return replace(self, owner=name) if self.work is WorkChoice.MINE else self

    def to_filter(self, scope: Scope) -> ExceptionFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`.

        Raises CommandError if `work` is `mine` and no owner is given.
        """
        from payments import wording
        from payments.core.finding import FindingStatus
        from payments.journeys.reporting import ExceptionFilter

        if self.work is WorkChoice.MINE and self.owner is None:
            raise CommandError("name the --owner instead of `--work mine`", exit_status=2)
        return ExceptionFilter(
            status=None if self.status is StatusChoice.ALL else FindingStatus(self.status.value),
            reason=wording.finding_reason_code(self.reason) if self.reason else None,
            case=self.case,
            scope=scope.narrowed_to_company(self.company),
            patient=self.patient,
            since=self.since,
            until=self.until,
            as_of=self.as_of,
            owner=self.owner,
            is_unassigned=True if self.work is WorkChoice.UNASSIGNED else None,
            overdue_at=datetime.now(UTC) if self.work is WorkChoice.OVERDUE else None,
            has_proposal=None if self.queue is None else self.queue is QueueChoice.TO_POST,
        )


def _exception_text(record: Record) -> Value:
    """Return the text of an exception: its case, or its reason if it has no case, followed by its note."""
    from payments import wording
    from payments.core.outcome import ClosedCase

    case, note = record["case"], record["note"]
    what = record["reason"] if case is None else wording.CLOSED_CASES[ClosedCase(str(case))]
    return ". ".join(str(part) for part in (what, note) if part)


def _proposal_text(record: Record) -> Value:
    return [_entry_text(each) for each in nested_records(record["proposal"])] or None


def _entry_text(proposed: NestedRecord) -> str:
    patient = f" (patient {proposed['patient']})" if "patient" in proposed else ""
    return f"{Decimal(proposed['amount'] or 0):,} {proposed['method']}{patient}"


EXCEPTIONS = Report(
    title="Billing Exceptions",
    columns=(
        Column("id", "No.", ColumnKind.COUNT, sort=SortCost.INDEX),
        Column("type", "Type"),
        Column("reason", "Exception", wraps=True, text=_exception_text, css_class="why cause", sort=SortCost.ROWS),
        Column("case", "Change in closed month"),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("patient", "Patient", from_width=150, sort=SortCost.ROWS),
        Column("amount_before", "Amount in Billing", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("amount_now", "Amount in the EMR", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("difference", "Difference", ColumnKind.MONEY, from_width=100, sort=SortCost.ROWS),
        Column("transaction_date", "Transaction date", ColumnKind.DATE, from_width=120, sort=SortCost.ROWS),
        Column("status", "Status", from_width=110, css_class="decide", sort=SortCost.ROWS),
        Column("proposal", "Proposed entries", wraps=True, text=_proposal_text),
        Column("company", "Company", sort=SortCost.ROWS),
        Column("clinic", "Clinic", sort=SortCost.ROWS),
        Column("charge_type", "Charge type", sort=SortCost.ROWS),
        Column("method", "Method", sort=SortCost.ROWS),
        Column("version", "Version", ColumnKind.COUNT),
        Column("note", "Note"),
        Column("opened_at", "Opened", ColumnKind.MOMENT, sort=SortCost.ROWS),
        Column("ended_at", "Closed", ColumnKind.MOMENT, sort=SortCost.ROWS),
        Column("ended_by", "Closed by"),
        Column("patient_name", "Name", from_width=190),
        Column("owner", "Owner", sort=SortCost.ROWS, from_width=190),
        Column("due_on", "Due", ColumnKind.DATE, sort=SortCost.ROWS, from_width=190),
    ),
    table=(
        *("payment", "id", "patient", "patient_name", "reason", "transaction_date", "amount_before", "amount_now"),
        *("difference", "proposal", "status", "owner", "due_on"),
    ),
    page=("payment", "reason", "amount_before", "amount_now", "proposal", "status"),
    noun="exception",
    empty="No matching exceptions.",
    parameters=ExceptionsParameters,
    order=Sort("id"),
    summed_on_page="difference",
)


def exception_records(rows: Iterable[ExceptionRow]) -> Iterator[Record]:
    """Yield the Billing Exceptions as records."""
    from payments import wording

    return (
        asdict(row)
        | {"reason": wording.finding_reason(row.reason), "note": wording.finding_note(row.note)}
        | {"ended_by": row.ended_by and wording.actor(row.ended_by)}
        for row in rows
    )
