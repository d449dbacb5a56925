"""Validate and normalize REDIS_URL and CELERY_BROKER_URL for redis-py and kombu. Derive the default broker URL."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from config.redis_options import database_number, normalize_redis_options
from config.urls import EngineUrl, join_engine_url, split_engine_url

_SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""Maps the scheme of a URL of Sentinels to the scheme of a URL of one server."""
_SCHEMES = ("redis", "rediss", "unix", *_SENTINEL_SCHEMES)
_EXPECTED_SCHEMES = "redis://, rediss://, unix:///, redis+sentinel:// or rediss+sentinel://"
_SERVICE_AND_DATABASE_PATTERN = re.compile(r"/(?P<service>[A-Za-z0-9._-]{1,64})(?:/(?P<database>.*))?", re.DOTALL)
_SENTINEL_PORT = 26379


@dataclass(frozen=True)
class SentinelUrl:
    """The parts of a URL that names Sentinels: `redis+sentinel://user:password@host:port,host:port/SERVICE/DB`."""

    hosts: tuple[tuple[str, int], ...]
    """Host and port of each Sentinel."""
    service: str
    """The name under which the Sentinels watch the primary and its replicas."""
    primary_url: str = field(repr=False)
    """A URL with the credentials, database and options of the primary. The host in this URL is a placeholder."""
    sentinel_url: str = field(repr=False)
    """A URL with the credentials and TLS options of the Sentinels. The host in this URL is a placeholder."""


def normalize_redis_url(text: str) -> str:
    """Return the URL in a form that redis-py and kombu read in the same way.

    Raises ValueError if the URL or the value of an option is invalid. The message quotes at most the name of an option.
    """
    url = split_engine_url(text, _SCHEMES, _EXPECTED_SCHEMES)
    if url.scheme in _SENTINEL_SCHEMES:
        return _normalize_sentinel_url(url)
    options = normalize_redis_options(url)
    if url.scheme == "unix":
        if url.hosts or len(url.path) < 2:
            raise ValueError("expected the path of a socket after three slashes, such as unix:///run/redis.sock?db=0")
        return join_engine_url("unix", url, (), url.path, options)
    if len(url.hosts) != 1 or url.hosts[0][0].startswith("/"):
        raise ValueError("expected one host, such as redis://host:6379/0")
    return join_engine_url(url.scheme, url, url.hosts, _database_path(url, options), options)


def split_sentinel_url(redis_url: str) -> SentinelUrl | None:
    """Return the parts of a normalized URL that names Sentinels. For the URL of a single server, return None."""
    if not redis_url.startswith(tuple(_SENTINEL_SCHEMES)):
        return None
    url = split_engine_url(redis_url, _SCHEMES, _EXPECTED_SCHEMES)
    service, _, database = url.path.strip("/").partition("/")
    server, options = _SENTINEL_SCHEMES[url.scheme], dict(url.options)
    login = replace(url, user=options.pop("sentinel_user", ""), password=options.pop("sentinel_password", ""))
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return SentinelUrl(
        hosts=tuple((host, port or _SENTINEL_PORT) for host, port in url.hosts),
        service=service,
        primary_url=join_engine_url(server, url, (("primary", None),), f"/{database or 0}", options),
        sentinel_url=join_engine_url(server, login, (("sentinel", None),), "", tls),
    )


def default_broker_url(redis_url: str) -> str:
    """Return `redis_url` with the next database number. The broker uses this database on the feed's server."""
    return with_redis_database(redis_url, redis_database(redis_url) + 1)


def redis_database(redis_url: str) -> int:
    """Return the database number in a normalized URL."""
    if sentinel := split_sentinel_url(redis_url):
        return redis_database(sentinel.primary_url)
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return int(dict(parse_qsl(parts.query)).get("db", "0"))
    return int(parts.path.strip("/") or "0")


def to_kombu_url(redis_url: str) -> str:
    """Return a normalized URL in kombu's form, without options. kombu's form differs for Unix sockets and Sentinels.

    kombu would fail on options that only redis-py knows. Time-outs, TLS options and options of Sentinels are passed as
    Celery settings instead (`config.redis_clients`).
    """
    if sentinel := split_sentinel_url(redis_url):
        # kombu takes what is before the host, and the database, from the URL that it uses at the time.
        primary = split_engine_url(sentinel.primary_url, _SCHEMES, _EXPECTED_SCHEMES)
        return ";".join(join_engine_url("sentinel", primary, (host,), primary.path, {}) for host in sentinel.hosts)
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return _url_text(parts._replace(scheme="redis+socket", query=f"virtual_host={redis_database(redis_url)}"))
    return _url_text(parts._replace(query=""))


def with_redis_database(redis_url: str, database: int) -> str:
    """Return a normalized URL with `database` as the database number."""
    if sentinel := split_sentinel_url(redis_url):
        url = split_engine_url(redis_url, _SCHEMES, _EXPECTED_SCHEMES)
        return join_engine_url(url.scheme, url, url.hosts, f"/{sentinel.service}/{database}", url.options)
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query)) | {"db": str(database)}
        return _url_text(parts._replace(query=urlencode(query, safe="/")))
    return _url_text(parts._replace(path=f"/{database}"))


def describe_redis(redis_url: str) -> str:
    """Return the URL's hosts, service and database number for display, without its credentials and options."""
    scheme, _, rest = redis_url.partition("://")
    if sentinel := split_sentinel_url(redis_url):
        hosts = rest.partition("/")[0].rpartition("@")[2]
        return f"{scheme}://{hosts}/{sentinel.service}/{redis_database(redis_url)}"
    parts = urlsplit(redis_url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={redis_database(redis_url)}"
    return f"{parts.scheme}://{host}/{redis_database(redis_url)}"


def _normalize_sentinel_url(url: EngineUrl) -> str:
    options = normalize_redis_options(url, sentinels=True)
    if not url.hosts or any(host.startswith("/") for host, _ in url.hosts):
        raise ValueError("expected the hosts of the Sentinels, such as redis+sentinel://a:26379,b:26379/SERVICE/0")
    if (found := _SERVICE_AND_DATABASE_PATTERN.fullmatch(url.path)) is None:
        raise ValueError("expected the service of the Sentinels and a database number at the end, such as /SERVICE/0")
    database = database_number(found["database"]) if found["database"] else "0"
    return join_engine_url(url.scheme, url, url.hosts, f"/{found['service']}/{database}", options)


def _database_path(url: EngineUrl, options: dict[str, str]) -> str:
    """Return the path with the URL's database number. Remove the option `db`, which can name the number instead.

    Raises ValueError if the path and the option name different numbers.
    """
    option = options.pop("db", None)
    path = database_number(url.path.removeprefix("/")) if url.path not in {"", "/"} else None
    if option is not None and path is not None and option != path:
        raise ValueError("db: the path of the URL names another database number")
    number = path or option
    return f"/{number}" if number else ""


def _url_text(parts: SplitResult) -> str:
    # geturl() drops the two slashes of a URL without a host, such as that of a unix socket.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"
