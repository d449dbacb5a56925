"""The message that makes room for the months to come."""

from datetime import UTC, datetime

from payments.journeys import retention
from payments.store.db.connection import transaction
from tasks.app import app
from tasks.resources import resources


@app.task(name="billing.make_room")
def make_room(**_future: object) -> str:
    """Make the months ahead in the tables that only grow."""
    with transaction(resources().database) as tx:
        return f"made {retention.create_partitions(tx, datetime.now(UTC).date())} parts of tables"
