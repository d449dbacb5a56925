"""The names of tasks in messages.

A name never changes, not even when the function of the task is renamed. During an upgrade, workers of two releases run
side by side and must understand each other's messages.
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
