"""Create the console's role, its rights, and the policies that isolate companies, while other processes work."""

import structlog

from payments.store.db.connection import Database, transaction
from payments.store.migrations import row_security
from payments.store.migrations.statements import run_together

log = structlog.get_logger(__name__)


def prepare_roles(database: Database) -> None:
    """Create the role of the console. Raises UnsuitableDatabaseError if an administrator must act first.

    Call this function before the migrations, so that nothing has changed when it raises the error.
    """
    with transaction(database) as tx:
        slow = row_security.prepare_roles(tx)
    if slow:
        log.warning("imports_without_copy", roles=slow)


def protect_tables(database: Database) -> None:
    """Create the missing rights and policies, in one transaction per table. An interrupted run can be repeated.

    Raises DBAPIError if a lock cannot be acquired within a minute. Locks: each unprotected table exclusively, for a
    moment.
    """
    with transaction(database) as tx:
        steps = list(row_security.missing_steps(tx))
    for number, statements in enumerate(steps, 1):
        run_together(database, statements)
        log.info("table_protected", statement=statements[0], done=number, total=len(steps))
