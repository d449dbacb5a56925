"""Make PostgreSQL refuse the payments of one company, and generate events of that company and of the others."""

import json
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import text

from bench import generated_events
from bench.testbed import Testbed
from payments.store.db.connection import transaction

_COMPANY = "company-1"
_REFUSING_STATEMENTS = (
    """
    CREATE FUNCTION refuse_company() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused for the benchmark'; END $$
    """,
    f"""
    CREATE TRIGGER refuse_company BEFORE INSERT ON lines FOR EACH ROW
    WHEN (NEW.company_id = '{_COMPANY}') EXECUTE FUNCTION refuse_company()
    """,
)


def refuse_company(testbed: Testbed) -> None:
    """Make PostgreSQL refuse each new payment of the company from now on."""
    with transaction(testbed.database) as tx:
        for statement in _REFUSING_STATEMENTS:
            tx.execute(text(statement))


def failing_events(count: int, prefix: str) -> Iterator[bytes]:
    """Yield `count` events of the company whose payments are refused."""
    return islice((body for body in generated_events.events(10 * count, prefix=prefix) if _is_failing(body)), count)


def other_events(count: int, prefix: str) -> Iterator[bytes]:
    """Yield `count` events of the other companies."""
    return islice((body for body in generated_events.events(10 * count, prefix=prefix) if not _is_failing(body)), count)


def _is_failing(body: bytes) -> bool:
    return bool(json.loads(body)["company_id"] == _COMPANY)
