"""The forms in which the engines' URLs may be written; opens no connection."""

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_DATABASE_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_DECIDED = {"protocol": "2", "decode_responses": "no"}
"""What the client would take from the URL, and what would change its answers: how they have to be."""


def normalised_database_url(url: str) -> str:
    """Return the URL with the one driver that is installed, whichever usual form it was written in."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _DATABASE_SCHEMES:
        raise ValueError("expected a URL that starts with postgresql:// (or postgres://, postgresql+psycopg://)")
    return f"postgresql+psycopg://{rest}"


def normalised_redis_url(url: str) -> str:
    """Return the URL if it names a Redis and, where given, a database number."""
    parts = urlsplit(url)
    if parts.scheme not in _REDIS_SCHEMES or not (parts.netloc or parts.path):
        raise ValueError("expected a URL that starts with redis://, rediss:// or unix://")
    if not _database_text(url).isdigit():
        raise ValueError("expected a database number at the end of the URL, such as redis://host:6379/0")
    options = dict(parse_qsl(parts.query))
    if "socket_timeout" in options and not _is_patient(options["socket_timeout"]):
        raise ValueError("socket_timeout: expected more than 1 second, for on a quiet feed an answer takes that long")
    for name, form in _DECIDED.items():
        if options.get(name, form).lower() != form:
            raise ValueError(f"{name}: take it out of the URL, for answers are read in one form alone")
    return url


def web_address(url: str) -> str:
    """Return an address for browsers, without a slash at its end."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError("expected an address such as https://payments.example.org, without a name or password")
    return url.rstrip("/")


def broker_after(redis_url: str) -> str:
    """Return the URL of the database after the one that holds the feed, on the same server."""
    return with_redis_database(redis_url, int(_database_text(redis_url)) + 1)


def broker_form(redis_url: str) -> str:
    """Return the URL as the message library spells it: it has a scheme and a parameter of its own for unix sockets."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    return _written(parts._replace(scheme="redis+socket", query=f"virtual_host={_database_text(redis_url)}"))


def with_redis_database(redis_url: str, number: int) -> str:
    """Return the same server's URL with another database number."""
    parts = urlsplit(redis_url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        return _written(parts._replace(query=urlencode(query | {"db": str(number)})))
    return _written(parts._replace(path=f"/{number}"))


def with_database(database_url: str, name: str) -> str:
    """Return the same server's URL with another database name."""
    return _written(urlsplit(database_url)._replace(path=f"/{name}"))


def without_password(url: str) -> str:
    """Return the URL as it may be printed: the password is replaced by three stars."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    credentials, _, host = parts.netloc.rpartition("@")
    return _written(parts._replace(netloc=f"{credentials.partition(':')[0]}:***@{host}"))


def _written(parts: SplitResult) -> str:
    # geturl() drops the two slashes of a URL without a host, as a unix socket's is.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _is_patient(seconds: str) -> bool:
    try:
        return float(seconds) > 1
    except ValueError:
        return False


def _database_text(redis_url: str) -> str:
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return dict(parse_qsl(parts.query)).get("db", "0")
    return parts.path.strip("/") or "0"
