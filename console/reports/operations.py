"""Last night's jobs, postponed work, failed tasks, dead letters and the payments of a task, for operators."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.journeys.operations import DeadLetterCount, NightlyRow, PostponedRow, TaskEvent
    from tasks.failed_tasks import FailedTask

NIGHTLY_JOBS = Report(
    title="Last night's jobs",
    columns=(
        Column("job", "Job"),
        Column("company", "Company"),
        Column("night", "Night", ColumnKind.DATE),
        Column("state", "State"),
        Column("finished_at", "Finished", ColumnKind.MOMENT),
        Column("result", "Result", wraps=True),
        Column("error", "Error", wraps=True),
        Column("next_try_at", "Next attempt", ColumnKind.MOMENT),
        Column("next_step", "Next step", wraps=True),
        Column("has_problem", "Problem"),
    ),
    table=("job", "company", "night", "state", "finished_at", "result", "error", "next_step"),
    noun="job",
    empty="No nightly job has run yet.",
)
POSTPONED_WORK = Report(
    title="Postponed work",
    columns=(
        Column("work", "Work", wraps=True),
        Column("company", "Company"),
        Column("item", "Item"),
        Column("failed_attempts", "Failed attempts", ColumnKind.COUNT),
        Column("error", "Error", wraps=True),
        Column("failed_at", "Failed", ColumnKind.MOMENT),
        Column("next_try_at", "Next attempt", ColumnKind.MOMENT),
    ),
    table=("work", "company", "item", "failed_attempts", "error", "failed_at", "next_try_at"),
    noun="item",
    empty="Nothing is postponed.",
)
FAILED_TASKS = Report(
    title="Failed tasks of the last 24 hours",
    columns=(
        Column("at", "Time", ColumnKind.MOMENT),
        Column("task", "Task"),
        Column("error", "Error", wraps=True),
        Column("worker", "Worker"),
        Column("task_id", "Task id"),
    ),
    table=("at", "task", "error", "worker", "task_id"),
    noun="task",
    empty="No task failed.",
)
DEAD_LETTERS = Report(
    title="Refused events",
    columns=(
        Column("reason", "Reason"),
        Column("count", "Events", ColumnKind.COUNT),
        Column("oldest_at", "Oldest", ColumnKind.MOMENT),
    ),
    table=("reason", "count", "oldest_at"),
    noun="event",
    empty="No refused events.",
)
TASK_EVENTS = Report(
    title="Payments of a task",
    columns=(
        Column("payment", "Payment", wraps=True),
        Column("what", "Event"),
        Column("at", "Time", ColumnKind.MOMENT),
        Column("company", "Company"),
    ),
    table=("payment", "what", "at", "company"),
    noun="event",
    empty="No payments. The task changed none that you may see, or its record is older than seven days.",
)


def nightly_records(rows: Iterable[NightlyRow]) -> list[Record]:
    """Return nightly jobs as records."""
    from payments import operations_wording as words

    return [
        {
            "job": words.job_name(row.job, row.month),
            "company": row.company,
            "night": row.day,
            "state": row.state,
            "finished_at": row.finished_at,
            "result": words.nightly_result(row.job, row.progress, row.failed_items) or None,
            "error": row.error or None,
            "next_try_at": row.next_try_at,
            "next_step": words.nightly_next_step(row.job, row.state, row.progress, row.failed_items) or None,
            "has_problem": row.has_problem,
        }
        for row in rows
    ]


def postponed_records(rows: Sequence[PostponedRow]) -> list[Record]:
    """Return postponed work as records."""
    from payments import operations_wording as words

    return [
        {
            "work": words.work_kind_name(row.kind),
            "company": row.company or None,
            "item": row.item or None,
            "failed_attempts": row.failed_attempts,
            "error": row.error,
            "failed_at": row.failed_at,
            "next_try_at": row.next_try_at,
        }
        for row in rows
    ]


def failed_task_records(tasks: Iterable[FailedTask]) -> list[Record]:
    """Return failed tasks as records."""
    return [each._asdict() for each in tasks]


def dead_letter_records(counts: Iterable[DeadLetterCount]) -> list[Record]:
    """Return the numbers of dead letters as records."""
    return [{"reason": each.reason, "count": each.count, "oldest_at": each.oldest_at} for each in counts]


def task_event_records(events: Iterable[TaskEvent]) -> list[Record]:
    """Return the events of a task as records."""
    from payments import wording

    return [
        {"payment": each.payment, "what": wording.history(each.code), "at": each.at, "company": each.company}
        for each in events
    ]
