"""The health of an installation, for `payments health`, the Health page and the API."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.plurals import plural
from console.reports import health as reports
from console.reports import operations as details
from console.reports.definition import Report
from console.reports.output import Record

if TYPE_CHECKING:
    from config.engines import Engines
    from config.settings import Settings
    from payments.core.scope import Scope
    from payments.journeys.operations import Operations
    from tasks.component_status import ComponentStatus
    from tasks.health_check import Health

SECTIONS: dict[str, Report] = {
    "components": reports.HEALTH,
    "nightly_jobs": details.NIGHTLY_JOBS,
    "failed_tasks": details.FAILED_TASKS,
    "postponed_work": details.POSTPONED_WORK,
    "waiting_events": reports.WAITING_EVENTS,
    "queues": reports.QUEUES,
    "recurring_tasks": reports.RECURRING_TASKS,
    "dead_letters": details.DEAD_LETTERS,
    "feed": reports.FEED,
}
"""The lists that the Health page and the API show, by key."""
_COMPANIES_NAMED_MAX = 5


@dataclass(frozen=True)
class Installation:
    """The state of an installation, limited to a scope.

    `sections` holds the records of each list in SECTIONS, by its key.
    """

    sections: dict[str, list[Record]] = field(default_factory=dict)

    @property
    def is_healthy(self) -> bool:
        """Whether every component works."""
        return all(each["is_up"] for each in self.sections["components"])

    @property
    def faults(self) -> list[Record]:
        """The components that are down, then those that need attention."""
        found = [each for each in self.sections["components"] if each["state"] != "up"]
        return sorted(found, key=lambda each: bool(each["is_up"]))


@dataclass(frozen=True)
class HealthRequest:
    """The servers and settings to check, and the scope that limits the result.

    The workers must answer a ping within `ping_seconds`. If it is 0, no ping is sent, as for a page that refreshes.
    """

    engines: Engines
    settings: Settings
    scope: Scope
    ping_seconds: int = 0


def read_installation(request: HealthRequest, read_operations: Callable[[], Operations]) -> Installation:
    """Check an installation and return its state.

    `read_operations` reads the state of jobs and work from the ledger. It is called only if PostgreSQL can be used.
    """
    from tasks.health_check import check_health

    health = check_health(request.engines, request.settings, request.ping_seconds, request.scope)
    components = health.components
    sections: dict[str, list[Record]] = {name: [] for name in SECTIONS}
    if all(each.is_up for each in components if each.name == "PostgreSQL"):
        operations = read_operations()
        components += ledger_components(operations)
        sections["nightly_jobs"] = details.nightly_records(operations.nightly)
        sections["postponed_work"] = details.postponed_records(operations.postponed)
        sections["dead_letters"] = details.dead_letter_records(operations.dead_letters)
    sections["components"] = reports.component_records(components)
    return Installation(sections | _redis_sections(health))


def ledger_components(operations: Operations) -> list[ComponentStatus]:
    """Return the components whose state is in the ledger: nightly jobs, postponed work and refused events."""
    from tasks.component_status import attention_status, up_status

    return [
        _nightly_component(operations),
        attention_status(
            "postponed work",
            f"{plural(len(operations.postponed), 'failed item')} to be tried again",
            "See Postponed work for the errors. If they stay, search the log for work_postponed.",
        )
        if operations.postponed
        else up_status("postponed work", "nothing failed"),
        attention_status(
            "refused events",
            f"{plural(sum(each.count for each in operations.dead_letters), 'event')} could not be processed",
            "Open the Claims Feed with the status Validation Failed, and requeue what was corrected.",
        )
        if operations.dead_letters
        else up_status("refused events", "none"),
    ]


def _nightly_component(operations: Operations) -> ComponentStatus:
    from payments import operations_wording as words
    from payments.core.nightly_job import NightlyState
    from tasks.component_status import attention_status, down_status, up_status

    problems = [row for row in operations.nightly if row.has_problem]
    if not problems:
        return up_status(
            "nightly jobs", "all have finished, or are not due" if operations.nightly else "none has run yet"
        )
    named = [f"{words.job_name(row.job, row.month)} of {row.company}: {row.state}" for row in problems]
    detail = ", ".join(named[:_COMPANIES_NAMED_MAX]) + (
        f" and {len(named) - _COMPANIES_NAMED_MAX:,} more" if named[_COMPANIES_NAMED_MAX:] else ""
    )
    next_step = "See Last night's jobs for the errors."
    is_down = any(row.state in {NightlyState.FAILED, NightlyState.OVERDUE} for row in problems)
    return (
        down_status("nightly jobs", detail, next_step)
        if is_down
        else attention_status("nightly jobs", detail, next_step)
    )


def _redis_sections(health: Health) -> dict[str, list[Record]]:
    """Return the lists whose data was read from Redis, by key."""
    return {
        "failed_tasks": details.failed_task_records(health.failed_tasks),
        "waiting_events": reports.waiting_records(health.waiting),
        "queues": [{"queue": queue, "waiting": length} for queue, length in health.queue_lengths.items()],
        "recurring_tasks": reports.recurring_records(health.success_ages),
        "feed": reports.feed_records(health.feed) if health.feed else [],
    }
