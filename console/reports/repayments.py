"""Refunds that the office pays, and payments that the bank takes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import ParameterKind, clinic, company, parameter
from payments.core.sorting import Sort

if TYPE_CHECKING:
    from payments.core.scope import Scope
    from payments.journeys.repaying import Repayment, RepaymentFilter


def _states() -> Iterable[StrEnum]:
    from payments.core.repayment import RepaymentState  # noqa: PLC0415 (keeps `payments --help` fast)

    return RepaymentState


@dataclass(frozen=True, kw_only=True)
class RepaymentParameters:
    """The filter of refunds and returned payments."""

    status: StrEnum | None = parameter(
        "Status", "requested, approved, issued or voided.", ParameterKind.CHOICE, choices=_states
    )
    patient: str | None = parameter("Patient", "The patient's id.", metavar="PATIENT", size=20, is_search=True)
    clinic: str | None = clinic()
    company: str | None = company()

    def to_filter(self, scope: Scope) -> RepaymentFilter:
        """Return these parameters as a filter of refunds and returned payments.

        `scope` is already limited to the chosen clinic and company.
        """
        from payments.core.repayment import RepaymentState  # noqa: PLC0415
        from payments.journeys.repaying import RepaymentFilter  # noqa: PLC0415

        state = RepaymentState(self.status) if self.status else None
        return RepaymentFilter(scope, patient=self.patient, state=state)


REPAYMENTS = Report(
    title="Refunds",
    columns=(
        Column("id", "Refund", ColumnKind.COUNT, css_class="key"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("patient", "Patient", wraps=True),
        Column("kind", "Kind"),
        Column("status", "Status"),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("method", "Method"),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("paid_entry", "Paid entry", ColumnKind.COUNT),
        Column("reason", "Reason", wraps=True, css_class="why"),
        Column("fee", "Bank fee", ColumnKind.MONEY),
        Column("reference", "Reference", from_width=140),
        Column("deposit_date", "Deposit date", ColumnKind.DATE, from_width=140),
        Column("entry", "Entry", ColumnKind.COUNT),
        Column("same_in_emr", "Same in the EMR", wraps=True),
        Column("requested_by", "Requested by", from_width=120),
        Column("requested_at", "Requested", ColumnKind.MOMENT, from_width=160),
        Column("approved_by", "Approved by", from_width=120),
        Column("approved_at", "Approved", ColumnKind.MOMENT, from_width=200),
        Column("issued_by", "Issued by", from_width=160),
        Column("issued_at", "Issued", ColumnKind.MOMENT, from_width=200),
        Column("voided_by", "Voided by", from_width=200),
        Column("voided_at", "Voided", ColumnKind.MOMENT, from_width=200),
        Column("void_reason", "Void reason", from_width=200, wraps=True),
    ),
    table=(
        "id",
        "patient",
        "kind",
        "status",
        "payment",
        "reason",
        "same_in_emr",
        "requested_by",
        "approved_by",
        "amount",
    ),
    page=(
        "id",
        "patient",
        "kind",
        "status",
        "payment",
        "reason",
        "same_in_emr",
        "requested_by",
        "requested_at",
        "amount",
    ),
    noun="refund",
    empty="No refunds.",
    total_of="amount",
    parameters=RepaymentParameters,
    order=Sort("id", is_descending=True),
)


def repayment_records(rows: Iterable[Repayment]) -> list[Record]:
    """Return refunds and returned payments as records."""
    return [_record(row) for row in rows]


def _record(row: Repayment) -> Record:
    stored, place, draft = row.stored, row.stored.place, row.stored.draft
    decisions = {name: getattr(stored.decisions, name) for name in stored.decisions.__slots__}
    return {
        "id": stored.id,
        "company": place.company_id,
        "clinic": place.clinic_id,
        "patient": place.patient_id,
        "kind": draft.kind.value,
        "status": stored.decisions.state.value,
        "amount": draft.amount,
        "method": stored.method.value,
        "payment": row.payment,
        "paid_entry": place.paid_entry_ref,
        "reason": draft.reason,
        "fee": draft.fee,
        "reference": stored.reference,
        "deposit_date": stored.deposit_date,
        "entry": stored.entry_ref,
        "same_in_emr": row.same_in_emr,
        **decisions,
    }
