"""Enqueue the tasks whose work is due in PostgreSQL.

The dispatcher checks often whether there is due work, so that the tasks need not run every few seconds to look for it.
"""

from datetime import UTC, datetime

import redis
import structlog

from payments.journeys.due_work import find_due_work
from payments.store.db.connection import Database, is_transient, transaction
from tasks import wire_names
from tasks.enqueue import enqueue_once
from tasks.feed.clocks import monotonic_ms

log = structlog.get_logger()

CHECK_MS = 5_000


class DueWorkSweep:
    """Looks for due work every CHECK_MS.

    If PostgreSQL does not answer, nothing is enqueued. Celery beat sends the same tasks less often.
    """

    def __init__(self, database: Database, broker: redis.Redis) -> None:
        self._database, self._broker = database, broker
        self._next_check_ms = monotonic_ms()

    def sweep(self) -> None:
        """Enqueue the tasks whose work is due, unless the last check was less than CHECK_MS ago."""
        if monotonic_ms() < self._next_check_ms:
            return
        self._next_check_ms = monotonic_ms() + CHECK_MS
        try:
            with transaction(self._database) as tx:
                due = find_due_work(tx, datetime.now(UTC))
        except Exception as error:
            # The import must not end because of work that beat requests too.
            log.warning("due_work_unknown", error_class=type(error).__name__, exc_info=not is_transient(error))
            return
        tasks = (wire_names.RETRY_DUE, wire_names.APPLY_IMMEDIATELY, wire_names.RUN_REQUEUES)
        for task_name, is_due in zip(tasks, due, strict=True):
            if is_due:
                enqueue_once(self._broker, task_name)
