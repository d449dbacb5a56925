"""Validate, normalize and derive the URLs of the engines."""

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_DATABASE_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_FIXED_OPTIONS = {"protocol": "2", "decode_responses": "no"}
"""Options that change the form of the client's answers, with the values that the code relies on."""


def normalize_database_url(url: str) -> str:
    """Return the URL with the installed driver, psycopg. Raises ValueError if the scheme is not PostgreSQL's."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _DATABASE_SCHEMES:
        raise ValueError("expected a URL that starts with postgresql:// (or postgres://, postgresql+psycopg://)")
    return f"postgresql+psycopg://{rest}"


def normalize_redis_url(url: str) -> str:
    """Return the URL unchanged if it is valid.

    Raises ValueError if the scheme is not one of Redis, the database is not a number, or an option has a value that the
    code does not support.
    """
    parts = urlsplit(url)
    if parts.scheme not in _REDIS_SCHEMES or not (parts.netloc or parts.path):
        raise ValueError("expected a URL that starts with redis://, rediss:// or unix://")
    if not _database_number(url).isdigit():
        raise ValueError("expected a database number at the end of the URL, such as redis://host:6379/0")
    options = dict(parse_qsl(parts.query))
    if "socket_timeout" in options and not _exceeds_one_second(options["socket_timeout"]):
        raise ValueError("socket_timeout: expected more than 1 second, because reading an idle feed takes that long")
    for name, value in _FIXED_OPTIONS.items():
        if options.get(name, value).lower() != value:
            raise ValueError(f"{name}: remove it from the URL; other values are not supported")
    return url


def normalize_web_address(url: str) -> str:
    """Return a web address without a trailing slash. Raises ValueError if it is invalid or contains credentials."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError("expected an address such as https://payments.example.org, without a name or password")
    return url.rstrip("/")


def default_broker_url(redis_url: str) -> str:
    """Return the URL of the Redis database after the feed's, on the same server."""
    return with_redis_database(redis_url, int(_database_number(redis_url)) + 1)


def to_kombu_url(redis_url: str) -> str:
    """Return the URL in kombu's form, which differs for unix sockets."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    return _unsplit(parts._replace(scheme="redis+socket", query=f"virtual_host={_database_number(redis_url)}"))


def with_redis_database(redis_url: str, database: int) -> str:
    """Return the URL with another database number."""
    parts = urlsplit(redis_url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        return _unsplit(parts._replace(query=urlencode(query | {"db": str(database)})))
    return _unsplit(parts._replace(path=f"/{database}"))


def with_database(database_url: str, name: str) -> str:
    """Return the URL with another database name."""
    return _unsplit(urlsplit(database_url)._replace(path=f"/{name}"))


def without_password(url: str) -> str:
    """Return the URL with three stars in place of the password, for printing."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    credentials, _, host = parts.netloc.rpartition("@")
    return _unsplit(parts._replace(netloc=f"{credentials.partition(':')[0]}:***@{host}"))


def _unsplit(parts: SplitResult) -> str:
    # geturl() drops the two slashes of a URL without a host, such as that of a unix socket.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _exceeds_one_second(seconds: str) -> bool:
    try:
        return float(seconds) > 1
    except ValueError:
        return False


def _database_number(redis_url: str) -> str:
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return dict(parse_qsl(parts.query)).get("db", "0")
    return parts.path.strip("/") or "0"
