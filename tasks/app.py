"""The Celery application, and the base class of every task. Importing this module configures nothing."""

import os
from collections.abc import Mapping
from typing import Any

import structlog
from celery import Celery, Task
from kombu import pools

from tasks.broker_failover import reconnect_after_failover

log = structlog.get_logger()

TASK_MODULES = (
    "tasks.importing",
    "tasks.detecting",
    "tasks.distributing",
    "tasks.balancing",
    "tasks.snapshotting",
    "tasks.adjusting",
    "tasks.closing",
    "tasks.requeueing",
    "tasks.retention",
    "tasks.analyzing",
    "tasks.health",
)

_VARIABLE_PREFIX = "CELERY_"
# Celery's command line reads these without its prefix, and other programs use some of the names.
_UNPREFIXED_VARIABLES = ("APP", "BROKER_URL", "CONFIG_MODULE", "LOADER", "RESULT_BACKEND", "SKIP_CHECKS")
_BROKER_VARIABLE = "CELERY_BROKER_URL"


class TaskFailedError(Exception):
    """The error that Celery and Flower show for a failed task. Its message is the class name of the original error.

    The original message is left out, because it may contain data of payments.
    """


class GuardedTask(Task):
    """Base class of every task. The only error that a task raises is TaskFailedError.

    Any error in the task's body is logged and converted to a TaskFailedError. The task then has the state FAILURE in
    Celery's events and in Flower, and its message is acknowledged. Without this class, Celery would lose some errors,
    retry others endlessly, and end the whole worker after a MemoryError. No work is lost: the payments are in the
    stream or in PostgreSQL, where periodic sweeps find them again.
    """

    # Celery logs these in one line, because the traceback is in the log already.
    throws = (TaskFailedError,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body, and log its result or its error. Raises TaskFailedError if the body raises an error."""
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


class ConfiguredCelery(Celery):
    """A Celery application that connects only to the configured broker.

    Celery's own class prefers the value of the variable CELERY_BROKER_URL, which is not normalized.
    """

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to the configured broker for a consumer."""
        return super().connection_for_read(url or self.conf["broker_url"], **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to the configured broker for a producer."""
        return super().connection_for_write(url or self.conf["broker_url"], **options)

    def connection(self, hostname: str | None = None, *arguments: Any, **options: Any) -> Any:
        """Return a connection to the configured broker. Flower uses this method."""
        return super().connection(hostname or self.conf["broker_url"], *arguments, **options)


app = ConfiguredCelery(
    "payments", loader="celery.loaders.app:AppLoader", task_cls=GuardedTask, set_as_current=False, include=TASK_MODULES
)


def make_app(celery_settings: Mapping[str, object]) -> Celery:
    """Configure the application for this process, import every task module and return the application.

    Celery's own variables are removed from the environment, because they would change the configuration. A process that
    sends messages with the application must call `close_app` before it ends.
    """
    _remove_celery_variables()
    reconnect_after_failover()
    # Connections that an earlier configuration opened would keep using that configuration's broker.
    close_app()
    app.conf.update(celery_settings)
    app.loader.import_default_modules()
    return app


def close_app() -> None:
    """Close this process's connections to the broker. Sending the next message opens new ones."""
    # `Celery.close` forgets the pool of its connections, which stay open in kombu's pools.
    pools.reset()  # type: ignore[no-untyped-call]  # kombu has no type annotations
    app.close()
    app.__dict__.pop("amqp", None)


def _remove_celery_variables() -> None:
    # The setting stays, because a process may read its settings again.
    found = [
        name
        for name in os.environ
        if name in _UNPREFIXED_VARIABLES or (name.startswith(_VARIABLE_PREFIX) and name != _BROKER_VARIABLE)
    ]
    for name in found:
        del os.environ[name]
