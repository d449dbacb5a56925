"""Format durations in the form that settings have, such as `15m`."""

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def format_duration(duration: timedelta) -> str:
    """Return a duration in the largest unit that divides it evenly, such as `15m`. Zero is `0`."""
    seconds = int(duration.total_seconds())
    if seconds == 0:
        return "0"
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)
