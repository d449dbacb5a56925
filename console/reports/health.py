"""The state of an installation: its components, its queues and the feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record, Value

if TYPE_CHECKING:
    from datetime import timedelta

    from config.schedule import RecurringTask
    from tasks.component_status import ComponentStatus
    from tasks.feed.oldest_events import WaitingEvents
    from tasks.feed.streams import FeedStats


def format_seconds(seconds: int | None) -> str:
    """Return a duration in its largest whole unit, such as `3 h`. For None, return an empty text."""
    if seconds is None:
        return ""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:,} {name}"
    return f"{seconds} s"


def _seen_text(record: Record) -> Value:
    seconds = record["seen_seconds"]
    return f"{format_seconds(seconds)} ago" if isinstance(seconds, int) else None


def _success_text(record: Record) -> Value:
    seconds = record["success_seconds"]
    late = " (late)" if record["is_late"] else ""
    return f"{format_seconds(seconds)} ago{late}" if isinstance(seconds, int) else None


def _age_text(record: Record) -> Value:
    seconds = record["oldest_seconds"]
    return format_seconds(seconds) if isinstance(seconds, int) else None


HEALTH = Report(
    title="Health",
    columns=(
        Column("name", "Component", css_class="sentence"),
        Column("is_up", "Up"),
        Column("detail", "Detail", wraps=True, css_class="sentence"),
        Column("state", "State"),
        Column("next_step", "Next step", wraps=True, from_width=100),
        Column("replicas", "Replicas", ColumnKind.COUNT, from_width=120),
        Column("silent", "Not responding", ColumnKind.COUNT, from_width=160),
        Column("seen_seconds", "Last seen", from_width=120, text=_seen_text),
    ),
    table=("name", "state", "detail", "replicas", "silent", "seen_seconds", "next_step"),
    page=("name", "state", "replicas", "seen_seconds", "detail", "next_step"),
    noun="component",
    empty="No components found.",
)
RECURRING_TASKS = Report(
    title="Recurring tasks",
    columns=(
        Column("task", "Task"),
        Column("every_seconds", "Interval", text=lambda record: format_seconds(int(str(record["every_seconds"])))),
        Column("success_seconds", "Last success", text=_success_text),
        Column("is_late", "Late"),
    ),
    table=("task", "every_seconds", "success_seconds"),
    noun="task",
    empty="No recurring task was sent yet.",
)
QUEUES = Report(
    title="Queues",
    columns=(Column("queue", "Queue"), Column("waiting", "Messages", ColumnKind.COUNT)),
    table=("queue", "waiting"),
    noun="queue",
    empty="The broker does not answer.",
)
WAITING_EVENTS = Report(
    title="Events on the feed, by company",
    columns=(
        Column("company", "Company"),
        Column("count", "Waiting", ColumnKind.COUNT),
        Column("oldest_seconds", "Oldest", text=_age_text),
    ),
    table=("company", "count", "oldest_seconds"),
    noun="company",
    empty="No waiting events.",
)

FEED = Report(
    title="Event feed",
    columns=(Column("figure", "Figure"), Column("count", "Entries", ColumnKind.COUNT)),
    table=("figure", "count"),
    noun="figure",
    empty="Visible only to users with access to all companies.",
)


def component_records(components: Iterable[ComponentStatus]) -> list[Record]:
    """Return the components as records."""
    return [
        {
            "name": each.name,
            "is_up": each.is_up,
            "detail": each.detail,
            "state": each.state,
            "next_step": each.next_step or None,
            "replicas": None if each.replicas is None else sum(not one.is_silent for one in each.replicas),
            "silent": None if each.replicas is None else sum(one.is_silent for one in each.replicas),
            "seen_seconds": _seconds(each.last_seen_age),
        }
        for each in components
    ]


def waiting_records(waiting: Iterable[WaitingEvents]) -> list[Record]:
    """Return the number of unprocessed events of each company as records."""
    return [{"company": each.company, "count": each.count, "oldest_seconds": _seconds(each.age)} for each in waiting]


def recurring_records(ages: Mapping[RecurringTask, timedelta]) -> list[Record]:
    """Return recurring tasks as records. `ages` maps each task to the time since its last success."""
    return [
        {
            "task": each.task,
            "every_seconds": _seconds(each.every),
            "success_seconds": _seconds(age),
            "is_late": age > each.late_after,
        }
        for each, age in ages.items()
    ]


def feed_records(stats: FeedStats) -> list[Record]:
    """Return the statistics of the feed as records."""
    figures = {
        "not yet read": stats.undelivered,
        "being imported, or waiting for a retry": stats.pending,
        "kept after their import": stats.kept,
        "deleted early, because Redis memory was short": stats.trimmed_early,
        "deleted before their import; they may be lost": stats.deleted,
    }
    return [{"figure": figure, "count": count} for figure, count in figures.items()]


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else max(0, int(span.total_seconds()))
