"""The Celery application, and the base class of every task. Importing it configures nothing."""

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
    """A task that always succeeds from Celery's point of view.

    An error in the body is logged and becomes the task's result. Celery would lose some errors, retry others without
    end, and let a MemoryError end the whole worker. The work itself is safe: it is in the stream and in PostgreSQL,
    where periodic sweeps find it again.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body, log its result or its error, and clear the log context."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task=self.name, task_id=self.request.id)
        try:
            result = super().__call__(*args, **kwargs)
        except (Exception, SystemExit, MemoryError) as error:
            log.exception("task_failed", error_class=type(error).__name__)
            return f"failed: {type(error).__name__}"
        else:
            # Beat sends tasks every few seconds. At info they would hide those that an EMR or a user caused.
            log_result = log.debug if self.request.get("celery_beat_task") else log.info
            log_result("task_succeeded", result=result)
            return result
        finally:
            structlog.contextvars.clear_contextvars()


app = Celery("payments", task_cls=GuardedTask, set_as_current=False, include=TASK_MODULES)


def make_app(celery_settings: Mapping[str, object]) -> Celery:
    """Configure the application for this process, import every task module and return the application."""
    # Connections that an earlier configuration opened would keep using that configuration's broker.
    app.close()
    vars(app).pop("amqp", None)
    app.conf.update(celery_settings)
    app.loader.import_default_modules()
    return app
