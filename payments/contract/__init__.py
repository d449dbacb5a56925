"""The event contract: events, their fields, errors and signatures. `emr/` may import this package alone."""
