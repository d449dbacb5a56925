"""The Claims Feed, and its sums by status and reason."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import Record, Value
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
    from datetime import date, datetime
    from enum import StrEnum

    from payments.core.outcome import Reason, Status
    from payments.core.period import Period
    from payments.core.posted import PostedFilter
    from payments.journeys.reporting import FeedFilter, FeedRow, FeedSum


def _status_choices() -> type[Status]:
    from payments.core.outcome import Status

    return Status


def _reason_choices() -> type[Reason]:
    from payments.core.outcome import Reason

    return Reason


def _posted_choices() -> type[PostedFilter]:
    from payments.core.posted import PostedFilter

    return PostedFilter


def _reason_term(code: str) -> str:
    from payments import wording

    return wording.reason_term(code)


def _posted_term(code: str) -> str:
    from payments import posted_wording

    return posted_wording.posted_term(code)


def _sort_choices() -> list[Sort]:
    return CLAIMS_FEED.sorts


@dataclass(frozen=True, kw_only=True)
class ClaimsFeedParameters:
    """Filters of the Claims Feed. Days are save dates in the clinics' time zones. `amount` is in dollars."""

    since: date | None = first_day_field("Saved from")
    until: date | None = last_day_field()
    period: Period | None = period()
    status: Status | None = parameter(
        "Transmission",
        "This Transmission status only.",
        ParameterKind.CHOICE,
        choices=_status_choices,
    )
    reason: Reason | None = parameter(
        "Reason", "This reason only.", ParameterKind.CHOICE, choices=_reason_choices, choice_text=_reason_term
    )
    posted: PostedFilter | None = parameter(
        "Posted",
        "Whether the payment is posted and, if not, why. `not_in_billing` selects all payments that should be in "
        "Billing and are not.",
        ParameterKind.CHOICE,
        choices=_posted_choices,
        choice_text=_posted_term,
    )
    clinic: str | None = clinic()
    company: str | None = company()
    find: str | None = parameter(
        "Patient or payment", "A patient's id, or the key of a payment.", size=15, is_search=True
    )
    amount: Decimal | None = parameter(
        "Amount", "This amount in dollars only.", ParameterKind.AMOUNT, size=6, is_advanced=True
    )
    as_of: datetime | None = as_of()
    sort: StrEnum | None = sort_by(_sort_choices)

    def to_filter(self, scope: Scope) -> FeedFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`."""
        from payments.journeys.reporting import FeedFilter

        return FeedFilter(
            since=self.since,
            until=self.until,
            status=self.status,
            reason=self.reason,
            posted=self.posted,
            scope=scope.narrowed_to_company(self.company),
            find=self.find,
            amount=self.amount,
            as_of=self.as_of,
        )


def _key_text(record: Record) -> Value:
    """Return the key with which a user requeues a payment. For an unreadable event, it is `refused:ID`."""
    return record["payment"] or record["refused"]


def _posted_text(record: Record) -> Value:
    from payments import posted_wording

    posted = record["posted"]
    return posted_wording.posted_label(str(posted), Decimal(str(record["posted_amount"]))) if posted else None


CLAIMS_FEED = Report(
    title="Claims Feed",
    columns=(
        Column("payment", "Payment", wraps=True, text=_key_text, css_class="pay", sort=SortCost.ROWS),
        Column("version", "Version", ColumnKind.COUNT, from_width=170),
        Column("clinic", "Clinic", sort=SortCost.ROWS),
        Column("patient", "Patient", from_width=160, css_class="whose", sort=SortCost.ROWS),
        Column("charge_type", "Charge type", from_width=100, sort=SortCost.ROWS),
        Column("amount", "Amount", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("saved_at", "Saved", ColumnKind.MOMENT, from_width=120, sort=SortCost.INDEX),
        Column("status", "Transmission", sort=SortCost.ROWS),
        Column("reason", "Reason", css_class="why", sort=SortCost.ROWS),
        Column("attempts", "Attempts", ColumnKind.COUNT, from_width=170, css_class="wide", sort=SortCost.ROWS),
        Column("application", "Result in Billing"),
        Column("detail", "Detail"),
        Column("next_try_at", "Next attempt", ColumnKind.MOMENT),
        Column("refused", "Refused event"),
        Column("company", "Company", sort=SortCost.ROWS),
        Column("posted", "Posted", wraps=True, text=_posted_text, sort=SortCost.ROWS),
        Column("posted_amount", "Amount in Billing", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("difference", "Difference", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("patient_name", "Name", from_width=210),
    ),
    table=(
        *("payment", "charge_type", "patient", "patient_name", "amount", "saved_at", "status", "posted", "reason"),
        *("version", "attempts"),
    ),
    page=("payment", "patient", "charge_type", "amount", "saved_at", "status", "posted", "reason", "attempts"),
    noun="payment",
    empty="No matching payments.",
    total_of="amount",
    parameters=ClaimsFeedParameters,
    order=Sort("saved_at", is_descending=True),
)

CLAIMS_FEED_SUMS = Report(
    title="Claims Feed by status and reason",
    columns=(
        Column("status", "Transmission"),
        Column("reason", "Reason"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("total", "Amount", ColumnKind.MONEY),
    ),
    table=("status", "reason", "count", "total"),
    noun="payment",
    empty=CLAIMS_FEED.empty,
    total_of="total",
    counted_by="count",
    parameters=ClaimsFeedParameters,
)


def feed_records(rows: Iterable[FeedRow]) -> Iterator[Record]:
    """Yield the rows of the Claims Feed as records."""
    from payments import wording

    return (row._asdict() | {"detail": wording.detail(row.detail)} for row in rows)


def feed_sum_records(sums: Iterable[FeedSum]) -> list[Record]:
    """Return the sums of the Claims Feed as records."""
    return [{"status": each.status, "reason": each.reason, "count": each.count, "total": each.total} for each in sums]
