"""Set the number of examples of Hypothesis tests: a few fixed examples, or many new ones for `make test-deep`."""

import os

from hypothesis import HealthCheck, settings

DEEP_EXAMPLES = int(os.environ.get("PAYMENTS_DEEP_EXAMPLES", "0"))


def load_profile() -> None:
    """Set the defaults of Hypothesis. Deadlines are disabled, because a busy machine may be slow."""
    patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("fast", max_examples=20, derandomize=True, database=None, **patient)
    settings.register_profile("deep", max_examples=max(DEEP_EXAMPLES, 1), **patient)
    settings.load_profile("deep" if DEEP_EXAMPLES else "fast")


def example_count(few: int) -> int:
    """Return the number of examples of a test that needs the database: `few`, or more for `make test-deep`."""
    return DEEP_EXAMPLES or few
