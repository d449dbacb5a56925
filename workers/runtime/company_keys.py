"""Create the keys that begin with the company while other processes run. Drop the earlier keys in a later step."""

import time
from datetime import UTC, datetime

import structlog

from payments.store.db.connection import SESSION_NAME_SUFFIX, Database, Transaction, transaction
from payments.store.migrations import backfill, earlier_users, online
from payments.store.migrations.statements import add_constraint, create_index, run_together
from workers.runtime.company_backfill import backfill_company_ids

log = structlog.get_logger(__name__)


class UnfinishedError(Exception):
    """The earlier keys cannot be dropped yet. The message gives the reason."""


def adopt_keys(database: Database, *, finishing: bool) -> None:
    """Set the company of rows and users of earlier releases. Then create the keys that begin with the company.

    With `finishing`, also drop the earlier keys. Raises the errors of `create_keys` and `finish`.
    """
    backfill_company_ids(database)
    backfill_user_companies(database)
    create_keys(database)
    if finishing:
        finish(database)


def backfill_user_companies(database: Database) -> None:
    """Set the companies of users whom an earlier console limited to clinics only: the companies of these clinics.

    Log a warning that names the users who still have no company.
    """
    with transaction(database) as tx:
        filled, left = earlier_users.fill_companies(tx, datetime.now(UTC)), earlier_users.users_without_companies(tx)
    if filled:
        log.info("user_companies_filled", users=filled)
    if left:
        log.warning("users_without_companies", users=left)


def create_keys(database: Database) -> None:
    """Create the missing indexes, then the missing foreign keys and checks.

    Other sessions can read and write meanwhile. An interrupted run can be repeated. Raises DBAPIError if a lock cannot
    be acquired within a minute.
    """
    with transaction(database) as tx:
        indexes = online.missing_indexes(tx)
    for number, index in enumerate(indexes, 1):
        started = time.monotonic()
        create_index(database, index)
        seconds = round(time.monotonic() - started, 1)
        log.info("index_created", index=index.name, done=number, total=len(indexes), seconds=seconds)
    with transaction(database) as tx:
        statements = online.missing_constraints(tx)
    for number, statement in enumerate(statements, 1):
        if broken := add_constraint(database, statement):
            log.warning("constraint_not_validated", statement=statement, error=broken)
        log.info("constraint_added", statement=statement, done=number, total=len(statements))


def finish(database: Database) -> None:
    """Drop the keys, triggers and tables of earlier releases. A second call changes nothing.

    Raises UnfinishedError if a session of an earlier release is open, a row or user has no company, or an index is
    missing. Raises DBAPIError if a lock cannot be acquired within a minute. Locks: each table exclusively, for a
    moment.
    """
    with transaction(database) as tx:
        if problem := _blocking_reason(tx):
            raise UnfinishedError(problem)
        steps = online.drop_steps(tx)
    for number, statements in enumerate(steps, 1):
        run_together(database, statements)
        log.info("earlier_key_dropped", statement=statements[0], done=number, total=len(steps))


def _blocking_reason(tx: Transaction) -> str:
    """Return the reason why the upgrade cannot be finished. The text is empty if it can be finished."""
    if sessions := online.earlier_sessions(tx, SESSION_NAME_SUFFIX):
        return f"processes of an earlier release are connected: {', '.join(sessions)}; replace them first"
    if waiting := backfill.unfinished_tables(tx):
        return f"rows of {', '.join(waiting)} have no company yet; run workers.migrate first"
    if users := earlier_users.users_without_companies(tx):
        change = f"payments users change {users[0]} --company COMPANY --all-clinics"
        return f"users limited to clinics have no company and see nothing: {', '.join(users)}; choose it: `{change}`"
    if missing := online.missing_indexes(tx):
        return f"indexes are missing: {', '.join(index.name for index in missing)}; run workers.migrate first"
    return ""
