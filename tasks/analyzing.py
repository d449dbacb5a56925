"""The task that analyzes tables to which many rows were added."""

from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued
from tasks.resources import get_resources
from tasks.table_by_table import analyze_stale_tables


@app.task(name="billing.analyze_tables")
def analyze_tables(**_future: object) -> str:
    """Run ANALYZE on tables whose planner statistics miss most of their rows, because autovacuum has not run yet."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.ANALYZE_TABLES)
    return f"analyzed {', '.join(analyze_stale_tables(resources.database)) or 'no table'}"
