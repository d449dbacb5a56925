"""The Celery application, and the base class of every task. Importing it configures nothing."""

from collections.abc import Mapping
from typing import Any

import structlog
from celery import Celery, Task
from kombu import pools

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


class TaskFailedError(Exception):
    """What Celery and Flower learn of a failed task: the class of the error, because its message may quote values."""


class GuardedTask(Task):
    """A task that fails with nothing but TaskFailedError.

    Any error in the body is logged and becomes a TaskFailedError, so the task is a FAILURE in Celery's events and in
    Flower, and its message is acknowledged. Celery would lose some errors, retry others without end, and let a
    MemoryError end the whole worker. The work itself is safe: it is in the stream and in PostgreSQL, where periodic
    sweeps find it again.
    """

    # Celery logs these in one line, because the traceback is in the log already.
    throws = (TaskFailedError,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body, and log its result or its error. Raises TaskFailedError."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task=self.name, task_id=self.request.id)
        try:
            result = super().__call__(*args, **kwargs)
        except (Exception, SystemExit, MemoryError) as error:
            log.exception("task_failed", error_class=type(error).__name__)
            raise TaskFailedError(type(error).__name__) from None
        else:
            # Beat sends tasks every few seconds. At info they would hide those that an EMR or a user caused.
            log_result = log.debug if self.request.get("celery_beat_task") else log.info
            log_result("task_succeeded", result=result)
            return result
        finally:
            structlog.contextvars.clear_contextvars()


app = Celery("payments", task_cls=GuardedTask, set_as_current=False, include=TASK_MODULES)


def make_app(celery_settings: Mapping[str, object]) -> Celery:
    """Configure the application for this process, import every task module and return the application.

    A process that sends messages with it calls `close_app` at the end.
    """
    # Connections that an earlier configuration opened would keep using that configuration's broker.
    close_app()
    app.conf.update(celery_settings)
    app.loader.import_default_modules()
    return app


def close_app() -> None:
    """Close this process's connections to the broker. The next message opens new ones."""
    # `Celery.close` forgets the pool of its connections, which stay open in kombu's pools.
    pools.reset()  # type: ignore[no-untyped-call]  # kombu has no type annotations
    app.close()
    vars(app).pop("amqp", None)
