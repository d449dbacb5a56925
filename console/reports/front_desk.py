"""The reports of the front desk: the payments of a clinic on one day, and a patient's charges and payments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import ParameterKind, clinic, company, parameter

if TYPE_CHECKING:
    from datetime import date

    from payments.journeys.front_desk import DayRow


@dataclass(frozen=True, kw_only=True)
class DaySheetParameters:
    """The clinic and the day of the report. The default day is the clinic's current day."""

    clinic: str | None = clinic()
    day: date | None = parameter("Day", "The transaction date. Default: the current day.", ParameterKind.DAY)
    company: str | None = company()


@dataclass(frozen=True, kw_only=True)
class PatientParameters:
    """The patient whose balance is shown."""

    patient: str = parameter(
        "Patient", "The patient's id.", option="", metavar="PATIENT", required=True, size=20, is_search=True
    )
    company: str | None = company()


DAY_SHEET = Report(
    title="Payments of the day",
    columns=(
        Column("payment", "Payment", wraps=True),
        Column("patient", "Patient", wraps=True),
        Column("charge_type", "Charge type"),
        Column("method", "Method"),
        Column("reference", "Check number"),
        Column("amount", "Taken", ColumnKind.MONEY),
        Column("status", "Transmission"),
        Column("reason", "Reason"),
        Column("posted", "Posted"),
        Column("posted_amount", "In Billing", ColumnKind.MONEY),
        Column("clinic", "Clinic"),
        Column("company", "Company"),
        Column("patient_name", "Name"),
    ),
    table=("payment", "patient", "charge_type", "method", "reference", "amount", "status", "posted", "posted_amount"),
    noun="payment",
    empty="No payments on this day.",
    parameters=DaySheetParameters,
)


PATIENT = Report(
    title="Patient balance",
    columns=(
        Column("charge", "Charge", wraps=True),
        Column("clinic", "Clinic"),
        Column("date_of_service", "Date of service", ColumnKind.DATE),
        Column("owed", "Amount owed", ColumnKind.MONEY),
    ),
    table=("date_of_service", "charge", "clinic", "owed"),
    noun="charge",
    empty="No patient has this id.",
    parameters=PatientParameters,
)


def day_record(row: DayRow) -> Record:
    """Return a payment of the day as a record."""
    return {key: getattr(row, key) for key in DAY_SHEET.keys} | {"payment": row.payment or row.refused}
