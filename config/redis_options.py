"""Validate the options of a Redis URL, such as `socket_timeout` and `ssl_ca_certs`."""

import re
from collections.abc import Callable

from config.urls import EngineUrl, reject_unknown_options

_CERTIFICATE_LEVELS = ("required", "optional", "none")
_SECONDS_PATTERN = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_CREDENTIALS_HINT = "write user and password before the host: redis://user:password@host:6379/0"
_SENTINELS_ONLY_HINT = "it needs a URL that starts with redis+sentinel:// or rediss+sentinel://"
_HINTS_OF_UNKNOWN_OPTIONS = {
    "username": _CREDENTIALS_HINT,
    "password": _CREDENTIALS_HINT,
    "sentinel_user": _SENTINELS_ONLY_HINT,
    "sentinel_password": _SENTINELS_ONLY_HINT,
}


def normalize_redis_options(url: EngineUrl, *, sentinels: bool = False) -> dict[str, str]:
    """Check the options of a URL, and return them in the form that redis-py reads.

    `sentinels` is True if the hosts of the URL are Sentinels. Raises ValueError if an option is unknown or its value is
    not supported. The message quotes at most the name of the option.
    """
    known = dict(_PARSERS_BY_OPTION)
    if url.scheme.startswith("rediss"):
        known |= _PARSERS_BY_TLS_OPTION
    if sentinels:
        known |= _PARSERS_BY_SENTINEL_OPTION
        del known["db"]
    hints = _HINTS_OF_UNKNOWN_OPTIONS | dict.fromkeys(
        _PARSERS_BY_TLS_OPTION, "it needs a URL that starts with rediss://"
    )
    reject_unknown_options(url.options, known, hints | {"db": "write the database after the service: /SERVICE/0"})
    checked = {}
    for name, value in url.options.items():
        try:
            checked[name] = known[name](value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if checked.get("sentinel_user") and not checked.get("sentinel_password"):
        raise ValueError("sentinel_user: it needs the option sentinel_password")
    return checked


def database_number(text: str) -> str:
    """Return the text of a database number without leading zeros. Raises ValueError if it is invalid.

    The message does not quote the text.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("expected a database number at the end of the URL, such as redis://host:6379/0")
    return str(int(text))


def _more_than_one_second(text: str) -> str:
    if not _SECONDS_PATTERN.fullmatch(text) or float(text) <= 1:
        raise ValueError("expected more than 1 second, because reading an idle feed takes that long")
    return text


def _positive_seconds(text: str) -> str:
    if not _SECONDS_PATTERN.fullmatch(text) or not float(text):
        raise ValueError("expected a number of seconds above 0")
    return text


def _whole_seconds(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError("expected a whole number of seconds")
    return text


def _accept_only(value: str) -> Callable[[str], str]:
    def accept_value(text: str) -> str:
        if text.lower() != value:
            raise ValueError("remove it from the URL; other values are not supported")
        return value

    return accept_value


def _certificate_level(text: str) -> str:
    level = text.lower().removeprefix("cert_")
    if level not in _CERTIFICATE_LEVELS:
        raise ValueError("expected required, optional or none")
    return level


def _true_or_false(text: str) -> str:
    if text.lower() not in {"true", "false"}:
        raise ValueError("expected true or false")
    return text.lower()


_PARSERS_BY_OPTION: dict[str, Callable[[str], str]] = {
    "db": database_number,
    "socket_timeout": _more_than_one_second,
    "socket_connect_timeout": _positive_seconds,
    "health_check_interval": _whole_seconds,
    "client_name": str,
    # They change the form of the client's answers, on which the code relies.
    "protocol": _accept_only("2"),
    "decode_responses": _accept_only("no"),
}
_PARSERS_BY_TLS_OPTION: dict[str, Callable[[str], str]] = {
    "ssl_cert_reqs": _certificate_level,
    "ssl_check_hostname": _true_or_false,
    **dict.fromkeys(("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password"), str),
}
_PARSERS_BY_SENTINEL_OPTION: dict[str, Callable[[str], str]] = {"sentinel_user": str, "sentinel_password": str}
