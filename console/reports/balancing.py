"""Payment Balancing: the sums, and the lines whose amounts differ between the EMR and Billing."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record, Value
from console.reports.parameters import as_of, clinic, company, first_day_field, last_day_field
from payments.core.scope import Scope

if TYPE_CHECKING:
    from datetime import date, datetime

    from payments.journeys.balancing import Balance, BalancedLine, BalanceFilter

ITEM_HEADINGS = {
    "internal": "Internal Payments",
    "not_sent": "Not Sent",
    "pending": "Pending",
    "invalid": "Validation Failed",
    "zero_due": "Amount Due is 0.00",
    "closed_month": "Closed month",
    "prior_period": "Adjustments",
    "manual": "Posted by hand",
    "date_differences": "Date differences",
}
ITEMS = tuple(ITEM_HEADINGS)
"""The reconciling items, in the order in which the report subtracts them from the EMR total."""
_LATER_ITEM = "manual"
_ITEM_COLUMNS = tuple(
    Column(key, heading, ColumnKind.MONEY) for key, heading in ITEM_HEADINGS.items() if key != _LATER_ITEM
)
# Programs read the columns by position, so an item that was added later is at the end.
_LATER_ITEM_COLUMN = Column(_LATER_ITEM, ITEM_HEADINGS[_LATER_ITEM], ColumnKind.MONEY)

EMR_LOG_HEADINGS = {
    "clinic_id": "Clinic",
    "payment_id": "Payment",
    "line_id": "Line",
    "transaction_date": "Transaction date",
    "amount_paid": "Amount paid",
    "charge_type": "Charge type",
    "internal_payment": "Internal Payment",
    "paid": "Paid",
    "version": "Version",
}
"""The labels of the columns of the EMR's Payment Log."""


@dataclass(frozen=True, kw_only=True)
class BalancingParameters:
    """The period and clinic to balance. Days are transaction dates of the EMR and deposit dates of Billing."""

    since: date | None = first_day_field(day="transaction date (EMR) and deposit date (Billing)")
    until: date | None = last_day_field("transaction date (EMR) and deposit date (Billing)")
    clinic: str | None = clinic()
    company: str | None = company()
    as_of: datetime | None = as_of()

    def to_filter(self, scope: Scope) -> BalanceFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`."""
        from payments.journeys.balancing import BalanceFilter

        return BalanceFilter(
            since=self.since, until=self.until, scope=scope.narrowed_to_company(self.company), as_of=self.as_of
        )


def _explanation_text(record: Record) -> Value:
    items = [f"{ITEM_HEADINGS[key]} {record[key]:,.2f}" for key in ITEMS if record[key]]
    return "; ".join(filter(None, [*items, str(record["note"] or "")]))


BALANCING = Report(
    title="Payment Balancing",
    columns=(
        Column("emr_total", "EMR", ColumnKind.MONEY),
        Column("billing_total", "Billing", ColumnKind.MONEY),
        *_ITEM_COLUMNS,
        Column("unexplained", "Unexplained", ColumnKind.MONEY),
        Column("since", "From", ColumnKind.DATE),
        Column("until", "To", ColumnKind.DATE),
        Column("clinic", "Clinic"),
        Column("equal_lines", "Equal payments", ColumnKind.COUNT),
        Column("differing_lines", "Differing payments", ColumnKind.COUNT),
        Column("unexplained_lines", "Unexplained payments", ColumnKind.COUNT),
        Column("company", "Company"),
        _LATER_ITEM_COLUMN,
        Column("manual_entries", "All manual entries", ColumnKind.MONEY),
    ),
    table=("emr_total", "billing_total", *ITEMS, "unexplained"),
    noun="balance",
    empty="",
    parameters=BalancingParameters,
)
DIFFERENCES = Report(
    title="Differences between the EMR and Billing",
    columns=(
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("emr", "EMR", ColumnKind.MONEY),
        Column("billing", "Billing", ColumnKind.MONEY),
        *_ITEM_COLUMNS,
        Column("unexplained", "Unexplained", ColumnKind.MONEY),
        Column("note", "Explanation", wraps=True, text=_explanation_text, css_class="why"),
        Column("transaction_date", "Transaction date", ColumnKind.DATE),
        Column("charge_type", "Charge type"),
        Column("company", "Company"),
        Column("patient", "Patient", css_class="whose"),
        Column("patient_name", "Name", from_width=150),
        _LATER_ITEM_COLUMN,
    ),
    table=("payment", "patient_name", "emr", "billing", "note", "unexplained"),
    page=("payment", "patient", "transaction_date", "charge_type", "emr", "billing", "note", "unexplained"),
    noun="payment",
    empty="",
    total_of="unexplained",
)


def balance_record(balance: Balance, balance_filter: BalanceFilter) -> Record:
    """Return a balance as a record. It has the totals, the reconciling items, the filter, and counts of payments.

    Unexplained amounts of opposite sign can add up to 0.00, so the record also counts the unexplained payments.
    """
    record = {
        "emr_total": balance.emr_total,
        "billing_total": balance.billing_total,
        **{item.value: amount for item, amount in balance.items.items()},
        "unexplained": balance.unexplained,
        "since": balance_filter.since,
        "until": balance_filter.until,
        "clinic": balance_filter.scope.only_clinic,
        "equal_lines": balance.equal,
        "differing_lines": balance.different,
        "unexplained_lines": balance.unexplained_count,
        "company": balance_filter.scope.only_company,
        "manual_entries": balance.manual_entries,
    }
    return {key: record[key] for key in BALANCING.keys}


def difference_record(line: BalancedLine) -> Record:
    """Return a line as a record, with a column for each reconciling item. An item that does not apply is 0.00."""
    from payments import balancing_wording
    from payments.contract.money import ZERO

    return {
        "payment": line.payment,
        "emr": line.emr,
        "billing": line.billing,
        **dict.fromkeys(ITEMS, ZERO),
        **{item.value: amount for item, amount in line.items.items()},
        "unexplained": line.unexplained,
        "note": balancing_wording.balancing_notes(line.notes) or None,
        "transaction_date": line.day,
        "charge_type": line.charge_type,
        "company": line.company,
        "patient": line.patient.id,
        "patient_name": line.patient.name,
    }
