"""The Celery application and what every task of ours has in common. Nothing is configured before a process asks."""

from collections.abc import Mapping
from typing import Any

import structlog
from celery import Celery, Task

log = structlog.get_logger()

TASK_MODULES = (
    "tasks.importing",
    "tasks.detecting",
    "tasks.distributing",
    "tasks.balancing",
    "tasks.adjusting",
    "tasks.closing",
    "tasks.retention",
    "tasks.health",
)


class GuardedTask(Task):
    """A task that always ends normally.

    Whatever its body raises is logged and becomes its result. Celery would lose some of it, loop over some of it, and
    let a MemoryError end the whole worker; our work is safe without its help, for it lies in the stream and in
    PostgreSQL, where the sweeps find it again.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body inside the guard."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task=self.name, task_id=self.request.id)
        try:
            result = super().__call__(*args, **kwargs)
        except (Exception, SystemExit, MemoryError) as error:
            log.exception("task failed", error_class=type(error).__name__)
            return f"failed: {type(error).__name__}"
        else:
            # What beat sends every few seconds would drown what an EMR or a person has set off.
            tell = log.debug if self.request.get("celery_beat_task") else log.info
            tell("task done", result=result)
            return result
        finally:
            structlog.contextvars.clear_contextvars()


app = Celery("payments", task_cls=GuardedTask, set_as_current=False, include=TASK_MODULES)


def make_app(celery_settings: Mapping[str, object]) -> Celery:
    """Configure the application for this process and load every task."""
    # What was opened under an earlier configuration would go on talking to that one's broker.
    app.close()
    vars(app).pop("amqp", None)
    app.conf.update(celery_settings)
    app.loader.import_default_modules()
    return app
