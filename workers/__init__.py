"""The processes: one file a service, started with `python -m workers.NAME`."""
