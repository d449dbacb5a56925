"""The services, one module each: `python -m workers.NAME`. What they share is in `workers.runtime`."""
