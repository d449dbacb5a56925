"""The services, one module each: `python -m workers.NAME`. Their common code is in `workers.runtime`."""
