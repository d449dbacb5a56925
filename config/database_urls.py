"""Validate and normalize DATABASE_URL for psycopg and SQLAlchemy."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from config.urls import (
    EngineUrl,
    HostPort,
    join_engine_url,
    port_number,
    reject_unknown_options,
    split_engine_url,
    validated_host,
)

_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_EXPECTED_SCHEMES = "postgresql:// (or postgres://, postgresql+psycopg://)"
_PORT_DEFAULT = 5432
_CREDENTIALS_HINT = "write user and password before the host: postgresql://user:password@host/database"
_SCHEMA_HINT = "the tables are in the schema public; remove it from the URL"
_HINTS_OF_REFUSED_OPTIONS = {
    "user": _CREDENTIALS_HINT,
    "password": _CREDENTIALS_HINT,
    "dbname": "write the database after the host: postgresql://user@host/database",
    "application_name": "remove it from the URL; each service sets its own",
    "replication": "remove it from the URL",
}
_HINTS_OF_UNKNOWN_OPTIONS = {
    "schema": _SCHEMA_HINT,
    "currentSchema": _SCHEMA_HINT,
    "search_path": _SCHEMA_HINT,
    "ssl": "there is no such option; write sslmode=require or sslmode=verify-full",
}
_POOLER_OPTION = "pgbouncer"
_POOLER_OPTION_TEXT = f"{_POOLER_OPTION}=true"
_SEARCH_PATH_PATTERN = re.compile(r"search[_-]path", re.IGNORECASE)


def normalize_database_url(text: str) -> str:
    """Return the URL in a form that libpq and SQLAlchemy read in the same way. The URL names the driver psycopg.

    Several hosts, or a socket folder, become the options `host` and `port`. With several hosts, a connection uses the
    first one that accepts writes, unless the URL has the option `target_session_attrs`. Raises ValueError for an
    invalid URL. The message quotes at most the name of an option.
    """
    url = split_engine_url(text, _SCHEMES, _EXPECTED_SCHEMES)
    options = _validated_options(url.options)
    hosts = _hosts(url, options)
    if len(hosts) > 1:
        options.setdefault("target_session_attrs", "read-write")
    is_plain = len(hosts) == 1 and not _is_socket(hosts[0][0])
    if hosts and not is_plain:
        options["host"] = ",".join(name for name, _ in hosts)
        options["port"] = ",".join(str(port or _PORT_DEFAULT) for _, port in hosts)
    return join_engine_url("postgresql+psycopg", url, hosts if is_plain else (), url.path, options)


def libpq_url(database_url: str) -> str:
    """Return the URL as libpq and psycopg expect it: without SQLAlchemy's driver and without the option `pgbouncer`."""
    before, mark, query = database_url.replace("+psycopg", "", 1).partition("?")
    options = [each for each in query.split("&") if each and each != _POOLER_OPTION_TEXT]
    return before + (mark + "&".join(options) if options else "")


def uses_pgbouncer(database_url: str) -> bool:
    """Return whether the URL states that it leads to PgBouncer in transaction mode."""
    return _POOLER_OPTION_TEXT in database_url.partition("?")[2].split("&")


def with_database(database_url: str, name: str) -> str:
    """Return the URL with `name` as the database."""
    before, mark, query = database_url.partition("?")
    scheme, _, rest = before.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{quote(name, safe='')}{mark}{query}"


def describe_database(database_url: str) -> str:
    """Return the URL's user, hosts and database for display, without its password and options."""
    parts = urlsplit(database_url)
    credentials, at, host = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    host = host or dict(part.partition("=")[::2] for part in parts.query.split("&")).get("host", "")
    return f"postgresql://{user}{':***' if colon else ''}{at}{host}{parts.path}"


def _validated_options(options: Mapping[str, str]) -> dict[str, str]:
    for name, advice in _HINTS_OF_REFUSED_OPTIONS.items():
        if name in options:
            raise ValueError(f"{name}: {advice}")
    if options:
        reject_unknown_options(options, dict.fromkeys({*_libpq_options(), _POOLER_OPTION}), _HINTS_OF_UNKNOWN_OPTIONS)
    if options.get(_POOLER_OPTION, "true") != "true":
        raise ValueError(f"{_POOLER_OPTION}: write {_POOLER_OPTION_TEXT}, or remove it from the URL")
    if _POOLER_OPTION in options and "options" in options:
        raise ValueError("options: PgBouncer does not pass them on; set them for the role with ALTER ROLE ... SET")
    if options.get("client_encoding", "utf8").lower() not in {"utf8", "utf-8"}:
        raise ValueError("client_encoding: remove it from the URL; other values are not supported")
    if _SEARCH_PATH_PATTERN.search(options.get("options", "")):
        raise ValueError("options: the tables are in the schema public; remove search_path from the URL")
    return dict(options)


def _libpq_options() -> set[str]:
    # Imported here, because most URLs have no options and `payments --help` should be fast.
    from psycopg.pq import Conninfo  # noqa: PLC0415 - see above

    return {each.keyword.decode() for each in Conninfo.get_defaults()}


def _hosts(url: EngineUrl, options: dict[str, str]) -> tuple[HostPort, ...]:
    """Return the hosts of the URL, or the hosts that `options` name. Remove `host` and `port` from `options`.

    Raises ValueError if both name hosts, or if the number of ports does not fit.
    """
    names, ports = options.pop("host", ""), options.pop("port", "")
    if url.hosts:
        if names or ports:
            raise ValueError("host, port: give the hosts before the database, or in these options, not in both")
        return url.hosts
    found = [name if _is_socket(name) else validated_host(name) for name in names.split(",")] if names else []
    numbers = [port_number(port) if port else None for port in ports.split(",")] if ports else [None]
    if len(numbers) not in {1, len(found)}:
        raise ValueError("port: expected one number, or one for each host")
    if not found:
        options |= {"port": ports} if ports else {}
        return ()
    return tuple(zip(found, numbers * len(found) if len(numbers) == 1 else numbers, strict=True))


def _is_socket(name: str) -> bool:
    return name.startswith(("/", "@"))
