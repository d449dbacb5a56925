"""Check the time zone of a company (rule D1)."""

from functools import cache
from zoneinfo import available_timezones

DEFAULT_TIMEZONE = "UTC"
"""The default time zone of new companies, unless the installation has another default."""
# Entries of the time zone database that are not locations.
_NAMES_WITHOUT_LOCATION = frozenset({"localtime", "Factory", "posixrules"})


class TimezoneError(ValueError):
    """The time zone is not a known IANA name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"timezone: expected an IANA name, e.g. America/Denver; got {name!r}{_suggestion(name)}")


@cache
def known_timezones() -> frozenset[str]:
    """Return the IANA names of all time zones that this system knows."""
    return frozenset(available_timezones() - _NAMES_WITHOUT_LOCATION)


def check_timezone(name: str) -> str:
    """Return the name of a time zone unchanged.

    Raises TimezoneError if this system knows no time zone with exactly this name.
    """
    if name not in known_timezones():
        raise TimezoneError(name)
    return name


def _suggestion(name: str) -> str:
    spelt = name.strip().replace(" ", "_").casefold()
    found = next((each for each in sorted(known_timezones()) if each.casefold() == spelt and each != name), None)
    return f"; did you mean {found}?" if found else ""
