"""The task that creates the partitions of coming months."""

from datetime import UTC, datetime

from payments.journeys import retention
from payments.store.db.connection import transaction
from tasks.app import app
from tasks.resources import get_resources


@app.task(name="billing.make_room")
def create_partitions(**_future: object) -> str:
    """Create the partitions of coming months in the tables that are partitioned by month."""
    with transaction(get_resources().database) as tx:
        return f"created {retention.create_partitions(tx, datetime.now(UTC).date())} partitions"
