"""Transfers of money between the accounts of patients."""

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
    from payments.journeys.transferring import Transfer, TransferFilter


def _states() -> Iterable[StrEnum]:
    from payments.core.transfer import TransferState  # noqa: PLC0415 (keeps `payments --help` fast)

    return TransferState


@dataclass(frozen=True, kw_only=True)
class TransferParameters:
    """The filter of transfers."""

    status: StrEnum | None = parameter("Status", "posted or undone.", ParameterKind.CHOICE, choices=_states)
    patient: str | None = parameter(
        "Patient",
        "The id of the patient who gave or received the money.",
        metavar="PATIENT",
        size=20,
        is_search=True,
    )
    clinic: str | None = clinic()
    company: str | None = company()

    def to_filter(self, scope: Scope) -> TransferFilter:
        """Return the filter in a scope."""
        from payments.core.transfer import TransferState  # noqa: PLC0415
        from payments.journeys.transferring import TransferFilter  # noqa: PLC0415

        return TransferFilter(scope, self.patient, TransferState(self.status) if self.status else None)


TRANSFERS = Report(
    title="Transfers",
    columns=(
        Column("id", "Transfer", ColumnKind.COUNT, css_class="key"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("from_patient", "From patient", wraps=True),
        Column("to_patient", "To patient", wraps=True),
        Column("status", "Status"),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("method", "Method", from_width=120),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("moved_entry", "Moved entry", ColumnKind.COUNT),
        Column("reason", "Reason", wraps=True, css_class="why"),
        Column("deposit_date", "Deposit date", ColumnKind.DATE),
        Column("from_entry", "Negative entry", ColumnKind.COUNT),
        Column("to_entry", "Positive entry", ColumnKind.COUNT),
        Column("changed_in_emr", "Changed in the EMR"),
        Column("user", "User", from_width=100),
        Column("made_at", "Made", ColumnKind.MOMENT, from_width=160),
        Column("undone_by", "Undone by", from_width=160),
        Column("undone_at", "Undone", ColumnKind.MOMENT, from_width=200),
        Column("undo_reason", "Undo reason", from_width=200, wraps=True),
    ),
    table=("id", "from_patient", "to_patient", "status", "payment", "reason", "deposit_date", "user", "amount"),
    noun="transfer",
    empty="No transfers.",
    total_of="amount",
    parameters=TransferParameters,
    order=Sort("id", is_descending=True),
)


def transfer_records(rows: Iterable[Transfer]) -> list[Record]:
    """Return transfers as records."""
    return [_record(row) for row in rows]


def _record(row: Transfer) -> Record:
    stored = row.stored
    return {
        "id": stored.id,
        "company": stored.company_id,
        "clinic": stored.clinic_id,
        "from_patient": stored.from_patient_id,
        "to_patient": stored.to_patient_id,
        "status": stored.state.value,
        "amount": stored.amount,
        "method": stored.method.value,
        "payment": row.payment,
        "moved_entry": stored.moved_entry_ref,
        "reason": stored.reason,
        "deposit_date": stored.deposit_date,
        "from_entry": stored.from_entry_ref,
        "to_entry": stored.to_entry_ref,
        "changed_in_emr": stored.is_changed_in_emr,
        "user": stored.made_by,
        "made_at": stored.made_at,
        "undone_by": stored.undone_by,
        "undone_at": stored.undone_at,
        "undo_reason": stored.undo_reason,
    }
