"""Time zone names: only IANA names of places are accepted, in their exact spelling."""

from zoneinfo import ZoneInfo

import pytest

from payments.core.timezone import TimezoneError, check_timezone, known_timezones


@pytest.mark.parametrize(
    "name",
    ["UTC", "America/Denver", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Etc/GMT+7"],
)
def test_iana_name_is_accepted(name: str) -> None:
    assert check_timezone(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "localtime", "Factory", "posixrules", "posix/America/Denver", "right/America/Denver", "zone.tab"),
        *(
            "america/denver",
            "AMERICA/DENVER",
            "America/denver",
            " America/Denver",
            "America/Denver ",
            "America/Denver\n",
        ),
        *("../x", "../../etc/passwd", "/etc/localtime", "America/../America/Denver", "America", "America/", "./UTC"),
        *(
            "Mars/Olympus",
            "MST7",
            "+07:00",
            "UTC+7",
            "-7",
            "<+07>-7",
            "America/Denver\n",
            "America/Denver\0",
            "é",
            "America\\Denver",
        ),
    ],
)
def test_unknown_timezone_is_refused_in_one_line_that_quotes_it(name: str) -> None:
    with pytest.raises(TimezoneError) as error:
        check_timezone(name)

    assert str(error.value).startswith(f"timezone: expected an IANA name, e.g. America/Denver; got {name!r}")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["america/denver", "AMERICA/DENVER", " America/Denver ", "america/los angeles"])
def test_refusal_suggests_the_intended_name(name: str) -> None:
    meant = "America/Los_Angeles" if "los" in name else "America/Denver"
    with pytest.raises(TimezoneError, match=f"; did you mean {meant}\\?$"):
        check_timezone(name)


def test_every_known_name_can_be_used() -> None:
    assert all(ZoneInfo(name).key == name for name in known_timezones())
