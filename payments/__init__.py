"""Business rules, ledger and use cases. They must not import Celery, settings or clocks."""
