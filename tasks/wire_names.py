"""The names of tasks in messages.

They never change, because workers of an earlier and a later release run side by side during an upgrade. If a task's
function is renamed, its wire name stays.
"""

IMPORT_EVENTS = "payments.import_events"
DEAD_LETTER = "payments.give_up"
RETRY_DUE = "payments.retry_due"
RETRY_ENTRIES = "payments.retry_entries"
DETECT_EXCEPTIONS = "billing.detect_exceptions"
APPLY_IMMEDIATELY = "billing.apply_at_once"
DISTRIBUTE_PAYMENTS = "billing.distribute_payments"
BALANCE = "billing.balance"
SNAPSHOT_QUEUES = "billing.snapshot_queues"
CLOSE_MONTHS = "billing.close_months"
CREATE_PARTITIONS = "billing.make_room"
ANALYZE_TABLES = "billing.analyze_tables"
APPLY_ADJUSTMENTS = "billing.apply_adjustments"
RUN_REQUEUES = "billing.run_requeues"
PING = "canary.sing"
