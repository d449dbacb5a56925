"""Business rules, ledger and use cases. Must not import Celery, settings or clocks."""
