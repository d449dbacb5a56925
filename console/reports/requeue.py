"""The expected result of requeueing all payments that match a filter."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.journeys.requeueing import ExpectedOutcome, RequeuePreview

REQUEUE_PREVIEW = Report(
    title="Expected result with the current settings",
    columns=(
        Column("result", "Result", wraps=True),
        Column("months", "Transaction months"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("total", "Amount", ColumnKind.MONEY),
    ),
    table=("result", "months", "count", "total"),
    noun="payment",
    empty="No matching payments. They may already have been requeued.",
    total_of="total",
    counted_by="count",
)


def preview_records(preview: RequeuePreview) -> list[Record]:
    """Return the expected results as records; dead letters have no amount."""
    records: list[Record] = [_record(each) for each in preview.lines]
    if preview.dead_letter_count:
        again = {
            "result": "Processed again: payments that could not be imported",
            "months": None,
            "count": preview.dead_letter_count,
            "total": None,
        }
        records.append(again)
    return records


def _record(expected: ExpectedOutcome) -> Record:
    months = sorted(map(str, expected.months))
    return {
        "result": _result(expected),
        "months": " to ".join(dict.fromkeys((months[0], months[-1]))) if months else None,
        "count": expected.count,
        "total": expected.total,
    }


def _result(expected: ExpectedOutcome) -> str:
    from payments import wording

    if expected.reason:
        return f"Still Not Sent. {wording.reason(expected.reason)}"
    if expected.is_closed:
        return "Exception. The month is closed; a biller decides."
    return "Imported or held until the EMR sends the patient."
