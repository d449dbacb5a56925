"""The services, one module each: `python -m workers.NAME`. The code that they share is in `workers.runtime`."""
