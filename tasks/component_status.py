"""The status of a component of the installation, for `payments health`, the Health page and the API."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from tasks.replicas import SILENT_AFTER, Replica


class ComponentStatus(NamedTuple):
    """Whether a component of the installation works, with a sentence for the operator (`detail`).

    `needs_attention` marks a component that works although something is wrong. `next_step` tells how to repair a fault;
    it is empty if there is none. `replicas` are the processes of a service; None if the component is no service.
    """

    name: str
    is_up: bool
    detail: str
    next_step: str = ""
    needs_attention: bool = False
    replicas: Sequence[Replica] | None = None

    @property
    def state(self) -> str:
        """`up`, `down`, or `check` if something needs attention."""
        if not self.is_up:
            return "down"
        return "check" if self.needs_attention or self.has_silent_replicas else "up"

    @property
    def has_silent_replicas(self) -> bool:
        """Whether some replicas of the service are silent while others work."""
        silent = {each.is_silent for each in self.replicas or ()}
        return silent == {True, False}

    @property
    def last_seen_age(self) -> timedelta | None:
        """The time since the last sign of life of any replica, or None without replicas."""
        return min((each.age for each in self.replicas or ()), default=None)


NEXT_STEPS = {
    "PostgreSQL": "Start PostgreSQL, or point DATABASE_URL to the primary. The import resumes without help.",
    "Redis": "Start Redis, or free memory. Events wait at their publishers meanwhile.",
    "broker": "Start the broker's Redis. Payments are imported without it; retries and nightly jobs wait.",
    "intake": "Start the intake (workers.intake), and read its log.",
    "import": "Remove the cause that is named here. The import resumes without help.",
    "feed": "Check that the intake and an importer run; then read their logs.",
    "importer": "Start an importer (workers.importer), and read its log.",
    "retrier": "Start the retrier (workers.retrier), and read its log.",
    "backoffice": "Start the back office (workers.backoffice), and read its log.",
    "scheduler": "Start the scheduler (workers.scheduler), and read its log.",
    "Flower": "Start Flower (workers.flower). Without it the tasks are not visible; nothing else depends on it.",
    "console": "Start the console (console.web.serve), and read its log.",
    "failed tasks": "Open a failed task in Flower, and search the log of its worker for the id of the task.",
}
"""By component name: what the operator should do if the component is down."""


def down_status(name: str, detail: str, next_step: str = "") -> ComponentStatus:
    """Return the status of a component that does not work.

    Without `next_step`, use the component's entry in NEXT_STEPS.
    """
    return ComponentStatus(name, is_up=False, detail=detail, next_step=next_step or NEXT_STEPS[name])


def up_status(name: str, detail: str) -> ComponentStatus:
    """Return the status of a component that works."""
    return ComponentStatus(name, is_up=True, detail=detail)


def attention_status(name: str, detail: str, next_step: str = "") -> ComponentStatus:
    """Return the status of a component that works, but needs attention."""
    return ComponentStatus(name, True, detail, next_step or NEXT_STEPS[name], needs_attention=True)  # noqa: FBT003


def status_of_replicas(name: str, detail: str, replicas: Sequence[Replica]) -> ComponentStatus:
    """Return the status of a service from its replicas. It is down if there are none or all are silent.

    If it is up, `detail` describes it.
    """
    is_silent = all(each.is_silent for each in replicas)
    status = (
        down_status(name, f"no sign of life for {SILENT_AFTER.seconds} s") if is_silent else up_status(name, detail)
    )
    return status._replace(replicas=replicas)
