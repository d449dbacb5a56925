"""Validate and normalize REDIS_URL and CELERY_BROKER_URL, and derive the broker's URL, for redis-py and kombu."""

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from config.urls import EngineUrl, join_engine_url, reject_unknown_options, split_engine_url

_SCHEMES = ("redis", "rediss", "unix")
_EXPECTED = "redis://, rediss:// or unix:///"
_CERTIFICATE_CHECKS = ("required", "optional", "none")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_BEFORE_THE_HOST = "write user and password before the host: redis://user:password@host:6379/0"
_HINTS = {"username": _BEFORE_THE_HOST, "password": _BEFORE_THE_HOST}


def normalize_redis_url(text: str) -> str:
    """Return the URL in a form that redis-py and kombu read in the same way.

    Raises ValueError if the URL's form is invalid or the value of an option is not supported. The message quotes at
    most the name of an option.
    """
    if text.partition("://")[0].lower() in {"redis+sentinel", "rediss+sentinel", "sentinel"}:
        raise ValueError(f"Redis Sentinel is not supported; expected a URL that starts with {_EXPECTED}")
    url = split_engine_url(text, _SCHEMES, _EXPECTED)
    options = _check_options(url)
    if url.scheme == "unix":
        if url.hosts or len(url.path) < 2:
            raise ValueError("expected the path of a socket after three slashes, such as unix:///run/redis.sock?db=0")
        return join_engine_url("unix", url, (), url.path, options)
    if len(url.hosts) != 1 or url.hosts[0][0].startswith("/"):
        raise ValueError("expected one host, such as redis://host:6379/0")
    return join_engine_url(url.scheme, url, url.hosts, _database_path(url, options), options)


def default_broker_url(redis_url: str) -> str:
    """Return the URL of the Redis database after the feed's, on the same server."""
    return with_redis_database(redis_url, redis_database(redis_url) + 1)


def redis_database(redis_url: str) -> int:
    """Return the database number in a normalized URL."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return int(dict(parse_qsl(parts.query)).get("db", "0"))
    return int(parts.path.strip("/") or "0")


def to_kombu_url(redis_url: str) -> str:
    """Return a normalized URL in kombu's form, which differs for unix sockets. It keeps only the TLS options.

    kombu would fail on the other options, which only redis-py knows. kombu's timeouts are in its transport options.
    """
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return _unsplit(parts._replace(scheme="redis+socket", query=f"virtual_host={redis_database(redis_url)}"))
    encryption = [part for part in parts.query.split("&") if part.startswith("ssl_")]
    return _unsplit(parts._replace(query="&".join(encryption)))


def with_redis_database(redis_url: str, database: int) -> str:
    """Return a normalized URL with another database number."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query)) | {"db": str(database)}
        return _unsplit(parts._replace(query=urlencode(query, safe="/")))
    return _unsplit(parts._replace(path=f"/{database}"))


def describe_redis(redis_url: str) -> str:
    """Return the URL's host and database number for printing, without its credentials and options."""
    parts = urlsplit(redis_url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={redis_database(redis_url)}"
    return f"{parts.scheme}://{host}/{redis_database(redis_url)}"


def _number(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("expected a database number at the end of the URL, such as redis://host:6379/0")
    return str(int(text))


def _more_than_one_second(text: str) -> str:
    if not _SECONDS.fullmatch(text) or float(text) <= 1:
        raise ValueError("expected more than 1 second, because reading an idle feed takes that long")
    return text


def _seconds(text: str) -> str:
    if not _SECONDS.fullmatch(text) or not float(text):
        raise ValueError("expected a number of seconds above 0")
    return text


def _whole_seconds(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError("expected a whole number of seconds")
    return text


def _fixed(value: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.lower() != value:
            raise ValueError("remove it from the URL; other values are not supported")
        return value

    return check


def _certificate_check(text: str) -> str:
    level = text.lower().removeprefix("cert_")
    if level not in _CERTIFICATE_CHECKS:
        raise ValueError("expected required, optional or none")
    return level


def _true_or_false(text: str) -> str:
    if text.lower() not in {"true", "false"}:
        raise ValueError("expected true or false")
    return text.lower()


_OPTIONS: dict[str, Callable[[str], str]] = {
    "db": _number,
    "socket_timeout": _more_than_one_second,
    "socket_connect_timeout": _seconds,
    "health_check_interval": _whole_seconds,
    "client_name": str,
    # They change the form of the client's answers, on which the code relies.
    "protocol": _fixed("2"),
    "decode_responses": _fixed("no"),
}
_TLS_OPTIONS: dict[str, Callable[[str], str]] = {
    "ssl_cert_reqs": _certificate_check,
    "ssl_check_hostname": _true_or_false,
    **dict.fromkeys(("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password"), str),
}


def _check_options(url: EngineUrl) -> dict[str, str]:
    known = _OPTIONS | (_TLS_OPTIONS if url.scheme == "rediss" else {})
    reject_unknown_options(
        url.options, known, _HINTS | dict.fromkeys(_TLS_OPTIONS, "it needs a URL that starts with rediss://")
    )
    checked = {}
    for name, value in url.options.items():
        try:
            checked[name] = known[name](value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return checked


def _database_path(url: EngineUrl, options: dict[str, str]) -> str:
    """Return the path with the database number, from the path or from the option `db`. Removes `db` from `options`."""
    option = options.pop("db", None)
    path = _number(url.path.removeprefix("/")) if url.path not in {"", "/"} else None
    if option is not None and path is not None and option != path:
        raise ValueError("db: the path of the URL names another database number")
    number = path or option
    return f"/{number}" if number else ""


def _unsplit(parts: SplitResult) -> str:
    # geturl() drops the two slashes of a URL without a host, such as that of a unix socket.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"
