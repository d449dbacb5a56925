"""Requeue runs: the preview of a run, the list of runs, and the results of a run by reason."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.core.requeue_result import ResultCount
    from payments.journeys.requeue_runs import RequeueRun
    from payments.journeys.requeueing import FeedFilter, RequeuePreview

_CLINICS_NAMED = 3

REQUEUE_PREVIEW = Report(
    title="Expected result with the current settings",
    columns=(
        Column("result", "Result", wraps=True),
        Column("months", "Transaction months"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("total", "Amount", ColumnKind.MONEY),
        Column("code", "Result code"),
        Column("reason", "Reason"),
    ),
    table=("result", "months", "count", "total"),
    noun="payment",
    empty="No matching payments. They may already have been requeued.",
    total_of="total",
    counted_by="count",
)


REQUEUE_OUTCOME = Report(
    title="Result by reason",
    columns=(
        Column("result", "Result", wraps=True),
        Column("code", "Result code"),
        Column("reason", "Reason"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("total", "Amount", ColumnKind.MONEY),
    ),
    table=("result", "count", "total"),
    noun="payment",
    empty="No payments were requeued.",
    total_of="total",
    counted_by="count",
)

REQUEUE_RUNS = Report(
    title="Requeue runs",
    columns=(
        Column("run", "Run", ColumnKind.COUNT),
        Column("started_at", "Started", ColumnKind.MOMENT),
        Column("started_by", "User"),
        Column("state", "State"),
        Column("selected", "Selection", wraps=True),
        Column("total", "Payments", ColumnKind.COUNT),
        Column("done", "Requeued", ColumnKind.COUNT),
        Column("finished_at", "Finished", ColumnKind.MOMENT, from_width=140),
        Column("company", "Company", from_width=160),
    ),
    table=("run", "started_at", "started_by", "state", "selected", "total", "done", "finished_at", "company"),
    page=("run", "started_at", "started_by", "state", "selected", "total", "done", "finished_at"),
    noun="run",
    empty="No requeue runs yet.",
)


def preview_records(preview: RequeuePreview) -> list[Record]:
    """Return the expected results as records. Dead letters have no amount and no months."""
    from payments import operations_wording
    from payments.core.requeue_result import RequeueResult

    records: list[Record] = []
    for each in preview.results:
        months = sorted(map(str, each.months))
        records.append(
            {
                "result": operations_wording.requeue_result(each.result, each.reason),
                "months": " to ".join(dict.fromkeys((months[0], months[-1]))) if months else None,
                "count": each.count,
                "total": None if each.result is RequeueResult.PROCESSED_AGAIN else each.total,
                "code": each.result,
                "reason": each.reason,
            }
        )
    return records


def outcome_records(outcome: Sequence[ResultCount]) -> list[Record]:
    """Return the results of a run as records: the number of payments with each result."""
    from payments import operations_wording

    return [
        {
            "result": operations_wording.requeue_result(each.result, each.reason),
            "code": each.result,
            "reason": each.reason,
            "count": each.count,
            "total": each.total,
        }
        for each in outcome
    ]


def run_records(runs: Iterable[RequeueRun]) -> list[Record]:
    """Return runs as records."""
    return [
        {
            "run": run.id,
            "started_at": run.started_at,
            "started_by": run.started_by,
            "state": run.state,
            "selected": ", ".join(criteria(run.feed_filter)),
            "total": run.total,
            "done": run.done,
            "finished_at": run.finished_at,
            "company": run.company_id,
        }
        for run in runs
    ]


def criteria(feed_filter: FeedFilter) -> list[str]:
    """Return the criteria of a filter as texts, such as `clinic north`."""
    from payments import posted_wording, wording

    companies, clinics = (sorted(ids or ()) for ids in (feed_filter.scope.companies, feed_filter.scope.clinics))
    values = {
        "": feed_filter.status,
        "reason:": feed_filter.reason and wording.reason_term(feed_filter.reason),
        "posted:": feed_filter.posted and posted_wording.posted_term(feed_filter.posted),
        "saved from": feed_filter.since,
        "saved until": feed_filter.until,
        "company": ", ".join(companies),
        "clinic": ", ".join(clinics) if len(clinics) <= _CLINICS_NAMED else f"one of {len(clinics)}",
        "patient or payment": feed_filter.find,
        "patient": feed_filter.patient,
        "payment": feed_filter.payment,
        "amount": feed_filter.amount,
    }
    return [f"{name} {value}".strip() for name, value in values.items() if value not in (None, "")]
